// Files of /proc/sys/net and /proc/net, in a given network namespace.
#ifndef NETPLANE_ADDON_SYSTEM_SETTINGS_H_
#define NETPLANE_ADDON_SYSTEM_SETTINGS_H_

#include <napi.h>

#include <memory>

#include "addon/env_state.h"

namespace netplane::addon {

/// readSystemSetting({ netns, name }): NativeOutcome<string>. `name` is relative to /proc/sys/net: `ipv4/vs/conntrack`.
Napi::Value ReadSystemSetting(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state);
/// writeSystemSetting({ netns, name, value }): NativeOutcome<undefined>.
Napi::Value WriteSystemSetting(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state);
/// readNetworkFile({ netns, name }): NativeOutcome<string>, of at most 4096 bytes. `name` is relative to /proc/net: `ip_tables_names`.
Napi::Value ReadNetworkFile(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state);

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_SYSTEM_SETTINGS_H_
