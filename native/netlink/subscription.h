// Multicast: events as they come, loss reported, never hidden.
#ifndef NETPLANE_NETLINK_SUBSCRIPTION_H_
#define NETPLANE_NETLINK_SUBSCRIPTION_H_

#include <functional>

#include "netlink/attribute_reader.h"
#include "netlink/socket.h"

namespace netplane {

enum class DrainEnd : uint8_t {
  kEmpty,   ///< EAGAIN: everything queued was handed over.
  kBudget,  ///< Enough for one turn of the event loop; more may be queued in the kernel, and poll(2) says so.
  kError,   ///< socket.last_error().
};

struct DrainResult {
  DrainEnd end = DrainEnd::kEmpty;
  /// Overruns seen (ENOBUFS, or a datagram over 68 KiB): that many times an unknown number of events was lost, before the events that
  /// followed.
  int lost = 0;
  /// Bytes that were not messages.
  bool malformed = false;
};

/// Hands over messages without waiting, until nothing is left or `max_bytes` were read (and what was read along with them: at most 64
/// datagrams). `on_lost` is called in order with the messages.
DrainResult DrainEvents(Socket& socket, size_t max_bytes, const std::function<void(const Message&)>& on_message,
                        const std::function<void()>& on_lost);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_SUBSCRIPTION_H_
