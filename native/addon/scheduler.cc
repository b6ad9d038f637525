#include "addon/scheduler.h"

#include <algorithm>
#include <list>
#include <mutex>

#include "addon/job.h"

namespace netplane::addon {

// The two places, and who waits for one. A place is granted to a lane, whose own thread then starts its oldest waiting job.
class Places {
 public:
  static Places& Instance() {
    // Never destroyed: threads of other environments may still come here while the process exits.
    static auto* places = new Places;
    return *places;
  }

  void Enqueue(Lane& lane, std::unique_ptr<Job> job) {
    const std::lock_guard lock(mutex_);
    lane.waiting_.push_back(std::move(job));
    queue_.push_back(&lane);
    Grant();
  }

  void Release() {
    const std::lock_guard lock(mutex_);
    --taken_;
    Grant();
  }

  // The next job that the lane may start, or nothing.
  std::unique_ptr<Job> Take(Lane& lane) {
    const std::lock_guard lock(mutex_);
    if (lane.granted_ == 0) return nullptr;
    --lane.granted_;
    auto job = std::move(lane.waiting_.front());
    lane.waiting_.pop_front();
    return job;
  }

  // Forgets the lane; returns its jobs, to be destroyed outside the mutex.
  std::deque<std::unique_ptr<Job>> Leave(Lane& lane) {
    const std::lock_guard lock(mutex_);
    queue_.remove(&lane);
    taken_ -= lane.granted_;
    lane.granted_ = 0;
    auto left = std::move(lane.waiting_);
    lane.waiting_.clear();
    lane.wake_ = nullptr;
    Grant();
    return left;
  }

 private:
  void Grant() {
    while (taken_ < kPlaces && !queue_.empty()) {
      Lane* lane = queue_.front();
      queue_.pop_front();
      ++taken_;
      ++lane->granted_;
      // Under the mutex, so the handle cannot be closing: Leave clears it under the same mutex first.
      if (lane->wake_) uv_async_send(lane->wake_);
    }
  }

  static constexpr size_t kPlaces = 2;
  std::mutex mutex_;
  size_t taken_ = 0;
  std::list<Lane*> queue_;
};

Lane::Lane(napi_env env) : env_(env) {}
Lane::~Lane() = default;

bool Lane::Start() {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok) return false;
  // By size at run time: the struct may be larger in the libuv of another Node than in these headers.
  auto* wake = static_cast<uv_async_t*>(::operator new(uv_handle_size(UV_ASYNC)));
  wake->data = this;
  if (uv_async_init(loop, wake, [](uv_async_t* handle) { static_cast<Lane*>(handle->data)->RunGranted(); }) != 0) {
    ::operator delete(wake);
    return false;
  }
  uv_unref(reinterpret_cast<uv_handle_t*>(wake));
  wake_ = wake;
  return true;
}

void Lane::Stop(void (*done)(void*), void* argument) {
  stopped_ = true;
  stopped_callback_ = done;
  stopped_argument_ = argument;
  uv_async_t* wake = wake_;
  auto left = Places::Instance().Leave(*this);
  left.clear();
  if (!wake) return done(argument);
  uv_close(reinterpret_cast<uv_handle_t*>(wake), [](uv_handle_t* handle) {
    auto* lane = static_cast<Lane*>(handle->data);
    ::operator delete(handle);
    lane->stopped_callback_(lane->stopped_argument_);
  });
}

void Lane::Submit(std::unique_ptr<Job> job) {
  if (stopped_) return;
  Places::Instance().Enqueue(*this, std::move(job));
  ++waiting_count_;
  RunGranted();
}

void Lane::Finished() {
  Places::Instance().Release();
  RunGranted();
}

void Lane::RunGranted() {
  while (!stopped_) {
    auto job = Places::Instance().Take(*this);
    if (!job) break;
    --waiting_count_;
    if (!Job::Start(std::move(job))) Places::Instance().Release();
  }
  KeepLoopAliveWhileWaiting();
}

void Lane::KeepLoopAliveWhileWaiting() {
  if (stopped_) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(wake_);
  if (waiting_count_ > 0) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

}  // namespace netplane::addon
