#include "addon/convert.h"

namespace netplane::addon {

Napi::Object RecordWriter::Write(const Record& record) {
  auto object = Napi::Object::New(env_);
  if (record.schema->is_variant) napi_set_property(env_, object, Name("type"), Name(record.schema->name));
  // Statuses are not looked at: a property can only fail to be set where the environment is ending, and then nobody gets the object.
  for (const auto& [field, value] : record.fields) napi_set_property(env_, object, Name(field->name), WriteValue(value, field->type));
  if (!record.opaque.empty()) napi_set_property(env_, object, Name("opaque"), WriteOpaque(record.opaque));
  return object;
}

Napi::Value RecordWriter::WriteValue(const Value& value, FieldType type) {
  if (const auto* truth = value.As<bool>()) return Napi::Boolean::New(env_, *truth);
  if (const auto* number = value.As<uint64_t>()) return WriteNumber(*number, type);
  if (const auto* number = value.As<int64_t>()) return Napi::Number::New(env_, static_cast<double>(*number));
  if (const auto* text = value.As<std::string>()) return Napi::String::New(env_, *text);
  if (const auto* bytes = value.As<Bytes>()) return WriteBytes(env_, Bytes(*bytes));
  if (const auto* record = value.As<Record>()) return Write(*record);
  if (const auto* list = value.As<List>()) {
    auto array = Napi::Array::New(env_, list->size());
    for (uint32_t i = 0; i < list->size(); ++i) array.Set(i, WriteValue((*list)[i], type));
    return array;
  }
  return env_.Undefined();
}

Napi::Value RecordWriter::WriteNumber(uint64_t number, FieldType type) {
  if (type == FieldType::kU64) return Napi::BigInt::New(env_, number);
  return Napi::Number::New(env_, static_cast<double>(number));
}

Napi::Array RecordWriter::WriteOpaque(const std::vector<OpaqueAttribute>& attributes) {
  auto array = Napi::Array::New(env_, attributes.size());
  for (uint32_t i = 0; i < attributes.size(); ++i) {
    auto entry = Napi::Object::New(env_);
    entry.Set("type", Napi::Number::New(env_, attributes[i].type));
    entry.Set("payload", WriteBytes(env_, Bytes(attributes[i].payload)));
    array.Set(i, entry);
  }
  return array;
}

napi_value RecordWriter::Name(const char* name) {
  napi_value& made = names_[name];
  if (!made) napi_create_string_utf8(env_, name, NAPI_AUTO_LENGTH, &made);
  return made;
}

}  // namespace netplane::addon
