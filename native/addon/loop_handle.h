// What stands behind a handle of libuv on the environment's own event loop.
#ifndef NETPLANE_ADDON_LOOP_HANDLE_H_
#define NETPLANE_ADDON_LOOP_HANDLE_H_

#include <napi.h>
#include <uv.h>

#include <initializer_list>
#include <memory>

#include "addon/env_state.h"

namespace netplane::addon {

/// An object with one handle and one callback. Keeps itself alive until libuv has let go of the handle.
class LoopHandle : public LoopResource, public std::enable_shared_from_this<LoopHandle> {
 public:
  /// Nothing is called back any more. Idempotent.
  void Close();
  void CloseForExit() override { Close(); }

 protected:
  LoopHandle(std::shared_ptr<EnvState> state, Napi::FunctionReference callback);

  /// Makes the handle by `init(loop, handle)`. False where libuv refuses.
  template <typename Handle, typename Init>
  bool Open(uv_handle_type type, Init init) {
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(state_->env(), &loop) != napi_ok) return false;
    // By size at run time: the struct may be larger in the libuv of another Node than in these headers.
    void* memory = ::operator new(uv_handle_size(type));
    if (init(loop, static_cast<Handle*>(memory)) != 0) {
      ::operator delete(memory);
      return false;
    }
    Keep(static_cast<uv_handle_t*>(memory));
    return true;
  }

  /// The handle; null once it is closed.
  template <typename Handle>
  Handle* handle() const {
    return reinterpret_cast<Handle*>(handle_);
  }
  /// The object behind a handle, held for as long as the caller works with it.
  template <typename Self, typename Handle>
  static std::shared_ptr<Self> Of(Handle* handle) {
    return std::static_pointer_cast<Self>(static_cast<LoopHandle*>(handle->data)->shared_from_this());
  }

  /// libuv has let go of the handle.
  virtual void Released() {}
  /// Whether JavaScript may be called from the loop now.
  bool CanCall() const;
  /// Calls back as Node does; what is thrown is an uncaught exception. A handle scope must be open.
  void Call(std::initializer_list<napi_value> arguments);
  Napi::Env env() const { return state_->env(); }

 private:
  void Keep(uv_handle_t* handle);
  static void Closed(uv_handle_t* handle);

  std::shared_ptr<EnvState> state_;
  Napi::FunctionReference callback_;
  uv_handle_t* handle_ = nullptr;
  std::shared_ptr<LoopHandle> self_;
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_LOOP_HANDLE_H_
