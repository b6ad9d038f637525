#include "netlink/subscription.h"

namespace netplane {

DrainResult DrainEvents(Socket& socket, size_t max_bytes, const std::function<void(const Message&)>& on_message,
                        const std::function<void()>& on_lost) {
  DrainResult result;
  size_t bytes = 0;
  ByteView datagram;
  while (bytes < max_bytes) {
    switch (socket.ReceiveNow(&datagram)) {
      case Received::kNothing:
        return result;
      case Received::kError:
        result.end = DrainEnd::kError;
        return result;
      case Received::kOverrun:
        ++result.lost;
        on_lost();
        break;
      case Received::kData: {
        bytes += datagram.size();
        MessageReader reader(datagram);
        while (auto message = reader.Next()) on_message(*message);
        result.malformed |= reader.malformed();
        break;
      }
    }
  }
  result.end = DrainEnd::kBudget;
  return result;
}

}  // namespace netplane
