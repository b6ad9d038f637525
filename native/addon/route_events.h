// Links, addresses and default routes as NativeRouteEvent of src/native/route.ts.
#ifndef NETPLANE_ADDON_ROUTE_EVENTS_H_
#define NETPLANE_ADDON_ROUTE_EVENTS_H_

#include <memory>

#include "addon/monitor.h"

namespace netplane::addon {

/// Decodes messages of links, addresses and default routes; consecutive addresses of one requester become one event with columns.
std::unique_ptr<EventCollector> MakeRouteCollector();

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_ROUTE_EVENTS_H_
