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
  /// How often `on_lost` was called.
  int lost = 0;
  /// Bytes that were not messages.
  bool malformed = false;
};

/// Reads the events of a socket that is a member of multicast groups.
class EventReader {
 public:
  /// The socket outlives the reader.
  explicit EventReader(Socket& socket) : socket_(socket) {}

  /// Hands over messages without waiting, until nothing is left or `max_bytes` were read (and what was read along with them: at most 64
  /// datagrams). `on_lost` is called where an unknown number of events was lost: at a datagram over 68 KiB, and after an overrun behind
  /// what the kernel still held. It tells of an overrun (ENOBUFS) before it hands that over, but drops everything, and says so no second
  /// time, until its buffer is empty (net/netlink/af_netlink.c: netlink_overrun, netlink_rcv_wake). Who lists anew when `on_lost` is
  /// called therefore misses nothing.
  DrainResult Drain(size_t max_bytes, const std::function<void(const Message&)>& on_message, const std::function<void()>& on_lost);

 private:
  Socket& socket_;
  /// An overrun was read, and the kernel's buffer has not been seen empty since.
  bool overran_ = false;
};

}  // namespace netplane

#endif  // NETPLANE_NETLINK_SUBSCRIPTION_H_
