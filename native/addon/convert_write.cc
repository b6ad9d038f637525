#include "addon/convert.h"

namespace netplane::addon {
namespace {

Napi::Value WriteValue(Napi::Env env, const Value& value, FieldType type);

// Overloads by what a Value holds.
struct ValueWriter {
  Napi::Env env;
  FieldType type;

  Napi::Value operator()(std::monostate) const { return env.Undefined(); }
  Napi::Value operator()(bool truth) const { return Napi::Boolean::New(env, truth); }
  Napi::Value operator()(uint64_t number) const {
    if (type == FieldType::kU64) return Napi::BigInt::New(env, number);
    return Napi::Number::New(env, static_cast<double>(number));
  }
  Napi::Value operator()(int64_t number) const { return Napi::Number::New(env, static_cast<double>(number)); }
  Napi::Value operator()(const std::string& text) const { return Napi::String::New(env, text); }
  Napi::Value operator()(const Bytes& bytes) const { return WriteBytes(env, Bytes(bytes)); }
  Napi::Value operator()(const List& list) const {
    auto array = Napi::Array::New(env, list.size());
    for (uint32_t i = 0; i < list.size(); ++i) array.Set(i, WriteValue(env, list[i], type));
    return array;
  }
  Napi::Value operator()(const Record& record) const { return WriteRecord(env, record); }
};

Napi::Value WriteValue(Napi::Env env, const Value& value, FieldType type) { return std::visit(ValueWriter{env, type}, value.content()); }


Napi::Array WriteOpaque(Napi::Env env, const std::vector<OpaqueAttribute>& attributes) {
  auto array = Napi::Array::New(env, attributes.size());
  for (uint32_t i = 0; i < attributes.size(); ++i) {
    auto entry = Napi::Object::New(env);
    entry.Set("type", Napi::Number::New(env, attributes[i].type));
    entry.Set("payload", WriteBytes(env, Bytes(attributes[i].payload)));
    array.Set(i, entry);
  }
  return array;
}

}  // namespace

bool IsVariantSchema(const Schema& schema) { return &schema == &OpaqueVariantSchema() || kExpressionVariants.Find(schema.name) == &schema; }

Napi::Object WriteRecord(Napi::Env env, const Record& record) {
  auto object = Napi::Object::New(env);
  if (IsVariantSchema(*record.schema)) object.Set("type", record.schema->name);
  for (const auto& [field, value] : record.fields) object.Set(field->name, WriteValue(env, value, field->type));
  if (!record.opaque.empty()) object.Set("opaque", WriteOpaque(env, record.opaque));
  return object;
}

}  // namespace netplane::addon
