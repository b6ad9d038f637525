// For the lab's self-test alone: a ptrace that answers as the kernel does where the processor has AMX, whose extended state is 8,192 bytes
// wider. Reading gives as much as the caller has room for; writing anything but the whole is refused with EFAULT.
#include <dlfcn.h>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>

namespace {

using Ptrace = long (*)(enum __ptrace_request, ...);

constexpr size_t kTiles = 8192;

Ptrace Next() {
  static const auto next = reinterpret_cast<Ptrace>(dlsym(RTLD_NEXT, "ptrace"));
  return next;
}

__attribute__((constructor)) void FindNext() { Next(); }

/** This processor's own state. */
iovec ReadOwn(pid_t pid, void* type) {
  static unsigned char own[1 << 16];
  iovec state{own, sizeof own};
  if (Next()(PTRACE_GETREGSET, pid, type, &state) < 0) state.iov_len = 0;
  return state;
}

long Read(pid_t pid, void* type, iovec* wanted) {
  const iovec own = ReadOwn(pid, type);
  if (own.iov_len == 0) return -1;
  wanted->iov_len = std::min(wanted->iov_len, own.iov_len + kTiles);
  std::memset(wanted->iov_base, 0, wanted->iov_len);
  std::memcpy(wanted->iov_base, own.iov_base, std::min(wanted->iov_len, own.iov_len));
  return 0;
}

long Write(pid_t pid, void* type, iovec* given) {
  const iovec own = ReadOwn(pid, type);
  if (own.iov_len == 0) return -1;
  if (given->iov_len < own.iov_len + kTiles) {
    errno = EFAULT;
    return -1;
  }
  iovec part{given->iov_base, own.iov_len};
  return Next()(PTRACE_SETREGSET, pid, type, &part);
}

}  // namespace

extern "C" long ptrace(enum __ptrace_request request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  const auto pid = va_arg(arguments, pid_t);
  void* const address = va_arg(arguments, void*);
  void* const data = va_arg(arguments, void*);
  va_end(arguments);
  if (reinterpret_cast<long>(address) == NT_X86_XSTATE) {
    if (request == PTRACE_GETREGSET) return Read(pid, address, static_cast<iovec*>(data));
    if (request == PTRACE_SETREGSET) return Write(pid, address, static_cast<iovec*>(data));
  }
  return Next()(request, pid, address, data);
}
