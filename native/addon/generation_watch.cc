#include "addon/generation_watch.h"

#include <linux/netfilter/nf_tables.h>

#include <chrono>
#include <utility>

#include "nftables/list.h"
#include "nftables/request.h"

namespace netplane::addon {
namespace {

// The kernel answers at once, whoever commits meanwhile (nf_tables_getgen); only a process that is stopped in between takes longer.
constexpr std::chrono::milliseconds kDeadline{100};

}  // namespace

GenerationWatch::GenerationWatch(std::shared_ptr<EnvState> state, SocketHandle handle, Napi::FunctionReference callback)
    : LoopHandle(std::move(state), std::move(callback)), socket_(std::move(handle)) {}

std::shared_ptr<GenerationWatch> GenerationWatch::Start(std::shared_ptr<EnvState> state, SocketHandle handle,
                                                        Napi::FunctionReference callback) {
  std::shared_ptr<GenerationWatch> watch(new GenerationWatch(std::move(state), std::move(handle), std::move(callback)));
  if (!watch->Open<uv_timer_t>(UV_TIMER, uv_timer_init)) return nullptr;
  uv_unref(watch->handle<uv_handle_t>());
  return watch;
}

void GenerationWatch::Arm(uint32_t generation, uint64_t interval_ms) {
  auto* timer = handle<uv_timer_t>();
  if (!timer) return;
  generation_ = generation;
  uv_timer_start(timer, Due, interval_ms, interval_ms);
}

void GenerationWatch::Disarm() {
  if (auto* timer = handle<uv_timer_t>()) uv_timer_stop(timer);
}

void GenerationWatch::Due(uv_timer_t* timer) {
  const auto self = Of<GenerationWatch>(timer);
  if (self->IsSame()) return;
  self->Disarm();
  self->Tell();
}

bool GenerationWatch::IsSame() {
  if (socket_->busy) return true;
  // Closed: whoever looks will be told so.
  if (!socket_->socket) return false;
  const auto record = nftables::GetGeneration(*socket_->socket, Clock::now() + kDeadline);
  return record.ok() && static_cast<uint32_t>(nftables::NumberField(record.value(), NFTA_GEN_ID)) == generation_;
}

void GenerationWatch::Tell() {
  if (!CanCall()) return;
  const Napi::HandleScope scope(env());
  Call({});
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
