#include "addon/monitor.h"

#include "addon/convert.h"
#include "addon/job.h"

namespace netplane::addon {
namespace {

// Keeps a turn well below 10 ms: with the datagrams of the last read, about 64 KiB, or 200 rules.
constexpr size_t kBytesPerTurn = size_t{32} << 10;

class OpenMonitorJob : public Job {
 public:
  OpenMonitorJob(std::shared_ptr<EnvState> state, SocketOptions options, std::unique_ptr<EventCollector> collector,
                 Napi::FunctionReference callback)
      : Job(state),
        own_state_(std::move(state)),
        options_(std::move(options)),
        collector_(std::move(collector)),
        callback_(std::move(callback)) {}

  void Execute() override { result_.emplace(Socket::Open(options_)); }

  Napi::Value Complete(Napi::Env env) override {
    if (!result_->ok()) return FailedOutcome(env, result_->error());
    auto monitor = Monitor::Start(own_state_, std::move(*result_).value(), std::move(collector_), std::move(callback_));
    if (!monitor) return FailedOutcome(env, Error{ENOMEM, "uv_poll_init", ""});
    const uint32_t port_id = monitor->socket().port_id();
    const Napi::Value wrapped = Wrap(*own_state_, std::make_unique<MonitorObject>(std::move(monitor)));
    if (wrapped.IsObject()) wrapped.As<Napi::Object>().Set("portId", Napi::Number::New(env, port_id));
    return Outcome(env, wrapped);
  }

 private:
  std::shared_ptr<EnvState> own_state_;
  SocketOptions options_;
  std::unique_ptr<EventCollector> collector_;
  Napi::FunctionReference callback_;
  std::optional<Result<std::unique_ptr<Socket>>> result_;
};

}  // namespace

Monitor::Monitor(std::shared_ptr<EnvState> state, std::unique_ptr<Socket> socket, std::unique_ptr<EventCollector> collector,
                 Napi::FunctionReference callback)
    : LoopHandle(std::move(state), std::move(callback)), socket_(std::move(socket)), reader_(*socket_), collector_(std::move(collector)) {}

std::shared_ptr<Monitor> Monitor::Start(std::shared_ptr<EnvState> state, std::unique_ptr<Socket> socket,
                                        std::unique_ptr<EventCollector> collector, Napi::FunctionReference callback) {
  std::shared_ptr<Monitor> monitor(new Monitor(std::move(state), std::move(socket), std::move(collector), std::move(callback)));
  const int fd = monitor->socket_->fd();
  if (!monitor->Open<uv_poll_t>(UV_POLL, [fd](uv_loop_t* loop, uv_poll_t* poll) { return uv_poll_init(loop, poll, fd); })) return nullptr;
  uv_poll_start(monitor->handle<uv_poll_t>(), UV_READABLE, Readable);
  return monitor;
}

void Monitor::Readable(uv_poll_t* poll, int status, int) {
  const auto self = Of<Monitor>(poll);
  self->Drain();
  // A netlink overrun raises POLLERR: libuv has stopped the handle and said UV_EBADF. Reading ENOBUFS has cleared it.
  if (status < 0 && self->handle<uv_poll_t>() && !self->paused_) uv_poll_start(poll, UV_READABLE, Readable);
}

void Monitor::Drain() {
  const DrainResult result = reader_.Drain(
      kBytesPerTurn, [this](const Message& message) { collector_->Add(message); }, [this] { collector_->AddLost(); });
  // Bytes that are no messages: what they said is lost too.
  if (result.malformed) collector_->AddLost();
  Deliver(result.end == DrainEnd::kError ? Status(socket_->last_error()) : std::nullopt);
}

void Monitor::Deliver(const Status& failure) {
  if ((collector_->empty() && !failure) || !CanCall()) return;
  const Napi::Env env = this->env();
  const Napi::HandleScope scope(env);
  const Napi::Array events = collector_->Take(env);
  const napi_value said = failure ? static_cast<napi_value>(WriteFailure(env, *failure)) : static_cast<napi_value>(env.Undefined());
  if (failure) Pause();
  Call({events, said});
}

void Monitor::Pause() {
  auto* poll = handle<uv_poll_t>();
  if (!poll || paused_) return;
  paused_ = true;
  uv_poll_stop(poll);
}

void Monitor::Resume() {
  auto* poll = handle<uv_poll_t>();
  if (!poll || !paused_) return;
  paused_ = false;
  uv_poll_start(poll, UV_READABLE, Readable);
}

void Monitor::Ref() {
  if (auto* any = handle<uv_handle_t>()) uv_ref(any);
}

void Monitor::Unref() {
  if (auto* any = handle<uv_handle_t>()) uv_unref(any);
}

MethodTable MonitorObject::Methods(Napi::Env env) {
  using Self = MonitorObject;
  return {
      {"pause", Napi::Function::New<CallMethod<Self, &Self::Do<&Monitor::Pause>>>(env, "pause")},
      {"resume", Napi::Function::New<CallMethod<Self, &Self::Do<&Monitor::Resume>>>(env, "resume")},
      {"ref", Napi::Function::New<CallMethod<Self, &Self::Do<&Monitor::Ref>>>(env, "ref")},
      {"unref", Napi::Function::New<CallMethod<Self, &Self::Do<&Monitor::Unref>>>(env, "unref")},
      {"close", Napi::Function::New<CallMethod<Self, &Self::Do<&Monitor::Close>>>(env, "close")},
  };
}

Napi::Value OpenMonitor(Napi::Env env, const std::shared_ptr<EnvState>& state, SocketOptions options,
                        std::unique_ptr<EventCollector> collector, const Napi::Value& callback) {
  if (!callback.IsFunction()) {
    Napi::TypeError::New(env, "the callback is no function").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  options.non_blocking = true;
  auto kept = Napi::Persistent(callback.As<Napi::Function>());
  return Job::Submit(std::make_unique<OpenMonitorJob>(state, std::move(options), std::move(collector), std::move(kept)));
}

}  // namespace netplane::addon
