#include "addon/loop_call.h"

namespace netplane::addon {

void CallFromLoop(Napi::Env env, const Napi::FunctionReference& callback, std::initializer_list<napi_value> arguments) {
  napi_value result = nullptr;
  napi_make_callback(env, nullptr, env.Global(), callback.Value(), arguments.size(), arguments.begin(), &result);
  napi_value exception = nullptr;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending && napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
    napi_fatal_exception(env, exception);
  }
}

}  // namespace netplane::addon
