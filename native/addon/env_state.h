// What the addon keeps for one environment (the main thread or a worker). It travels as callback data, not as instance data: two copies of
// the addon may be loaded into one environment.
#ifndef NETPLANE_ADDON_ENV_STATE_H_
#define NETPLANE_ADDON_ENV_STATE_H_

#include <napi.h>

#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "addon/scheduler.h"

namespace netplane::addon {

/// Something with a handle on the event loop, which must be closed before the environment may end.
class LoopResource {
 public:
  virtual ~LoopResource() = default;
  /// Begins to close; EnvState::Released is called when it is done.
  virtual void CloseForExit() = 0;
};

class EnvState : public std::enable_shared_from_this<EnvState> {
 public:
  /// Makes the state and registers its clean-up. Null where the environment is ending already. The state lives until the environment's
  /// clean-up is done, so that the functions of the addon may hold it by plain pointer: none can be called later.
  static EnvState* Create(napi_env env);

  napi_env env() const { return lane_.env(); }
  Lane& lane() { return lane_; }
  /// True once the environment has begun to end: no JS may be called any more.
  bool ending() const { return ending_; }

  void Acquired(LoopResource* resource) { resources_.insert(resource); }
  void Released(LoopResource* resource);

  /// The environment's Promise, as it was when the addon was loaded.
  napi_ref promise_class() const { return promise_class_; }

  /// The class of wrapped objects with this tag (wrap.h), made once.
  std::unordered_map<const void*, Napi::FunctionReference>& classes() { return classes_; }

 private:
  explicit EnvState(napi_env env) : lane_(env) {}
  bool KeepPromiseClass();
  static void CleanUp(napi_async_cleanup_hook_handle handle, void* data);
  void FinishWhenQuiet();

  Lane lane_;
  bool ending_ = false;
  bool lane_stopped_ = false;
  std::unordered_set<LoopResource*> resources_;
  std::unordered_map<const void*, Napi::FunctionReference> classes_;
  napi_ref promise_class_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  /// Keeps the state alive until the clean-up has run.
  std::shared_ptr<EnvState> self_;
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_ENV_STATE_H_
