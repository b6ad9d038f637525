// NativeIpvsSocket of src/native/ipvs.ts.
#ifndef NETPLANE_ADDON_IPVS_SOCKET_H_
#define NETPLANE_ADDON_IPVS_SOCKET_H_

#include <memory>

#include "addon/socket_handle.h"

namespace netplane::addon {

class IpvsSocket : public SocketObject {
 public:
  static constexpr const char* kClassName = "IpvsSocket";
  using SocketObject::SocketObject;
  static MethodTable Methods(Napi::Env env);

  Napi::Value Resolve(const Napi::CallbackInfo& info);
  Napi::Value Change(const Napi::CallbackInfo& info);
  Napi::Value List(const Napi::CallbackInfo& info);
  Napi::Value Query(const Napi::CallbackInfo& info);
  Napi::Value Command(const Napi::CallbackInfo& info);
  Napi::Value CloseSocket(const Napi::CallbackInfo& info) { return Close(info); }

 private:
  /// The family's id, once a job has resolved it; 0 before. Jobs on a socket follow one another, so it needs no lock.
  std::shared_ptr<uint16_t> family_ = std::make_shared<uint16_t>(uint16_t{0});
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_IPVS_SOCKET_H_
