// Asks now and then for the generation of nf_tables, on the environment's own event loop and without JavaScript.
#ifndef NETPLANE_ADDON_GENERATION_WATCH_H_
#define NETPLANE_ADDON_GENERATION_WATCH_H_

#include <napi.h>
#include <uv.h>

#include <cstdint>
#include <memory>

#include "addon/loop_handle.h"
#include "addon/socket_handle.h"
#include "addon/wrap.h"

namespace netplane::addon {

/// A timer on a client's socket, which never keeps the event loop alive.
class GenerationWatch : public LoopHandle {
 public:
  /// `callback()` is called from the loop, once after each Arm. Null where libuv refuses.
  static std::shared_ptr<GenerationWatch> Start(std::shared_ptr<EnvState> state, SocketHandle handle, Napi::FunctionReference callback);

  /// Asks every so often, until the generation is another one than this, or cannot be had: that is told, and nothing is asked any more.
  /// What is asked while a job uses the socket waits for the next time.
  void Arm(uint32_t generation, uint64_t interval_ms);
  void Disarm();

 private:
  GenerationWatch(std::shared_ptr<EnvState> state, SocketHandle handle, Napi::FunctionReference callback);
  static void Due(uv_timer_t* timer);
  /// Whether there is nothing to tell.
  bool IsSame();
  void Tell();

  SocketHandle socket_;
  uint32_t generation_ = 0;
};

/// NativeGenerationWatch of src/native/nftables.ts.
class GenerationWatchObject {
 public:
  static constexpr const char* kClassName = "GenerationWatch";
  explicit GenerationWatchObject(std::shared_ptr<GenerationWatch> watch) : watch_(std::move(watch)) {}
  ~GenerationWatchObject() { watch_->Close(); }
  GenerationWatchObject(const GenerationWatchObject&) = delete;
  GenerationWatchObject& operator=(const GenerationWatchObject&) = delete;
  static MethodTable Methods(Napi::Env env);

  /// arm(generation, intervalMs)
  Napi::Value Arm(const Napi::CallbackInfo& info);
  Napi::Value Disarm(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

 private:
  std::shared_ptr<GenerationWatch> watch_;
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_GENERATION_WATCH_H_
