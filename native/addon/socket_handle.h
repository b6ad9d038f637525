// A netlink socket shared by its JS object and the job in flight.
#ifndef NETPLANE_ADDON_SOCKET_HANDLE_H_
#define NETPLANE_ADDON_SOCKET_HANDLE_H_

#include <napi.h>

#include <memory>
#include <optional>

#include "addon/convert.h"
#include "addon/job.h"
#include "addon/wrap.h"
#include "netlink/socket.h"

namespace netplane::addon {

/// The descriptor lives until the JS object has closed it (or is collected) and no job uses it any more. Environment's thread only.
struct SocketCell {
  /// Null once closed.
  std::shared_ptr<Socket> socket;
  /// A job is queued or running: the caller keeps the order, two at once are its mistake.
  bool busy = false;
};
using SocketHandle = std::shared_ptr<SocketCell>;

/// Lets go of a socket off the main thread: closing one after deletions waits for the kernel's clean-up, about 14 ms (nf_tables_destroy
/// work).
void CloseOffThread(const std::shared_ptr<EnvState>& state, std::shared_ptr<Socket> socket);

/// Opens a socket off the main thread (entering a namespace may block) and resolves with `make(state, socket)`.
using SocketMaker = Napi::Value (*)(const std::shared_ptr<EnvState>& state, std::unique_ptr<Socket> socket);
Napi::Value OpenSocket(const Napi::CallbackInfo& info, const std::shared_ptr<EnvState>& state, SocketOptions options, SocketMaker make);

/// Reads `netns`, `sendBufferBytes`, `receiveBufferBytes` of NativeOpenOptions into `options`.
void ReadOpenOptions(const Napi::Object& object, SocketOptions& options);

/// A job on a socket. Use SocketJob::Run, which refuses closed and busy sockets.
class SocketJob : public Job {
 public:
  SocketJob(std::shared_ptr<EnvState> state, const SocketHandle& handle) : Job(std::move(state)), cell_(handle), socket_(handle->socket) {}
  ~SocketJob() override;
  /// Submits the job; EBADF as a failed outcome where the socket is closed, EBUSY where another job uses it.
  static Napi::Value Run(Napi::Env env, const SocketHandle& handle, std::unique_ptr<SocketJob> job);
  /// Executes the job here, where the environment's thread waits for it, and returns what it resolves with. Refuses as Run does.
  static Napi::Value RunHere(Napi::Env env, const SocketHandle& handle, std::unique_ptr<SocketJob> job);

 protected:
  Socket& socket() { return *socket_; }

 private:
  /// Why no job can be run on a socket now.
  static std::optional<Error> Obstacle(const SocketHandle& handle);

  SocketHandle cell_;
  std::shared_ptr<Socket> socket_;
  bool running_ = false;
};

/// A socket's namespace as an opaque JS value, for what is opened in the same one later. It does not keep the namespace open: once the
/// socket is closed, opening by it is EBADF.
class NamespaceObject {
 public:
  static constexpr const char* kClassName = "Namespace";
  explicit NamespaceObject(std::weak_ptr<const OpenNamespace> opened) : opened_(std::move(opened)) {}
  static MethodTable Methods(Napi::Env) { return {}; }
  NetworkNamespace Get() const;

 private:
  std::weak_ptr<const OpenNamespace> opened_;
};

/// The property `netns`: absent, a path, or the `namespace` of a socket. With a TypeError pending where it is another object.
NetworkNamespace ReadNamespace(const Napi::Object& object);

/// What every socket's JS object has: portId, maxSendBytes, namespace (absent for the process's own), close.
class SocketObject {
 public:
  SocketObject(std::shared_ptr<EnvState> state, std::unique_ptr<Socket> socket) : state_(std::move(state)) {
    handle_->socket = std::move(socket);
  }
  ~SocketObject() { Drop(); }
  SocketObject(const SocketObject&) = delete;
  SocketObject& operator=(const SocketObject&) = delete;

  /// Makes the JS object of a T, which is a SocketObject, for a socket. A SocketMaker.
  template <typename T>
  static Napi::Value Make(const std::shared_ptr<EnvState>& state, std::unique_ptr<Socket> socket) {
    const Socket& opened = *socket;
    const Napi::Value wrapped = Wrap(*state, std::make_unique<T>(state, std::move(socket)));
    Describe(*state, wrapped, opened);
    return wrapped;
  }

 protected:
  /// Drops the object's own hold on the descriptor.
  Napi::Value Close(const Napi::CallbackInfo& info);
  const std::shared_ptr<EnvState>& state() const { return state_; }
  const SocketHandle& handle() const { return handle_; }

 private:
  /// Sets the read-only properties on the wrapped object.
  static void Describe(EnvState& state, const Napi::Value& wrapped, const Socket& socket);
  void Drop();

  std::shared_ptr<EnvState> state_;
  SocketHandle handle_ = std::make_shared<SocketCell>();
};

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_SOCKET_HANDLE_H_
