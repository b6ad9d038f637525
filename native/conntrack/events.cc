#include "conntrack/events.h"

#include <linux/netlink.h>

#include "conntrack/kernel.h"

namespace netplane::conntrack {
namespace {

// Rows after which a run starts anew, so that no event is much work for one turn of the event loop.
constexpr size_t kRowsPerRun = 1024;

// A message NEW is about a flow that was made when it carries NLM_F_CREATE, else about one that changed (ctnetlink_conntrack_event).
EventType TypeOf(const Message& message) {
  if (message.type == FlowMessage(IPCTNL_MSG_CT_DELETE)) return EventType::kDestroy;
  return message.flags & NLM_F_CREATE ? EventType::kNew : EventType::kUpdate;
}

bool Continues(const std::vector<EventRun>& runs, EventType type, uint32_t port_id) {
  if (runs.empty()) return false;
  const EventRun& last = runs.back();
  return last.type == type && last.port_id == port_id && last.piece.columns.rows() < kRowsPerRun;
}

}  // namespace

std::vector<int> EventGroups(bool created, bool updated, bool destroyed) {
  std::vector<int> groups;
  if (created) groups.push_back(NFNLGRP_CONNTRACK_NEW);
  if (updated) groups.push_back(NFNLGRP_CONNTRACK_UPDATE);
  if (destroyed) groups.push_back(NFNLGRP_CONNTRACK_DESTROY);
  return groups;
}

EventEnd CollectEvent(const Message& message, const FlowFilter& filter, std::vector<EventRun>& runs) {
  const bool is_flow = message.type == FlowMessage(IPCTNL_MSG_CT_NEW) || message.type == FlowMessage(IPCTNL_MSG_CT_DELETE);
  if (!is_flow) return EventEnd::kIgnored;
  if (message.body.size() < sizeof(nfgenmsg)) return EventEnd::kMalformed;
  const ByteView attributes = message.body.subspan(sizeof(nfgenmsg));
  Flow flow;
  if (!DecodeFlow(message.body[0], attributes, &flow)) return EventEnd::kMalformed;
  if (!filter.Matches(flow)) return EventEnd::kIgnored;
  const EventType type = TypeOf(message);
  if (!Continues(runs, type, message.port_id)) {
    EventRun& run = runs.emplace_back();
    run.type = type;
    run.port_id = message.port_id;
  }
  AppendTo(runs.back().piece, flow, attributes);
  return EventEnd::kTaken;
}

}  // namespace netplane::conntrack
