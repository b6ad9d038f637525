// Files whose content depends on the network namespace of who opens them: /proc/sys/net/…, /proc/thread-self/net/….
#ifndef NETPLANE_NETLINK_NAMESPACE_FILE_H_
#define NETPLANE_NETLINK_NAMESPACE_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "netlink/network_namespace.h"
#include "netlink/result.h"

namespace netplane {

/// A descriptor of the file, opened for reading as seen in the namespace; the caller closes it. /proc/net is a link to the process's own
/// namespace: name /proc/thread-self/net instead.
Result<int> OpenNamespaceFile(const NetworkNamespace& where, const std::string& path);

/// The content; EFBIG where it is longer than `most_bytes`.
Result<std::string> ReadNamespaceFile(const NetworkNamespace& where, const std::string& path, size_t most_bytes);

/// Writes the content by one write(2), as files of /proc/sys want it.
Status WriteNamespaceFile(const NetworkNamespace& where, const std::string& path, std::string_view content);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_NAMESPACE_FILE_H_
