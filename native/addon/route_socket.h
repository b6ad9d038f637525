// NativeRouteSocket of src/native/route.ts.
#ifndef NETPLANE_ADDON_ROUTE_SOCKET_H_
#define NETPLANE_ADDON_ROUTE_SOCKET_H_

#include <memory>

#include "addon/socket_handle.h"
#include "route/links.h"
#include "route/routes.h"

namespace netplane::addon {

class RouteSocket : public SocketObject {
 public:
  static constexpr const char* kClassName = "RouteSocket";
  using SocketObject::SocketObject;
  static MethodTable Methods(Napi::Env env);

  Napi::Value ListLinks(const Napi::CallbackInfo& info);
  Napi::Value GetLink(const Napi::CallbackInfo& info);
  Napi::Value ChangeLink(const Napi::CallbackInfo& info);
  Napi::Value ListAddresses(const Napi::CallbackInfo& info);
  Napi::Value ChangeAddresses(const Napi::CallbackInfo& info);
  Napi::Value LookUpRoute(const Napi::CallbackInfo& info);
  Napi::Value CloseSocket(const Napi::CallbackInfo& info) { return Close(info); }
};

/// NativeLink of src/native/route.ts.
Napi::Object WriteLink(Napi::Env env, const route::Link& link);

/// NativeRoute of src/native/route.ts.
Napi::Object WriteRoute(Napi::Env env, route::Route&& route);

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_ROUTE_SOCKET_H_
