#include "test/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <thread>

namespace netplane {
namespace {

bool WriteFile(const char* path, std::string_view text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  const bool written = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) close(fd);
  return written;
}

}  // namespace

bool EnterUserNamespace() {
  const std::string user = "0 " + std::to_string(geteuid()) + " 1";
  const std::string group = "0 " + std::to_string(getegid()) + " 1";
  return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && WriteFile("/proc/self/setgroups", "deny") && WriteFile("/proc/self/uid_map", user) &&
         WriteFile("/proc/self/gid_map", group);
}

bool PassesInUserNamespace(const std::function<bool()>& check) {
  const pid_t child = fork();
  if (child == 0) _exit(EnterUserNamespace() && check() ? 0 : 1);
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int NewNetworkNamespace() {
  int fd = -1;
  std::thread([&fd] {
    if (unshare(CLONE_NEWNET) == 0) fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  }).join();
  return fd;
}

}  // namespace netplane
