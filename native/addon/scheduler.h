// The jobs of one environment that wait for a place on libuv's pool (places.h).
#ifndef NETPLANE_ADDON_SCHEDULER_H_
#define NETPLANE_ADDON_SCHEDULER_H_

#include <node_api.h>
#include <uv.h>

#include <deque>
#include <memory>

#include "addon/places.h"

namespace netplane::addon {

class Job;

/// One environment's queue. Lives as long as its environment or its last job. Everything here runs on the environment's own thread.
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
  /// Queues a job; it runs when a place is free.
  void Submit(std::unique_ptr<Job> job);
  napi_env env() const { return env_; }

 private:
  /// What the places know of the lane. Its `wake` runs on any thread.
  struct Waiter : PlaceWaiter {
    uv_async_t* handle = nullptr;
  };
  /// Puts waiting jobs on the pool, the oldest first, as long as places are free.
  void Run();
  /// A waiting job keeps the event loop alive, as a running one does.
  void KeepLoopAliveWhileWaiting();

  napi_env env_;
  bool stopped_ = false;
  Waiter waiter_;
  std::deque<std::unique_ptr<Job>> waiting_;
  void (*stopped_callback_)(void*) = nullptr;
  void* stopped_argument_ = nullptr;
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_SCHEDULER_H_
