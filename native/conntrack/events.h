// Multicast messages of ctnetlink, decoded and filtered.
#ifndef NETPLANE_CONNTRACK_EVENTS_H_
#define NETPLANE_CONNTRACK_EVENTS_H_

#include <cstdint>
#include <vector>

#include "conntrack/filter.h"
#include "conntrack/flows.h"
#include "netlink/attribute_reader.h"

namespace netplane::conntrack {

/// NFNLGRP_CONNTRACK_NEW, UPDATE, DESTROY for SocketOptions::groups.
std::vector<int> EventGroups(bool created, bool updated, bool destroyed);

enum class EventType : uint8_t { kNew, kUpdate, kDestroy };

/// Consecutive events of one type and cause.
struct EventRun {
  EventType type = EventType::kNew;
  /// The socket whose request caused them; 0: the kernel itself.
  uint32_t port_id = 0;
  FlowPiece piece;
};

enum class EventEnd : uint8_t {
  kTaken,      ///< Appended.
  kIgnored,    ///< Does not match, or is about something else.
  kMalformed,  ///< Bytes that are no such message.
};

/// Appends what the message says, where it matches.
EventEnd CollectEvent(const Message& message, const FlowFilter& filter, std::vector<EventRun>& runs);

}  // namespace netplane::conntrack

#endif  // NETPLANE_CONNTRACK_EVENTS_H_
