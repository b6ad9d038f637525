#include "netlink/subscription.h"

#include <cerrno>

namespace netplane {
namespace {

// What an overrun counts towards the budget, so that a turn ends even where nothing but overruns is read.
constexpr size_t kOverrunBytes = 4096;

}  // namespace

DrainResult EventReader::Drain(size_t max_bytes, const std::function<void(const Message&)>& on_message,
                               const std::function<void()>& on_lost) {
  DrainResult result;
  const auto say_lost = [&] {
    ++result.lost;
    on_lost();
  };
  const auto end_overrun = [&] {
    if (overran_) say_lost();
    overran_ = false;
  };
  size_t bytes = 0;
  // What was read from the kernel is handed over whatever the budget: poll(2) would not report it again.
  while (bytes < max_bytes || socket_.has_buffered()) {
    ByteView datagram;
    const Received received = socket_.ReceiveNow(&datagram);
    if (received == Received::kNothing) {
      end_overrun();
      return result;
    }
    if (received == Received::kData) {
      bytes += datagram.size();
      MessageReader reader(datagram);
      while (auto message = reader.Next()) on_message(*message);
      result.malformed |= reader.malformed();
    } else if (received == Received::kOverrun) {
      bytes += kOverrunBytes;
      // The kernel tells of a second one only after its buffer was empty.
      end_overrun();
      overran_ = true;
    } else if (socket_.last_error().code == EMSGSIZE) {
      // A datagram that was cut is an event lost, too.
      bytes += kOverrunBytes;
      say_lost();
    } else {
      result.end = DrainEnd::kError;
      return result;
    }
  }
  // Nothing would call for another turn where the budget ended with the buffer.
  if (overran_ && !socket_.IsReadable()) end_overrun();
  result.end = DrainEnd::kBudget;
  return result;
}

}  // namespace netplane
