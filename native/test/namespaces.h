// Namespaces for tests.
#ifndef NETPLANE_TEST_NAMESPACES_H_
#define NETPLANE_TEST_NAMESPACES_H_

#include <functional>

namespace netplane {

/// Moves this process, which must have one thread, into a new user and network namespace, as their root. False with errno.
bool EnterUserNamespace();
/// Runs `check` in a child process inside a new user and network namespace, where no FORCE socket option is permitted. True when it
/// returned true.
bool PassesInUserNamespace(const std::function<bool()>& check);
/// A descriptor of a new network namespace.
int NewNetworkNamespace();

}  // namespace netplane

#endif  // NETPLANE_TEST_NAMESPACES_H_
