#include "addon/convert.h"

#include <cmath>

namespace netplane::addon {

Napi::Value Invalid::ToJs(Napi::Env env) const {
  auto object = Napi::Object::New(env);
  object.Set("path", path);
  object.Set("value", value.IsEmpty() ? env.Undefined() : value);
  object.Set("allowed", allowed);
  return object;
}

Napi::Object WriteFailure(Napi::Env env, const Error& error) {
  auto object = Napi::Object::New(env);
  object.Set("errno", Napi::Number::New(env, error.code));
  object.Set("operation", error.operation);
  object.Set("message", error.message);
  object.Set("outcomeUnknown", error.outcome_unknown);
  return object;
}

Napi::Object FailedOutcome(Napi::Env env, const Error& error) {
  auto object = Napi::Object::New(env);
  object.Set("failure", WriteFailure(env, error));
  return object;
}

Napi::Object Outcome(Napi::Env env, const Napi::Value& value) {
  auto object = Napi::Object::New(env);
  object.Set("value", value);
  return object;
}

Napi::Value Resolved(Napi::Env env, const Napi::Value& value) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Resolve(value);
  return deferred.Promise();
}

Napi::Object WriteItemError(Napi::Env env, const ItemError& error) {
  auto object = Napi::Object::New(env);
  object.Set("index", Napi::Number::New(env, error.index));
  object.Set("errno", Napi::Number::New(env, error.code));
  object.Set("message", error.message);
  object.Set("field", error.field);
  if (error.row) object.Set("row", Napi::Number::New(env, *error.row));
  return object;
}

Napi::Array WriteItemErrors(Napi::Env env, const std::vector<ItemError>& errors) {
  auto array = Napi::Array::New(env, errors.size());
  for (uint32_t i = 0; i < errors.size(); ++i) array.Set(i, WriteItemError(env, errors[i]));
  return array;
}

std::vector<std::string> PropertyNames(const Napi::Object& object) {
  const Napi::Env env = object.Env();
  napi_value names = nullptr;
  uint32_t length = 0;
  if (napi_get_property_names(env, object, &names) != napi_ok || napi_get_array_length(env, names, &length) != napi_ok) return {};
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < length; ++i) {
    napi_value name = nullptr;
    if (napi_get_element(env, names, i, &name) != napi_ok) return texts;
    texts.push_back(Napi::String(env, name).Utf8Value());
  }
  return texts;
}

std::string ReadText(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

std::optional<double> ReadNumber(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) return std::nullopt;
  return value.As<Napi::Number>().DoubleValue();
}

bool ReadBool(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

Deadline ReadDeadline(const Napi::Object& object) {
  constexpr double kDay = 86'400'000;
  const double milliseconds = ReadNumber(object, "deadlineMs").value_or(kDay);
  return Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(std::fmin(std::fmax(milliseconds, 0), kDay)));
}

}  // namespace netplane::addon
