#include "addon/descriptors.h"

#include <fcntl.h>

#include <cerrno>

namespace netplane::addon {

Napi::Value DuplicateDescriptor(const Napi::CallbackInfo& info) {
  // Not those of standard input and output, which may be closed.
  constexpr int kLowest = 3;
  const int descriptor = info[0].IsNumber() ? info[0].As<Napi::Number>().Int32Value() : -1;
  const int duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, kLowest);
  return Napi::Number::New(info.Env(), duplicate < 0 ? -errno : duplicate);
}

}  // namespace netplane::addon
