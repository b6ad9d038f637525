// NativeIpsetSocket of src/native/ipset.ts.
#ifndef NETPLANE_ADDON_IPSET_SOCKET_H_
#define NETPLANE_ADDON_IPSET_SOCKET_H_

#include "addon/socket_handle.h"

namespace netplane::addon {

class IpsetSocket : public SocketObject {
 public:
  static constexpr const char* kClassName = "IpsetSocket";
  using SocketObject::SocketObject;
  static MethodTable Methods(Napi::Env env);

  Napi::Value FindIndex(const Napi::CallbackInfo& info);
  Napi::Value FindName(const Napi::CallbackInfo& info);
  Napi::Value CloseSocket(const Napi::CallbackInfo& info) { return Close(info); }
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_IPSET_SOCKET_H_
