// Events of connection tracking for the monitor (NativeFlowEvents of src/native/conntrack.ts).
#ifndef NETPLANE_ADDON_CONNTRACK_EVENTS_H_
#define NETPLANE_ADDON_CONNTRACK_EVENTS_H_

#include <memory>

#include "addon/monitor.h"
#include "conntrack/filter.h"

namespace netplane::addon {

std::unique_ptr<EventCollector> MakeConntrackCollector(std::shared_ptr<const conntrack::FlowFilter> filter);

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_CONNTRACK_EVENTS_H_
