#include "addon/scheduler.h"

#include <utility>

#include "addon/job.h"

namespace netplane::addon {

Lane::Lane(napi_env env) : env_(env) {}
Lane::~Lane() = default;

bool Lane::Start() {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok) return false;
  // By size at run time: the struct may be larger in the libuv of another Node than in these headers.
  auto* handle = static_cast<uv_async_t*>(::operator new(uv_handle_size(UV_ASYNC)));
  handle->data = this;
  if (uv_async_init(loop, handle, [](uv_async_t* woken) { static_cast<Lane*>(woken->data)->Run(); }) != 0) {
    ::operator delete(handle);
    return false;
  }
  uv_unref(reinterpret_cast<uv_handle_t*>(handle));
  waiter_.handle = handle;
  waiter_.wake = [](PlaceWaiter* waiter) { uv_async_send(static_cast<Waiter*>(waiter)->handle); };
  return true;
}

void Lane::Stop(void (*done)(void*), void* argument) {
  stopped_ = true;
  stopped_callback_ = done;
  stopped_argument_ = argument;
  // Before the handle is closed: nobody sends to it from here on.
  StopWaiting(waiter_);
  // Taken out first: what a job lets go of may submit another.
  std::exchange(waiting_, {}).clear();
  if (!waiter_.handle) return done(argument);
  uv_close(reinterpret_cast<uv_handle_t*>(waiter_.handle), [](uv_handle_t* closed) {
    auto* lane = static_cast<Lane*>(closed->data);
    ::operator delete(closed);
    lane->waiter_.handle = nullptr;
    lane->stopped_callback_(lane->stopped_argument_);
  });
}

void Lane::Submit(std::unique_ptr<Job> job) {
  if (stopped_) return;
  waiting_.push_back(std::move(job));
  Run();
}

void Lane::Run() {
  while (!stopped_ && !waiting_.empty() && TakePlace(waiter_)) {
    auto job = std::move(waiting_.front());
    waiting_.pop_front();
    if (!Job::Start(std::move(job))) ReleasePlace();
  }
  KeepLoopAliveWhileWaiting();
}

void Lane::KeepLoopAliveWhileWaiting() {
  if (stopped_) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(waiter_.handle);
  if (waiting_.empty()) {
    uv_unref(handle);
  } else {
    uv_ref(handle);
  }
}

}  // namespace netplane::addon
