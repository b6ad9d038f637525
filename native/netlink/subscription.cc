#include "netlink/subscription.h"

#include <cerrno>

namespace netplane {
namespace {

// What an overrun counts towards the budget, so that a turn ends even where nothing but overruns is read.
constexpr size_t kOverrunBytes = 4096;

}  // namespace

DrainResult DrainEvents(Socket& socket, size_t max_bytes, const std::function<void(const Message&)>& on_message,
                        const std::function<void()>& on_lost) {
  DrainResult result;
  size_t bytes = 0;
  // What was read from the kernel is handed over whatever the budget: poll(2) would not report it again.
  while (bytes < max_bytes || socket.has_buffered()) {
    ByteView datagram;
    const Received received = socket.ReceiveNow(&datagram);
    if (received == Received::kNothing) return result;
    if (received == Received::kData) {
      bytes += datagram.size();
      MessageReader reader(datagram);
      while (auto message = reader.Next()) on_message(*message);
      result.malformed |= reader.malformed();
    } else if (received == Received::kOverrun || socket.last_error().code == EMSGSIZE) {
      // A datagram that was cut is an event lost, too.
      bytes += kOverrunBytes;
      ++result.lost;
      on_lost();
    } else {
      result.end = DrainEnd::kError;
      return result;
    }
  }
  result.end = DrainEnd::kBudget;
  return result;
}

}  // namespace netplane
