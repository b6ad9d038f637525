// Descriptors of the process, by their numbers.
#ifndef NETPLANE_ADDON_DESCRIPTORS_H_
#define NETPLANE_ADDON_DESCRIPTORS_H_

#include <napi.h>

namespace netplane::addon {

/// A further descriptor of the same open file; a negative errno where there is none to be had.
Napi::Value DuplicateDescriptor(const Napi::CallbackInfo& info);

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_DESCRIPTORS_H_
