#include "addon/loop_handle.h"

#include <utility>

#include "addon/job.h"

namespace netplane::addon {

LoopHandle::LoopHandle(std::shared_ptr<EnvState> state, Napi::FunctionReference callback)
    : state_(std::move(state)), callback_(std::move(callback)) {}

void LoopHandle::Keep(uv_handle_t* handle) {
  handle->data = this;
  handle_ = handle;
  self_ = shared_from_this();
  state_->Acquired(this);
}

void LoopHandle::Close() {
  if (!handle_) return;
  callback_.Reset();
  uv_close(std::exchange(handle_, nullptr), Closed);
}

void LoopHandle::Closed(uv_handle_t* handle) {
  // The last hold on the object goes here, and with it what the handle works with: not before libuv is done with it.
  const auto self = std::move(static_cast<LoopHandle*>(handle->data)->self_);
  ::operator delete(handle);
  self->Released();
  self->state_->Released(self.get());
}

bool LoopHandle::CanCall() const { return !state_->ending() && CanRunJs(state_->env()); }

void LoopHandle::Call(std::initializer_list<napi_value> arguments) {
  napi_value result = nullptr;
  napi_make_callback(env(), nullptr, env().Global(), callback_.Value(), arguments.size(), arguments.begin(), &result);
  napi_value exception = nullptr;
  bool pending = false;
  if (napi_is_exception_pending(env(), &pending) == napi_ok && pending && napi_get_and_clear_last_exception(env(), &exception) == napi_ok) {
    napi_fatal_exception(env(), exception);
  }
}

}  // namespace netplane::addon
