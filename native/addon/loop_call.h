// Calls into JavaScript that begin on the event loop, and not in a call from there.
#ifndef NETPLANE_ADDON_LOOP_CALL_H_
#define NETPLANE_ADDON_LOOP_CALL_H_

#include <napi.h>

#include <initializer_list>

namespace netplane::addon {

/// Calls a function as Node calls back; what it throws is an uncaught exception. A handle scope must be open.
void CallFromLoop(Napi::Env env, const Napi::FunctionReference& callback, std::initializer_list<napi_value> arguments);

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_LOOP_CALL_H_
