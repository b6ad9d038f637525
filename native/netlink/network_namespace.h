// Entering another network namespace without ever moving a thread that others use.
#ifndef NETPLANE_NETLINK_NETWORK_NAMESPACE_H_
#define NETPLANE_NETLINK_NETWORK_NAMESPACE_H_

#include <functional>
#include <string>

#include "netlink/result.h"

namespace netplane {

/// Where a socket or a file is to be opened: empty is the process's own namespace; otherwise a path ("/run/netns/blue", "/proc/42/ns/net").
struct NetworkNamespace {
  std::string path;
};

/// Runs `work` inside the namespace: on this thread for the own one, else on a helper thread that enters it (setns, CAP_SYS_ADMIN) and
/// ends. Returns the error of opening or entering the namespace (ENOENT, EPERM, EINVAL: the path is no network namespace), else what `work`
/// returned.
Status RunInNamespace(const NetworkNamespace& where, const std::function<Status()>& work);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_NETWORK_NAMESPACE_H_
