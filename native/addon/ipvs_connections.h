// NativeIpvsConnections of src/native/ipvs.ts.
#ifndef NETPLANE_ADDON_IPVS_CONNECTIONS_H_
#define NETPLANE_ADDON_IPVS_CONNECTIONS_H_

#include <memory>

#include "addon/job.h"
#include "addon/wrap.h"
#include "ipvs/connections.h"

namespace netplane::addon {

class IpvsConnections {
 public:
  static constexpr const char* kClassName = "IpvsConnections";
  IpvsConnections(std::shared_ptr<EnvState> state, std::unique_ptr<ipvs::ConnectionTable> table)
      : state_(std::move(state)), table_(std::move(table)) {}
  static MethodTable Methods(Napi::Env env);
  /// Opens the file of NativeOpenOptions' namespace off the main thread (entering it may block).
  static Napi::Value Open(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state);

  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

 private:
  std::shared_ptr<EnvState> state_;
  /// Shared with the job in flight; null once closed.
  std::shared_ptr<ipvs::ConnectionTable> table_;
  /// Whether a read is under way: a second one would be EBUSY.
  std::shared_ptr<bool> busy_ = std::make_shared<bool>(false);
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_IPVS_CONNECTIONS_H_
