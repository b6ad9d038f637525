// Entering another network namespace without ever moving a thread that others use.
#ifndef NETPLANE_NETLINK_NETWORK_NAMESPACE_H_
#define NETPLANE_NETLINK_NETWORK_NAMESPACE_H_

#include <functional>
#include <memory>
#include <string>

#include "netlink/result.h"

namespace netplane {

/// A namespace by its descriptor, which stands for the same one for ever; a path or a process id may come to stand for another. It keeps
/// the namespace alive, as each of its sockets does.
class OpenNamespace {
 public:
  /// Takes the descriptor; -1 stands for one that was closed: entering it is EBADF.
  explicit OpenNamespace(int fd) : fd_(fd) {}
  ~OpenNamespace();
  OpenNamespace(const OpenNamespace&) = delete;
  OpenNamespace& operator=(const OpenNamespace&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

/// Where a socket or a file is to be opened: empty is the process's own namespace; otherwise a path ("/run/netns/blue", "/proc/42/ns/net"),
/// or a namespace that is open already.
struct NetworkNamespace {
  std::string path;
  /// Goes before the path.
  std::shared_ptr<const OpenNamespace> opened;
};

/// Opens the path, where there is one and it has not been opened, so that `where` stands for this one namespace from here on.
Status HoldNamespace(NetworkNamespace& where);

/// Runs `work` inside the namespace: on this thread for the own one, else on a helper thread that enters it (setns, CAP_SYS_ADMIN) and
/// ends. Returns the error of opening or entering the namespace (ENOENT, EPERM, EINVAL: the path is no network namespace), else what `work`
/// returned.
Status RunInNamespace(const NetworkNamespace& where, const std::function<Status()>& work);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_NETWORK_NAMESPACE_H_
