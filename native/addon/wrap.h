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

/// The class of a T, made once for each environment; empty where the environment is ending.
template <typename T>
Napi::Function ClassOf(EnvState& state) {
  const Napi::Env env(state.env());
  static const char key = 0;
  Napi::FunctionReference& known = state.classes()[&key];
  if (!known.IsEmpty()) return known.Value();
  const auto made = Napi::Function::New(
      env, [](const Napi::CallbackInfo&) {}, T::kClassName);
  if (made.IsEmpty()) return made;
  // Every step may fail in a worker that is being terminated, and Napi ends the process when an empty value is the receiver.
  const Napi::Value prototype = made.Get("prototype");
  if (!prototype.IsObject()) return {};
  for (const auto& [name, method] : T::Methods(env)) prototype.As<Napi::Object>().Set(name, method);
  known = Napi::Persistent(made);
  return made;
}

/// Makes the JS object for `content`, which is destroyed with it; undefined where the environment is ending.
template <typename T>
Napi::Value Wrap(EnvState& state, std::unique_ptr<T> content) {
  const Napi::Env env(state.env());
  const Napi::Function constructor = ClassOf<T>(state);
  const napi_type_tag tag = TagOf<T>();
  napi_value object = nullptr;
  if (constructor.IsEmpty() || napi_new_instance(env, constructor, 0, nullptr, &object) != napi_ok) return env.Undefined();
  const auto finalize = [](napi_env, void* pointer, void*) { delete static_cast<T*>(pointer); };
  if (napi_type_tag_object(env, object, &tag) != napi_ok) return env.Undefined();
  if (napi_wrap(env, object, content.get(), finalize, nullptr, nullptr) != napi_ok) return env.Undefined();
  static_cast<void>(content.release());  // The finalizer has it now.
  return {env, object};
}

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_WRAP_H_
