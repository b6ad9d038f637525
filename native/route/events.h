// Multicast messages of NETLINK_ROUTE, decoded.
#ifndef NETPLANE_ROUTE_EVENTS_H_
#define NETPLANE_ROUTE_EVENTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "netlink/attribute_reader.h"
#include "netlink/columns.h"
#include "route/links.h"
#include "route/routes.h"

namespace netplane::route {

/// The groups for SocketOptions::groups: RTNLGRP_LINK; RTNLGRP_IPV4_IFADDR and RTNLGRP_IPV6_IFADDR; RTNLGRP_IPV4_ROUTE and
/// RTNLGRP_IPV6_ROUTE.
std::vector<int> EventGroups(bool links, bool addresses, bool default_routes);

/// A link, a default route (of a whole family, of any table), or consecutive addresses that one requester set or removed.
struct Event {
  /// RTM_NEWLINK (made or changed), RTM_DELLINK, RTM_NEWADDR (added or changed), RTM_DELADDR, RTM_NEWROUTE (added or changed),
  /// RTM_DELROUTE.
  uint16_t type = 0;
  /// Of the first message; 0 where the kernel acted by itself, and for links before Linux 6.2.
  uint32_t port_id = 0;
  uint32_t sequence = 0;
  std::optional<Link> link;
  std::optional<Route> route;
  /// Columns of addresses.h; no rows for links and routes.
  ColumnSet addresses;
};

enum class EventEnd : uint8_t {
  kTaken,      ///< Appended, or merged with the event before.
  kIgnored,    ///< About something else: a bridge's or a protocol's view of a link (AF_BRIDGE), other families, all but default routes.
  kMalformed,  ///< Bytes that are no such message.
};

/// Appends what the message says. A run of address messages of one type and requester becomes one event with many rows.
EventEnd CollectEvent(const Message& message, std::vector<Event>& events);

}  // namespace netplane::route

#endif  // NETPLANE_ROUTE_EVENTS_H_
