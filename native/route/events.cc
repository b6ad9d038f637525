#include "route/events.h"

#include <sys/socket.h>

#include "route/addresses.h"
#include "route/schemas.h"

namespace netplane::route {
namespace {

// Rows after which a run of addresses starts a new event, so that no event is much work for one turn of the event loop.
constexpr size_t kRowsPerEvent = 1024;

Event& Begin(const Message& message, std::vector<Event>& events) {
  Event& event = events.emplace_back();
  event.type = message.type;
  event.port_id = message.port_id;
  event.sequence = message.sequence;
  return event;
}

EventEnd CollectLink(const Message& message, std::vector<Event>& events) {
  const auto header = ReadHeader<ifinfomsg>(message);
  if (!header) return EventEnd::kMalformed;
  // RTM_DELLINK with AF_BRIDGE says that the link left its bridge, not that it is gone (br_ifinfo_notify).
  if (header->ifi_family != AF_UNSPEC) return EventEnd::kIgnored;
  auto link = DecodeLink(message);
  if (!link) return EventEnd::kMalformed;
  Begin(message, events).link = std::move(*link);
  return EventEnd::kTaken;
}

bool Continues(const Message& message, const std::vector<Event>& events) {
  if (events.empty()) return false;
  const Event& last = events.back();
  return last.type == message.type && last.port_id == message.port_id && last.addresses.rows() < kRowsPerEvent;
}

EventEnd CollectAddress(const Message& message, std::vector<Event>& events) {
  const bool continues = Continues(message, events);
  if (!continues) Begin(message, events).addresses = ColumnSet(kAddressColumns);
  ColumnSet& rows = events.back().addresses;
  const size_t before = rows.rows();
  const bool well_formed = DecodeAddress(message, rows);
  const bool grown = rows.rows() > before;
  if (rows.rows() == 0) events.pop_back();
  if (!well_formed) return EventEnd::kMalformed;
  return grown ? EventEnd::kTaken : EventEnd::kIgnored;
}

// Tables of a hundred thousand routes change often: of all others nothing but the header is read.
EventEnd CollectRoute(const Message& message, std::vector<Event>& events) {
  const auto header = ReadHeader<rtmsg>(message);
  if (!header) return EventEnd::kMalformed;
  if (header->rtm_dst_len != 0 || !IsTableRoute(message)) return EventEnd::kIgnored;
  auto route = DecodeRoute(message);
  if (!route) return EventEnd::kMalformed;
  Begin(message, events).route = std::move(*route);
  return EventEnd::kTaken;
}

}  // namespace

std::vector<int> EventGroups(bool links, bool addresses, bool default_routes) {
  std::vector<int> groups;
  if (links) groups.push_back(RTNLGRP_LINK);
  if (addresses) groups.insert(groups.end(), {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR});
  if (default_routes) groups.insert(groups.end(), {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE});
  return groups;
}

EventEnd CollectEvent(const Message& message, std::vector<Event>& events) {
  if (message.type == RTM_NEWLINK || message.type == RTM_DELLINK) return CollectLink(message, events);
  if (message.type == RTM_NEWADDR || message.type == RTM_DELADDR) return CollectAddress(message, events);
  if (message.type == RTM_NEWROUTE || message.type == RTM_DELROUTE) return CollectRoute(message, events);
  return EventEnd::kIgnored;
}

}  // namespace netplane::route
