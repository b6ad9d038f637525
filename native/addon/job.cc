#include "addon/job.h"

namespace netplane::addon {

bool CanRunJs(napi_env env) {
  const Napi::HandleScope scope(env);
  napi_value global = nullptr;
  napi_value same = nullptr;
  // Asks for nothing, but like every call that may run JS it is refused where none may run.
  return napi_get_global(env, &global) == napi_ok && napi_coerce_to_object(env, global, &same) == napi_ok;
}

Job::Job(std::shared_ptr<EnvState> state) : state_(std::move(state)) {}

Job::~Job() {
  if (work_) napi_delete_async_work(state_->env(), work_);
}

Napi::Value Job::Submit(std::unique_ptr<Job> job) {
  const napi_env env = job->state_->env();
  napi_value promise = nullptr;
  if (napi_create_promise(env, &job->deferred_, &promise) != napi_ok) return {};
  EnvState& state = *job->state_;
  state.lane().Submit(std::move(job));
  return Napi::Value(env, promise);
}

void Job::SubmitDetached(std::unique_ptr<Job> job) {
  EnvState& state = *job->state_;
  state.lane().Submit(std::move(job));
}

bool Job::Start(std::unique_ptr<Job> job) {
  const napi_env env = job->state_->env();
  if (!CanRunJs(env)) return false;
  const Napi::HandleScope scope(env);
  const auto name = Napi::String::New(env, "netplane");
  if (napi_create_async_work(env, nullptr, name, Executed, Completed, job.get(), &job->work_) != napi_ok) return false;
  if (napi_queue_async_work(env, job->work_) != napi_ok) return false;
  static_cast<void>(job.release());  // Completed takes it back.
  return true;
}

void Job::Executed(napi_env, void* data) { static_cast<Job*>(data)->Execute(); }

void Job::Completed(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Job> job(static_cast<Job*>(data));
  // The place first: what waits may run while the result is turned into objects.
  job->state_->lane().Finished();
  if (status == napi_ok && job->deferred_ && !job->state_->ending() && CanRunJs(env)) job->Settle(env);
}

void Job::Settle(napi_env env) {
  const Napi::HandleScope scope(env);
  const Napi::Value value = Complete(env);
  napi_value exception = nullptr;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending && napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
    napi_reject_deferred(env, deferred_, exception);
  } else if (!value.IsEmpty()) {
    // Fails where a worker is being terminated: then nobody waits any more.
    napi_resolve_deferred(env, deferred_, value);
  }
}

}  // namespace netplane::addon
