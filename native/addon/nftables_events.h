// NFNLGRP_NFTABLES and NFNLGRP_NFTRACE as NativeEvent of src/native/nftables.ts.
#ifndef NETPLANE_ADDON_NFTABLES_EVENTS_H_
#define NETPLANE_ADDON_NFTABLES_EVENTS_H_

#include <memory>

#include "addon/monitor.h"

namespace netplane::addon {

/// Decodes table, chain, rule, set, element, object, flowtable, generation and trace messages. Consecutive element messages of one set and
/// direction become one event with columns.
std::unique_ptr<EventCollector> MakeNftablesCollector();

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_NFTABLES_EVENTS_H_
