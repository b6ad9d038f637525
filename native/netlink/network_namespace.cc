#include "netlink/network_namespace.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace netplane {
namespace {

struct Visit {
  int fd;
  const std::function<Status()>* work;
  Status status;
};

void* Enter(void* argument) {
  auto* visit = static_cast<Visit*>(argument);
  if (::setns(visit->fd, CLONE_NEWNET) != 0) {
    const int code = errno;
    visit->status = Error{code, "setns", code == EPERM ? "entering a network namespace needs CAP_SYS_ADMIN" : ""};
  } else {
    visit->status = (*visit->work)();
  }
  return nullptr;
}

}  // namespace

OpenNamespace::~OpenNamespace() {
  if (fd_ >= 0) ::close(fd_);
}

Status HoldNamespace(NetworkNamespace& where) {
  if (where.path.empty() || where.opened) return std::nullopt;
  // O_NONBLOCK: a path that is a FIFO must fail in setns, not wait for a writer here.
  const int fd = ::open(where.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return Error{errno, "open " + where.path, ""};
  where.opened = std::make_shared<const OpenNamespace>(fd);
  return std::nullopt;
}

Status RunInNamespace(const NetworkNamespace& where, const std::function<Status()>& work) {
  NetworkNamespace held = where;
  if (auto error = HoldNamespace(held)) return error;
  if (!held.opened) return work();
  Visit visit{held.opened->fd(), &work, std::nullopt};
  // The thread inherits this mask: the process's signal handlers must not run in another namespace.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int failed = ::pthread_create(&thread, nullptr, Enter, &visit);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed == 0) ::pthread_join(thread, nullptr);
  if (failed != 0) return Error{failed, "pthread_create", ""};
  return visit.status;
}

}  // namespace netplane
