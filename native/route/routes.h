// Routes: the kernel's answer to a look-up (RTM_GETROUTE without NLM_F_DUMP), and RTM_NEWROUTE and RTM_DELROUTE of multicast.
#ifndef NETPLANE_ROUTE_ROUTES_H_
#define NETPLANE_ROUTE_ROUTES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "netlink/dump.h"
#include "netlink/result.h"
#include "netlink/socket.h"

namespace netplane::route {

/// One way of a route that has several (struct rtnexthop).
struct RouteHop {
  uint32_t link_index = 0;
  /// 1 … 256: rtnh_hops is one less.
  uint32_t weight = 1;
  /// 4 or 16 bytes; empty: the destination is on the link.
  Bytes gateway;
};

/// A route of IPv4 or IPv6: struct rtmsg and the attributes that netplane reads. Addresses are in network order.
struct Route {
  /// AF_INET or AF_INET6.
  uint8_t family = 0;
  /// RTA_DST, 4 or 16 bytes: zeros where the attribute is absent, which says the whole family.
  Bytes destination;
  uint8_t destination_length = 0;
  /// RTN_*.
  uint8_t type = 0;
  /// RT_SCOPE_*.
  uint8_t scope = 0;
  /// RTPROT_*.
  uint8_t protocol = 0;
  /// RT_TABLE_* or any other number: RTA_TABLE, else what the header says.
  std::optional<uint32_t> table;
  /// RTA_OIF.
  std::optional<uint32_t> link_index;
  /// RTA_GATEWAY, or RTA_VIA of either family; empty: none.
  Bytes gateway;
  /// RTA_PREFSRC; empty: none.
  Bytes source;
  /// RTA_PRIORITY.
  std::optional<uint32_t> metric;
  /// RTA_NH_ID (Linux 5.3).
  std::optional<uint32_t> nexthop_id;
  /// RTA_MULTIPATH.
  std::vector<RouteHop> hops;
};

/// What is looked up, as `ip route get` says it.
struct RouteLookup {
  /// AF_INET or AF_INET6.
  uint8_t family = 0;
  /// 4 or 16 bytes.
  Bytes destination;
  /// 4 or 16 bytes; empty: the kernel chooses.
  Bytes source;
  /// The packet comes in by this link; 0: it is sent by this machine.
  uint32_t input_link = 0;
  /// 0: the kernel chooses.
  uint32_t output_link = 0;
  uint32_t mark = 0;
  /// Absent: that of the process.
  std::optional<uint32_t> user_id;
  /// RTM_F_FIB_MATCH (Linux 4.13): the route of the table, rather than what becomes of it for this packet.
  bool match = false;
};

/// Whether the lengths of the addresses are those of the family.
bool IsLookup(const RouteLookup& lookup);

/// Writes the request, in the form that a socket with NETLINK_GET_STRICT_CHK asks for (inet_rtm_valid_getroute_req).
void EncodeLookup(const RouteLookup& lookup, uint16_t flags, uint32_t sequence, MessageWriter& writer);

/// Whether the message is a route of a table of IPv4 or IPv6: not of another family, and not of the cache (RTM_F_CLONED).
bool IsTableRoute(const Message& message);

/// Reads the route in an RTM_NEWROUTE or RTM_DELROUTE message. Nothing where it is malformed, or of another family.
std::optional<Route> DecodeRoute(const Message& message);

/// Asks the kernel. Its errno where there is no way: ENETUNREACH (no route), EHOSTUNREACH, EACCES, EINVAL (routes of the types unreachable,
/// prohibit, blackhole). EINVAL before anything is sent where the request is none.
Result<Route> LookUpRoute(Socket& socket, const RouteLookup& lookup, Deadline deadline);

}  // namespace netplane::route

#endif  // NETPLANE_ROUTE_ROUTES_H_
