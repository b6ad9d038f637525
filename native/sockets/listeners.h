// Local sockets that wait for others: inet_diag over NETLINK_SOCK_DIAG.
#ifndef NETPLANE_SOCKETS_LISTENERS_H_
#define NETPLANE_SOCKETS_LISTENERS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "netlink/columns.h"
#include "netlink/dump.h"
#include "netlink/message_writer.h"
#include "netlink/result.h"
#include "netlink/socket.h"

namespace netplane::sockets {

/// One row is one socket.
enum ListenerColumn : size_t {
  kFamily,   ///< kU8: AF_INET 2 or AF_INET6 10, of the socket: one of IPv6 may take IPv4 as well.
  kAddress,  ///< kFixed, 16 bytes, network order; an IPv4 address is the first 4 of them. All 0: every address.
  kPort,     ///< kU16, host order.
  kUser,     ///< kU32: user id of the owner, as seen in the reader's user namespace.
  kListenerColumnCount,
};
extern const std::span<const ColumnSpec> kListenerColumns;
constexpr size_t kAddressWidth = 16;

struct ListenerRequest {
  /// AF_INET or AF_INET6.
  uint8_t family = 0;
  /// IPPROTO_TCP: sockets that listen. IPPROTO_UDP: those that are bound and not connected.
  uint8_t protocol = 0;
  Deadline deadline;
};

/// Writes the dump request (struct inet_diag_req_v2).
void EncodeListenerRequest(const ListenerRequest& request, uint16_t flags, uint32_t sequence, MessageWriter& writer);

/// Appends the socket in a SOCK_DIAG_BY_FAMILY message (struct inet_diag_msg). False where it is malformed. Other families append nothing.
bool DecodeListener(const Message& message, ColumnSet& listeners);

/// Dumps sockets, in pieces of at most 4 MiB. Needs no privilege. ENOENT: the kernel has no tcp_diag or udp_diag, and cannot load it.
Result<std::vector<ColumnSet>> ListListeners(Socket& socket, const ListenerRequest& request);

}  // namespace netplane::sockets

#endif  // NETPLANE_SOCKETS_LISTENERS_H_
