// Multicast on the environment's own event loop: uv_poll_t, no threads.
#ifndef NETPLANE_ADDON_MONITOR_H_
#define NETPLANE_ADDON_MONITOR_H_

#include <napi.h>
#include <uv.h>

#include <memory>

#include "addon/loop_handle.h"
#include "addon/wrap.h"
#include "netlink/attribute_reader.h"
#include "netlink/result.h"
#include "netlink/socket.h"
#include "netlink/subscription.h"

namespace netplane::addon {

/// Collects what one turn of the event loop brings, in order, then becomes the array that the callback gets: events, and `'lost'`.
class EventCollector {
 public:
  virtual ~EventCollector() = default;
  virtual void Add(const Message& message) = 0;
  virtual void AddLost() = 0;
  virtual bool empty() const = 0;
  /// Hands over and empties the collection.
  virtual Napi::Array Take(Napi::Env env) = 0;
};

/// A polled socket.
class Monitor : public LoopHandle {
 public:
  /// Starts reading. `callback(events, failure)` is called from the loop until Close.
  static std::shared_ptr<Monitor> Start(std::shared_ptr<EnvState> state, std::unique_ptr<Socket> socket,
                                        std::unique_ptr<EventCollector> collector, Napi::FunctionReference callback);

  void Pause();
  void Resume();
  void Ref();
  void Unref();
  const Socket& socket() const { return *socket_; }

 private:
  Monitor(std::shared_ptr<EnvState> state, std::unique_ptr<Socket> socket, std::unique_ptr<EventCollector> collector,
          Napi::FunctionReference callback);
  static void Readable(uv_poll_t* handle, int status, int events);
  void Released() override { socket_.reset(); }
  void Drain();
  void Deliver(const Status& failure);

  std::unique_ptr<Socket> socket_;
  EventReader reader_;
  std::unique_ptr<EventCollector> collector_;
  bool paused_ = false;
};

/// NativeMonitor of src/native/common.ts.
class MonitorObject {
 public:
  static constexpr const char* kClassName = "Monitor";
  explicit MonitorObject(std::shared_ptr<Monitor> monitor) : monitor_(std::move(monitor)) {}
  ~MonitorObject() { monitor_->Close(); }
  MonitorObject(const MonitorObject&) = delete;
  MonitorObject& operator=(const MonitorObject&) = delete;
  static MethodTable Methods(Napi::Env env);

  template <auto action>
  Napi::Value Do(const Napi::CallbackInfo& info) {
    ((*monitor_).*action)();
    return info.Env().Undefined();
  }

 private:
  std::shared_ptr<Monitor> monitor_;
};

/// Opens a non-blocking socket in the groups of `options` off the main thread, then starts a monitor with the collector that `make` gives.
/// Resolves with NativeOutcome<NativeMonitor>; throws a TypeError where the callback is no function.
Napi::Value OpenMonitor(Napi::Env env, const std::shared_ptr<EnvState>& state, SocketOptions options,
                        std::unique_ptr<EventCollector> collector, const Napi::Value& callback);

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_MONITOR_H_
