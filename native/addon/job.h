// Work off the main thread that ends in a promise.
#ifndef NETPLANE_ADDON_JOB_H_
#define NETPLANE_ADDON_JOB_H_

#include <napi.h>

#include <memory>

#include "addon/env_state.h"

namespace netplane::addon {

/// False once the environment has begun to end (a worker that is terminated, a process that exits), or while an exception is pending.
bool CanRunJs(napi_env env);

/// One promise. Execute runs on libuv's pool and touches nothing of Node; Complete runs on the environment's thread.
class Job {
 public:
  explicit Job(std::shared_ptr<EnvState> state);
  virtual ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  virtual void Execute() = 0;
  /// What the promise resolves with. Failures resolve too, as data: error classes are made in TypeScript, where the caller's stack is.
  virtual Napi::Value Complete(Napi::Env env) = 0;

  /// Queues the job and returns its promise. An environment that ends first leaves the promise pending.
  static Napi::Value Submit(std::unique_ptr<Job> job);
  /// Queues a job that no one waits for.
  static void SubmitDetached(std::unique_ptr<Job> job);
  /// Puts a job that has a place on the pool, and gives the place back there as soon as the job is executed; the job deletes itself when
  /// done. False where Node refuses, or the environment is ending: then the job is gone, and the place is still the caller's.
  static bool Start(std::unique_ptr<Job> job);

 protected:
  const std::shared_ptr<EnvState>& state() const { return state_; }

 private:
  static void Executed(napi_env env, void* data);
  static void Completed(napi_env env, napi_status status, void* data);
  void Settle(napi_env env);
  napi_value MakePromise(napi_env env);
  static napi_value KeepFunctions(napi_env env, napi_callback_info info);

  std::shared_ptr<EnvState> state_;
  /// The promise's functions. Not a napi_deferred: that is never freed where the environment ends before it is concluded.
  napi_ref resolve_ = nullptr;
  napi_ref reject_ = nullptr;
  napi_async_work work_ = nullptr;
  /// From the moment it is queued until it has been executed.
  bool has_place_ = false;
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_JOB_H_
