// NativeDiagnosticSocket of src/native/sockets.ts.
#ifndef NETPLANE_ADDON_DIAGNOSTIC_SOCKET_H_
#define NETPLANE_ADDON_DIAGNOSTIC_SOCKET_H_

#include "addon/socket_handle.h"

namespace netplane::addon {

class DiagnosticSocket : public SocketObject {
 public:
  static constexpr const char* kClassName = "DiagnosticSocket";
  using SocketObject::SocketObject;
  static MethodTable Methods(Napi::Env env);

  Napi::Value ListListeners(const Napi::CallbackInfo& info);
  Napi::Value CloseSocket(const Napi::CallbackInfo& info) { return Close(info); }
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_DIAGNOSTIC_SOCKET_H_
