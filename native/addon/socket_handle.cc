#include "addon/socket_handle.h"

#include <cerrno>
#include <cmath>

namespace netplane::addon {
namespace {

class OpenJob : public Job {
 public:
  OpenJob(std::shared_ptr<EnvState> state, SocketOptions options, SocketMaker make)
      : Job(state), own_state_(std::move(state)), options_(std::move(options)), make_(make) {}

  void Execute() override { result_.emplace(Socket::Open(options_)); }

  Napi::Value Complete(Napi::Env env) override {
    if (!result_->ok()) return FailedOutcome(env, result_->error());
    return Outcome(env, make_(own_state_, std::move(*result_).value()));
  }

 private:
  std::shared_ptr<EnvState> own_state_;
  SocketOptions options_;
  SocketMaker make_;
  std::optional<Result<std::unique_ptr<Socket>>> result_;
};

class CloseJob : public Job {
 public:
  CloseJob(std::shared_ptr<EnvState> state, std::shared_ptr<Socket> socket) : Job(std::move(state)), socket_(std::move(socket)) {}
  void Execute() override { socket_.reset(); }
  Napi::Value Complete(Napi::Env env) override { return env.Undefined(); }

 private:
  std::shared_ptr<Socket> socket_;
};

int BufferBytes(const Napi::Object& object, const char* name, int otherwise) {
  constexpr double kMost = 1 << 30;
  const auto bytes = ReadNumber(object, name);
  return bytes && *bytes >= 1 ? static_cast<int>(std::fmin(*bytes, kMost)) : otherwise;
}

}  // namespace

void CloseOffThread(const std::shared_ptr<EnvState>& state, std::shared_ptr<Socket> socket) {
  // Where the environment is ending the job is dropped, and the descriptor closed with it, here.
  Job::SubmitDetached(std::make_unique<CloseJob>(state, std::move(socket)));
}

Napi::Value OpenSocket(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state, SocketOptions options, SocketMaker make) {
  if (state->ending()) return info.Env().Undefined();
  return Job::Submit(std::make_unique<OpenJob>(state, std::move(options), make));
}

void ReadOpenOptions(const Napi::Object& object, SocketOptions& options) {
  options.network_namespace = ReadNamespace(object);
  options.send_buffer_bytes = BufferBytes(object, "sendBufferBytes", options.send_buffer_bytes);
  options.receive_buffer_bytes = BufferBytes(object, "receiveBufferBytes", options.receive_buffer_bytes);
}

NetworkNamespace NamespaceObject::Get() const {
  static const auto closed = std::make_shared<const OpenNamespace>(-1);
  auto opened = opened_.lock();
  return {"", opened ? std::move(opened) : closed};
}

NetworkNamespace ReadNamespace(const Napi::Object& object) {
  const Napi::Value value = object.Get("netns");
  if (!value.IsObject()) return {value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string(), nullptr};
  const auto* holder = Unwrap<NamespaceObject>(object.Env(), value);
  return holder ? holder->Get() : NetworkNamespace{};
}

SocketJob::~SocketJob() {
  if (!running_) return;
  cell_->busy = false;
  // Closed meanwhile: this job had the last hold.
  if (!cell_->socket) CloseOffThread(state(), std::move(socket_));
}

std::optional<Error> SocketJob::Obstacle(const SocketHandle& handle) {
  if (!handle->socket) return Error{EBADF, "submit", "the socket is closed"};
  if (handle->busy) return Error{EBUSY, "submit", "another job uses the socket"};
  return std::nullopt;
}

Napi::Value SocketJob::Run(Napi::Env env, const SocketHandle& handle, std::unique_ptr<SocketJob> job) {
  if (const auto obstacle = Obstacle(handle)) return Resolved(env, FailedOutcome(env, *obstacle));
  handle->busy = job->running_ = true;
  return Job::Submit(std::move(job));
}

Napi::Value SocketJob::RunHere(Napi::Env env, const SocketHandle& handle, std::unique_ptr<SocketJob> job) {
  if (const auto obstacle = Obstacle(handle)) return FailedOutcome(env, *obstacle);
  handle->busy = job->running_ = true;
  job->Execute();
  return job->Complete(env);
}

void SocketObject::Describe(EnvState& state, const Napi::Value& wrapped, const Socket& socket) {
  if (!wrapped.IsObject()) return;
  auto object = wrapped.As<Napi::Object>();
  object.Set("portId", Napi::Number::New(wrapped.Env(), socket.port_id()));
  object.Set("maxSendBytes", Napi::Number::New(wrapped.Env(), static_cast<double>(socket.max_send_bytes())));
  const auto& opened = socket.options().network_namespace.opened;
  if (opened) object.Set("namespace", Wrap(state, std::make_unique<NamespaceObject>(opened)));
}

Napi::Value SocketObject::Close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto socket = std::move(handle_->socket);
  // With a job in flight, that one closes it. Where the environment is ending, this is the last hold.
  if (!socket || handle_->busy || state_->ending()) return Resolved(env, env.Undefined());
  return Job::Submit(std::make_unique<CloseJob>(state_, std::move(socket)));
}

void SocketObject::Drop() {
  auto socket = std::move(handle_->socket);
  if (socket && !handle_->busy) CloseOffThread(state_, std::move(socket));
}

}  // namespace netplane::addon
