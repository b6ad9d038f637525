#include "addon/generation_watch.h"

#include <linux/netfilter/nf_tables.h>

#include <chrono>
#include <utility>

#include "addon/job.h"
#include "addon/loop_call.h"
#include "nftables/list.h"
#include "nftables/request.h"

namespace netplane::addon {
namespace {

// The kernel answers at once, whoever commits meanwhile (nf_tables_getgen); only a process that is stopped in between takes longer.
constexpr std::chrono::milliseconds kDeadline{100};

}  // namespace

GenerationWatch::GenerationWatch(std::shared_ptr<EnvState> state, SocketHandle handle, Napi::FunctionReference callback)
    : state_(std::move(state)), handle_(std::move(handle)), callback_(std::move(callback)) {}

std::shared_ptr<GenerationWatch> GenerationWatch::Start(std::shared_ptr<EnvState> state, SocketHandle handle,
                                                        Napi::FunctionReference callback) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(state->env(), &loop) != napi_ok) return nullptr;
  std::shared_ptr<GenerationWatch> watch(new GenerationWatch(std::move(state), std::move(handle), std::move(callback)));
  // By size at run time, as in Monitor::Start.
  auto* timer = static_cast<uv_timer_t*>(::operator new(uv_handle_size(UV_TIMER)));
  if (uv_timer_init(loop, timer) != 0) {
    ::operator delete(timer);
    return nullptr;
  }
  timer->data = watch.get();
  watch->timer_ = timer;
  watch->self_ = watch;
  watch->state_->Acquired(watch.get());
  uv_unref(reinterpret_cast<uv_handle_t*>(timer));
  return watch;
}

void GenerationWatch::Arm(uint32_t generation, uint64_t interval_ms) {
  if (!timer_) return;
  generation_ = generation;
  uv_timer_start(timer_, Due, interval_ms, interval_ms);
}

void GenerationWatch::Disarm() {
  if (timer_) uv_timer_stop(timer_);
}

void GenerationWatch::Close() {
  if (!timer_) return;
  uv_timer_stop(timer_);
  auto* handle = reinterpret_cast<uv_handle_t*>(timer_);
  timer_ = nullptr;
  callback_.Reset();
  uv_close(handle, Closed);
}

void GenerationWatch::Closed(uv_handle_t* handle) {
  const auto self = std::move(static_cast<GenerationWatch*>(handle->data)->self_);
  ::operator delete(handle);
  self->state_->Released(self.get());
}

void GenerationWatch::Due(uv_timer_t* timer) {
  const auto self = static_cast<GenerationWatch*>(timer->data)->shared_from_this();
  if (self->IsSame()) return;
  self->Disarm();
  self->Tell();
}

bool GenerationWatch::IsSame() {
  if (handle_->busy) return true;
  // Closed: whoever looks will be told so.
  if (!handle_->socket) return false;
  const auto record = nftables::GetGeneration(*handle_->socket, Clock::now() + kDeadline);
  return record.ok() && static_cast<uint32_t>(nftables::NumberField(record.value(), NFTA_GEN_ID)) == generation_;
}

void GenerationWatch::Tell() {
  const Napi::Env env(state_->env());
  if (state_->ending() || !CanRunJs(env)) return;
  const Napi::HandleScope scope(env);
  CallFromLoop(env, callback_, {});
}

MethodTable GenerationWatchObject::Methods(Napi::Env env) {
  using Self = GenerationWatchObject;
  return {
      {"arm", Napi::Function::New<CallMethod<Self, &Self::Arm>>(env, "arm")},
      {"disarm", Napi::Function::New<CallMethod<Self, &Self::Disarm>>(env, "disarm")},
      {"close", Napi::Function::New<CallMethod<Self, &Self::Close>>(env, "close")},
  };
}

Napi::Value GenerationWatchObject::Arm(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsNumber() || !info[1].IsNumber() || info[1].As<Napi::Number>().Int64Value() < 1) {
    Napi::TypeError::New(env, "a generation and milliseconds are needed").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  watch_->Arm(info[0].As<Napi::Number>().Uint32Value(), static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value()));
  return env.Undefined();
}

Napi::Value GenerationWatchObject::Disarm(const Napi::CallbackInfo& info) {
  watch_->Disarm();
  return info.Env().Undefined();
}

Napi::Value GenerationWatchObject::Close(const Napi::CallbackInfo& info) {
  watch_->Close();
  return info.Env().Undefined();
}

}  // namespace netplane::addon
