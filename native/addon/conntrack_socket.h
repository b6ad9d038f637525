// NativeConntrackSocket of src/native/conntrack.ts.
#ifndef NETPLANE_ADDON_CONNTRACK_SOCKET_H_
#define NETPLANE_ADDON_CONNTRACK_SOCKET_H_

#include <atomic>
#include <memory>

#include "addon/socket_handle.h"
#include "conntrack/flows.h"

namespace netplane::addon {

class ConntrackSocket : public SocketObject {
 public:
  static constexpr const char* kClassName = "ConntrackSocket";
  using SocketObject::SocketObject;
  static MethodTable Methods(Napi::Env env);

  Napi::Value List(const Napi::CallbackInfo& info);
  Napi::Value ReadStream(const Napi::CallbackInfo& info);
  Napi::Value Count(const Napi::CallbackInfo& info);
  Napi::Value GetFlow(const Napi::CallbackInfo& info);
  Napi::Value Change(const Napi::CallbackInfo& info);
  Napi::Value RemoveMatching(const Napi::CallbackInfo& info);
  Napi::Value Cancel(const Napi::CallbackInfo& info);
  Napi::Value Flush(const Napi::CallbackInfo& info);
  Napi::Value ListExpectations(const Napi::CallbackInfo& info);
  Napi::Value ChangeExpectation(const Napi::CallbackInfo& info);
  Napi::Value ProcessorStatistics(const Napi::CallbackInfo& info);
  Napi::Value GlobalStatistics(const Napi::CallbackInfo& info);
  Napi::Value ReadSetting(const Napi::CallbackInfo& info);
  Napi::Value WriteSetting(const Napi::CallbackInfo& info);
  Napi::Value CloseSocket(const Napi::CallbackInfo& info) { return Close(info); }

 private:
  /// The dump that ReadStream goes on with.
  std::shared_ptr<conntrack::FlowStream> stream_;
  /// Set by Cancel, seen by the removal in flight.
  std::shared_ptr<std::atomic<bool>> cancelled_;
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_CONNTRACK_SOCKET_H_
