// A ptrace that is preloaded into User-Mode Linux and writes the whole extended state of the processor, of which UML knows only the
// beginning.
//
// UML 6.1 keeps 2,696 bytes. Where the processor has more (with AMX 11,008), Linux 5.14 and newer refuse to write a part of it with EFAULT
// (xstateregs_set, arch/x86/kernel/fpu/regset.c), and UML panics. What UML does not know is written back as it was read.
#include <dlfcn.h>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstdarg>
#include <cstring>

namespace {

using Ptrace = long (*)(enum __ptrace_request, ...);

Ptrace Next() {
  static const auto next = reinterpret_cast<Ptrace>(dlsym(RTLD_NEXT, "ptrace"));
  return next;
}

// Looked for before UML runs on stacks of its own.
__attribute__((constructor)) void FindNext() { Next(); }

long WriteState(pid_t pid, void* type, iovec* given) {
  // The size of the state never changes: where UML's part is all of it, it is read once only.
  static bool is_all_known = false;
  // Not on the stack, as UML's are 16 kB. One thread alone traces.
  static unsigned char whole[1 << 16];
  iovec state{whole, sizeof whole};
  if (!is_all_known && Next()(PTRACE_GETREGSET, pid, type, &state) == 0) {
    if (state.iov_len > given->iov_len) {
      std::memcpy(whole, given->iov_base, given->iov_len);
      return Next()(PTRACE_SETREGSET, pid, type, &state);
    }
    is_all_known = true;
  }
  return Next()(PTRACE_SETREGSET, pid, type, given);
}

}  // namespace

extern "C" long ptrace(enum __ptrace_request request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  const auto pid = va_arg(arguments, pid_t);
  void* const address = va_arg(arguments, void*);
  void* const data = va_arg(arguments, void*);
  va_end(arguments);
  if (request == PTRACE_SETREGSET && reinterpret_cast<long>(address) == NT_X86_XSTATE) {
    return WriteState(pid, address, static_cast<iovec*>(data));
  }
  return Next()(request, pid, address, data);
}
