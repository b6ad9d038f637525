// At most two jobs of the process are on libuv's pool at a time, whatever the number of environments: a sendmsg can wait long for the
// kernel's commit mutex, and four of them would stop fs and dns.
#ifndef NETPLANE_ADDON_SCHEDULER_H_
#define NETPLANE_ADDON_SCHEDULER_H_

#include <node_api.h>
#include <uv.h>

#include <deque>
#include <memory>

namespace netplane::addon {

class Job;

/// One environment's place in the process-wide queue. Lives as long as its environment or its last job.
class Lane {
 public:
  explicit Lane(napi_env env);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Opens the wake-up handle on the environment's loop. False where libuv refuses.
  bool Start();
  /// Gives up what waits and closes the wake-up handle; `done` runs once libuv has let go of it.
  void Stop(void (*done)(void*), void* argument);
  /// Queues a job; it runs when one of the two places is free. Main thread of the environment only.
  void Submit(std::unique_ptr<Job> job);
  /// A job of this environment has left the pool. Main thread of the environment only.
  void Finished();
  napi_env env() const { return env_; }

 private:
  friend class Places;
  /// Puts jobs that were given a place on the pool. Main thread of the environment only.
  void RunGranted();
  /// A waiting job keeps the event loop alive, as a running one does.
  void KeepLoopAliveWhileWaiting();

  napi_env env_;
  uv_async_t* wake_ = nullptr;
  bool stopped_ = false;
  /// Jobs in `waiting_`, counted on the environment's own thread.
  size_t waiting_count_ = 0;
  /// Both under the mutex of the places.
  std::deque<std::unique_ptr<Job>> waiting_;
  size_t granted_ = 0;
  void (*stopped_callback_)(void*) = nullptr;
  void* stopped_argument_ = nullptr;
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_SCHEDULER_H_
