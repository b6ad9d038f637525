// What src/native/index.ts loads: NativeAddon of src/native/addon.ts.
#include <linux/netlink.h>
#include <napi.h>

#include <memory>

#include "addon/conntrack_convert.h"
#include "addon/conntrack_events.h"
#include "addon/conntrack_socket.h"
#include "addon/descriptors.h"
#include "addon/diagnostic_socket.h"
#include "addon/env_state.h"
#include "addon/ipset_socket.h"
#include "addon/ipvs_connections.h"
#include "addon/ipvs_socket.h"
#include "addon/monitor.h"
#include "addon/nftables_events.h"
#include "addon/nftables_socket.h"
#include "addon/request_job.h"
#include "addon/route_events.h"
#include "addon/route_socket.h"
#include "addon/socket_handle.h"
#include "addon/system_settings.h"
#include "conntrack/events.h"
#include "conntrack/schemas.h"
#include "ipvs/schemas.h"
#include "netlink/trace.h"
#include "nftables/schemas.h"
#include "route/events.h"
#include "route/schemas.h"

#ifndef NETPLANE_VERSION
#error "binding.gyp defines NETPLANE_VERSION from package.json"
#endif

namespace netplane::addon {
namespace {

std::shared_ptr<EnvState> StateOf(const Napi::CallbackInfo& info) { return static_cast<EnvState*>(info.Data())->shared_from_this(); }

Napi::Value SetTrace(const Napi::CallbackInfo& info) {
  EnableTrace(info[0].IsBoolean() && info[0].As<Napi::Boolean>().Value());
  return info.Env().Undefined();
}

Napi::Value OpenNftables(const Napi::CallbackInfo& info) {
  SocketOptions options;
  options.protocol = NETLINK_NETFILTER;
  ReadOpenOptions(OptionsOf(info), options);
  return OpenSocket(info, StateOf(info), std::move(options), SocketObject::Make<NftablesSocket>);
}

Napi::Value MonitorNftables(const Napi::CallbackInfo& info) {
  // NFNLGRP_NFTABLES and NFNLGRP_NFTRACE, include/uapi/linux/netfilter/nfnetlink.h.
  constexpr int kChanges = 7;
  constexpr int kTraces = 9;
  const Napi::Object object = OptionsOf(info);
  SocketOptions options;
  options.protocol = NETLINK_NETFILTER;
  options.groups = {ReadBool(object, "traces") ? kTraces : kChanges};
  ReadOpenOptions(object, options);
  return OpenMonitor(info.Env(), StateOf(info), std::move(options), MakeNftablesCollector(), info[1]);
}

Napi::Value OpenRoute(const Napi::CallbackInfo& info) {
  SocketOptions options;
  options.protocol = NETLINK_ROUTE;
  options.strict_check = true;
  ReadOpenOptions(OptionsOf(info), options);
  return OpenSocket(info, StateOf(info), std::move(options), SocketObject::Make<RouteSocket>);
}

Napi::Value MonitorRoute(const Napi::CallbackInfo& info) {
  const Napi::Object object = OptionsOf(info);
  SocketOptions options;
  options.protocol = NETLINK_ROUTE;
  options.groups = route::EventGroups(ReadBool(object, "links"), ReadBool(object, "addresses"), ReadBool(object, "defaultRoutes"));
  ReadOpenOptions(object, options);
  return OpenMonitor(info.Env(), StateOf(info), std::move(options), MakeRouteCollector(), info[1]);
}

Napi::Value OpenSocketDiagnostics(const Napi::CallbackInfo& info) {
  SocketOptions options;
  options.protocol = NETLINK_SOCK_DIAG;
  ReadOpenOptions(OptionsOf(info), options);
  return OpenSocket(info, StateOf(info), std::move(options), SocketObject::Make<DiagnosticSocket>);
}

Napi::Value OpenConntrack(const Napi::CallbackInfo& info) {
  SocketOptions options;
  options.protocol = NETLINK_NETFILTER;
  ReadOpenOptions(OptionsOf(info), options);
  return OpenSocket(info, StateOf(info), std::move(options), SocketObject::Make<ConntrackSocket>);
}

Napi::Value MonitorConntrack(const Napi::CallbackInfo& info) {
  const Napi::Object object = OptionsOf(info);
  SocketOptions options;
  options.protocol = NETLINK_NETFILTER;
  options.groups = conntrack::EventGroups(ReadBool(object, "created"), ReadBool(object, "updated"), ReadBool(object, "destroyed"));
  ReadOpenOptions(object, options);
  auto filter = ReadFilter(object);
  if (!filter) return Refused(info.Env(), "monitorConntrack", "a filter that is none");
  return OpenMonitor(info.Env(), StateOf(info), std::move(options), MakeConntrackCollector(std::move(filter)), info[1]);
}

// Two codecs share NETLINK_NETFILTER: each knows its own subsystems' messages.
MessageDescription DescribeNetfilter(uint16_t type) {
  const MessageDescription flow = conntrack::Describe(type);
  return flow.name ? flow : nftables::Describe(type);
}

Napi::Value OpenIpset(const Napi::CallbackInfo& info) {
  SocketOptions options;
  options.protocol = NETLINK_NETFILTER;
  ReadOpenOptions(OptionsOf(info), options);
  return OpenSocket(info, StateOf(info), std::move(options), SocketObject::Make<IpsetSocket>);
}

Napi::Value OpenIpvs(const Napi::CallbackInfo& info) {
  SocketOptions options;
  options.protocol = NETLINK_GENERIC;
  ReadOpenOptions(OptionsOf(info), options);
  return OpenSocket(info, StateOf(info), std::move(options), SocketObject::Make<IpvsSocket>);
}

Napi::Value OpenIpvsConnections(const Napi::CallbackInfo& info) { return IpvsConnections::Open(info, StateOf(info)); }

Napi::Value ReadSetting(const Napi::CallbackInfo& info) { return ReadSystemSetting(info, StateOf(info)); }
Napi::Value ReadNetwork(const Napi::CallbackInfo& info) { return ReadNetworkFile(info, StateOf(info)); }
Napi::Value WriteSetting(const Napi::CallbackInfo& info) { return WriteSystemSetting(info, StateOf(info)); }

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  EnvState* state = EnvState::Create(env);
  if (!state) {
    Napi::Error::New(env, "netplane: the environment is ending").ThrowAsJavaScriptException();
    return exports;
  }
  RegisterDescriber(NETLINK_NETFILTER, DescribeNetfilter);
  RegisterDescriber(NETLINK_ROUTE, route::Describe);
  RegisterDescriber(NETLINK_GENERIC, ipvs::Describe);
  exports.Set("version", NETPLANE_VERSION);
  exports.Set("setTrace", Napi::Function::New<SetTrace>(env, "setTrace", state));
  exports.Set("duplicateDescriptor", Napi::Function::New<DuplicateDescriptor>(env, "duplicateDescriptor"));
  exports.Set("openNftables", Napi::Function::New<OpenNftables>(env, "openNftables", state));
  exports.Set("monitorNftables", Napi::Function::New<MonitorNftables>(env, "monitorNftables", state));
  exports.Set("openRoute", Napi::Function::New<OpenRoute>(env, "openRoute", state));
  exports.Set("monitorRoute", Napi::Function::New<MonitorRoute>(env, "monitorRoute", state));
  exports.Set("openSocketDiagnostics", Napi::Function::New<OpenSocketDiagnostics>(env, "openSocketDiagnostics", state));
  exports.Set("openConntrack", Napi::Function::New<OpenConntrack>(env, "openConntrack", state));
  exports.Set("monitorConntrack", Napi::Function::New<MonitorConntrack>(env, "monitorConntrack", state));
  exports.Set("openIpset", Napi::Function::New<OpenIpset>(env, "openIpset", state));
  exports.Set("openIpvs", Napi::Function::New<OpenIpvs>(env, "openIpvs", state));
  exports.Set("openIpvsConnections", Napi::Function::New<OpenIpvsConnections>(env, "openIpvsConnections", state));
  exports.Set("readSystemSetting", Napi::Function::New<ReadSetting>(env, "readSystemSetting", state));
  exports.Set("readNetworkFile", Napi::Function::New<ReadNetwork>(env, "readNetworkFile", state));
  exports.Set("writeSystemSetting", Napi::Function::New<WriteSetting>(env, "writeSystemSetting", state));
  return exports;
}

}  // namespace
}  // namespace netplane::addon

static Napi::Object InitializeAddon(Napi::Env env, Napi::Object exports) { return netplane::addon::Initialize(env, exports); }
NODE_API_MODULE(netplane, InitializeAddon)
