#include "addon/job.h"

#include "addon/places.h"

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
  if (resolve_) napi_delete_reference(state_->env(), resolve_);
  if (reject_) napi_delete_reference(state_->env(), reject_);
}

Napi::Value Job::Submit(std::unique_ptr<Job> job) {
  const napi_env env = job->state_->env();
  const napi_value promise = job->MakePromise(env);
  if (!promise) return {};
  EnvState& state = *job->state_;
  state.lane().Submit(std::move(job));
  return Napi::Value(env, promise);
}

napi_value Job::MakePromise(napi_env env) {
  napi_value executor = nullptr;
  napi_value constructor = nullptr;
  napi_value promise = nullptr;
  const bool made = napi_create_function(env, nullptr, 0, KeepFunctions, this, &executor) == napi_ok &&
                    napi_get_reference_value(env, state_->promise_class(), &constructor) == napi_ok &&
                    napi_new_instance(env, constructor, 1, &executor, &promise) == napi_ok;
  return made && resolve_ && reject_ ? promise : nullptr;
}

// The executor of `new Promise`, called before that returns.
napi_value Job::KeepFunctions(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value functions[2] = {};
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &count, functions, nullptr, &data) != napi_ok) return nullptr;
  auto* job = static_cast<Job*>(data);
  napi_create_reference(env, functions[0], 1, &job->resolve_);
  napi_create_reference(env, functions[1], 1, &job->reject_);
  return nullptr;
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
  job->has_place_ = true;
  if (napi_queue_async_work(env, job->work_) != napi_ok) return false;
  static_cast<void>(job.release());  // Completed takes it back.
  return true;
}

void Job::Executed(napi_env, void* data) {
  auto* job = static_cast<Job*>(data);
  job->Execute();
  job->has_place_ = false;
  // Here, not where the job completes: its environment's thread may be busy for long, and others wait.
  ReleasePlace();
}

void Job::Completed(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Job> job(static_cast<Job*>(data));
  // Never executed: the environment took it back.
  if (job->has_place_) ReleasePlace();
  if (status == napi_ok && job->resolve_ && !job->state_->ending() && CanRunJs(env)) job->Settle(env);
}

void Job::Settle(napi_env env) {
  const Napi::HandleScope scope(env);
  napi_value argument = Complete(env);
  napi_ref settle = resolve_;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) {
    if (napi_get_and_clear_last_exception(env, &argument) != napi_ok) return;
    settle = reject_;
  }
  napi_value function = nullptr;
  napi_value undefined = nullptr;
  // What fails here fails because the environment is ending: then nobody waits any more.
  if (!argument || napi_get_reference_value(env, settle, &function) != napi_ok || napi_get_undefined(env, &undefined) != napi_ok) return;
  napi_call_function(env, undefined, function, 1, &argument, nullptr);
}

}  // namespace netplane::addon
