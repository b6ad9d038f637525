// C++ objects behind JS objects. Every method checks the receiver's type tag: napi_unwrap alone would reinterpret any wrapped pointer.
#ifndef NETPLANE_ADDON_WRAP_H_
#define NETPLANE_ADDON_WRAP_H_

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "addon/env_state.h"

namespace netplane::addon {

/// A tag of its own per wrapped type and loaded copy of the addon: the address of a static is unique among both.
template <typename T>
napi_type_tag TagOf() {
  static const char anchor = 0;
  return {reinterpret_cast<uint64_t>(&anchor), 0x6e65'7470'6c61'6e65};
}

/// The T behind a JS object, or null (with a TypeError pending) where it is none.
template <typename T>
T* Unwrap(Napi::Env env, const Napi::Value& value) {
  const napi_type_tag tag = TagOf<T>();
  bool same = false;
  void* pointer = nullptr;
  if (value.IsObject() && napi_check_object_type_tag(env, value, &tag, &same) == napi_ok && same &&
      napi_unwrap(env, value, &pointer) == napi_ok) {
    return static_cast<T*>(pointer);
  }
  Napi::TypeError::New(env, "the receiver is not of this class").ThrowAsJavaScriptException();
  return nullptr;
}

template <typename T, Napi::Value (T::*method)(const Napi::CallbackInfo&)>
Napi::Value CallMethod(const Napi::CallbackInfo& info) {
  T* self = Unwrap<T>(info.Env(), info.This());
  return self ? (self->*method)(info) : info.Env().Undefined();
}

/// Methods of a class, by name.
using MethodTable = std::vector<std::pair<const char*, Napi::Function>>;

/// Makes the JS object for `content`, which is destroyed with it. `T::Methods(env)` is asked once per environment.
template <typename T>
Napi::Value Wrap(EnvState& state, std::unique_ptr<T> content) {
  const Napi::Env env(state.env());
  static const char key = 0;
  Napi::FunctionReference& constructor = state.classes()[&key];
  if (constructor.IsEmpty()) {
    const auto function = Napi::Function::New(
        env, [](const Napi::CallbackInfo&) {}, T::kClassName);
    auto prototype = function.Get("prototype").template As<Napi::Object>();
    for (const auto& [name, method] : T::Methods(env)) prototype.Set(name, method);
    constructor = Napi::Persistent(function);
  }
  const Napi::Object object = constructor.New({});
  const napi_type_tag tag = TagOf<T>();
  if (object.IsEmpty() || napi_type_tag_object(env, object, &tag) != napi_ok) return env.Undefined();
  const auto finalize = [](napi_env, void* pointer, void*) { delete static_cast<T*>(pointer); };
  if (napi_wrap(env, object, content.get(), finalize, nullptr, nullptr) != napi_ok) return env.Undefined();
  static_cast<void>(content.release());  // The finalizer has it now.
  return object;
}

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_WRAP_H_
