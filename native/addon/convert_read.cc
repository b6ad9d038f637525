#include <algorithm>
#include <cmath>

#include "addon/convert.h"

namespace netplane::addon {
namespace {

constexpr double kMaxSafeInteger = 9007199254740991.0;
constexpr size_t kMaxPayload = 65'531;
constexpr auto kMaxDepth = 16;
// More attributes than this, each of at least its header, do not fit into one.
constexpr uint32_t kMaxEntries = kMaxPayload / 4;

std::string Range(double least, double most) {
  return "a whole number from " + std::to_string(static_cast<int64_t>(least)) + " to " + std::to_string(static_cast<int64_t>(most));
}

std::string NamesOf(const Field& field) {
  std::string names;
  for (const NamedNumber& entry : field.names) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return names;
}

const NamedNumber* FindNamed(const Field& field, const std::string& name) {
  for (const NamedNumber& entry : field.names) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

int BitsOf(FieldType type) {
  switch (type) {
    case FieldType::kU8:
    case FieldType::kEnum8:
    case FieldType::kFlags8:
      return 8;
    case FieldType::kU16:
    case FieldType::kEnum16:
    case FieldType::kFlags16:
      return 16;
    default:
      return 32;
  }
}

std::optional<Invalid> ReadVariant(const Napi::Value& value, const Field& field, const std::string& path, Value& out);
std::optional<Invalid> ReadField(const Napi::Value& value, const Field& field, const std::string& path, Value& out);

std::optional<Invalid> ReadWhole(const Napi::Value& value, double least, double most, const std::string& path, Value& out) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number >= least && number <= most) || number != std::floor(number)) return Invalid{path, value, Range(least, most)};
  if (least < 0) {
    out = Value(static_cast<int64_t>(number));
  } else {
    out = Value(static_cast<uint64_t>(number));
  }
  return std::nullopt;
}

std::optional<Invalid> ReadU64(const Napi::Value& value, const std::string& path, Value& out) {
  if (!value.IsBigInt()) {
    if (!ReadWhole(value, 0, kMaxSafeInteger, path, out)) return std::nullopt;
    return Invalid{path, value, "a bigint from 0 to 18446744073709551615"};
  }
  bool lossless = false;
  const uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) return Invalid{path, value, "a bigint from 0 to 18446744073709551615"};
  out = Value(number);
  return std::nullopt;
}

// A name, or a number of at least `least` that has none.
std::optional<Invalid> ReadNamed(const Napi::Value& value, const Field& field, double least, const std::string& path, Value& out) {
  if (value.IsString()) {
    const std::string name = value.As<Napi::String>().Utf8Value();
    if (!FindNamed(field, name)) return Invalid{path, value, NamesOf(field)};
    out = Value(name);
    return std::nullopt;
  }
  const double most = std::ldexp(1, BitsOf(field.type)) - 1;
  if (ReadWhole(value, least, most, path, out)) return Invalid{path, value, NamesOf(field) + ", or " + Range(least, most)};
  return std::nullopt;
}

std::optional<Invalid> ReadEnum(const Napi::Value& value, const Field& field, const std::string& path, Value& out) {
  // Verdicts are negative.
  return ReadNamed(value, field, BitsOf(field.type) == 32 ? -2147483648.0 : 0, path, out);
}

std::optional<Invalid> ReadFlags(const Napi::Value& value, const Field& field, const std::string& path, Value& out) {
  if (!value.IsArray()) return Invalid{path, value, "a list of " + NamesOf(field)};
  const auto array = value.As<Napi::Array>();
  List list;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    Value entry;
    if (auto invalid = ReadNamed(array.Get(i), field, 0, path + "[" + std::to_string(i) + "]", entry)) return invalid;
    list.push_back(std::move(entry));
  }
  out = Value(std::move(list));
  return std::nullopt;
}

std::optional<Invalid> ReadString(const Napi::Value& value, const Field& field, const std::string& path, Value& out) {
  const size_t most = field.max_length ? field.max_length : kMaxPayload - 1;
  const std::string allowed = "text of at most " + std::to_string(most) + " bytes without NUL";
  if (!value.IsString()) return Invalid{path, value, allowed};
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.size() > most || text.find('\0') != std::string::npos) return Invalid{path, value, allowed};
  out = Value(std::move(text));
  return std::nullopt;
}

std::optional<Invalid> ReadBytes(const Napi::Value& value, const Field& field, const std::string& path, Value& out) {
  const size_t most = field.max_length ? field.max_length : kMaxPayload;
  const bool fits = value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array &&
                    value.As<Napi::TypedArray>().ByteLength() <= most;
  if (!fits) return Invalid{path, value, "a Uint8Array of at most " + std::to_string(most) + " bytes"};
  const auto array = value.As<Napi::Uint8Array>();
  out = Value(Bytes(array.Data(), array.Data() + array.ByteLength()));
  return std::nullopt;
}

std::optional<Invalid> ReadNested(const Napi::Value& value, const Schema& schema, const std::string& path, Value& out) {
  if (!value.IsObject() || value.IsArray() || value.IsTypedArray()) return Invalid{path, value, "an object"};
  // An object may hold itself, through expressions of expressions.
  if (std::count(path.begin(), path.end(), '.') > kMaxDepth) return Invalid{path, value, "at most 16 levels of objects"};
  Record record;
  if (auto invalid = ReadRecord(value.As<Napi::Object>(), schema, path, record)) return invalid;
  out = Value(std::move(record));
  return std::nullopt;
}

using EntryReader = std::optional<Invalid> (*)(const Napi::Value&, const Field&, const std::string&, Value&);

std::optional<Invalid> ReadNestedEntry(const Napi::Value& value, const Field& field, const std::string& path, Value& out) {
  return ReadNested(value, *field.nested, path, out);
}

std::optional<Invalid> ReadList(const Napi::Value& value, const Field& field, const std::string& path, EntryReader read, Value& out) {
  if (!value.IsArray()) return Invalid{path, value, "a list"};
  const auto array = value.As<Napi::Array>();
  // An array may say any length without holding anything.
  if (array.Length() > kMaxEntries) return Invalid{path, value, "a list of at most " + std::to_string(kMaxEntries) + " entries"};
  List list;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    Value entry;
    if (auto invalid = read(array.Get(i), field, path + "[" + std::to_string(i) + "]", entry)) return invalid;
    list.push_back(std::move(entry));
  }
  out = Value(std::move(list));
  return std::nullopt;
}

std::optional<Invalid> ReadVariant(const Napi::Value& value, const Field& field, const std::string& path, Value& out) {
  if (!value.IsObject()) return Invalid{path, value, "an object with a type"};
  const auto object = value.As<Napi::Object>();
  const std::string type = ReadText(object, "type");
  const Schema* schema = type == "opaque" ? &OpaqueVariantSchema() : field.variants->Find(type);
  if (!schema) {
    std::string names = "opaque";
    for (const Schema* known : field.variants->schemas) names += std::string(", ") + known->name;
    return Invalid{path + ".type", object.Get("type"), names};
  }
  return ReadNested(value, *schema, path, out);
}

std::optional<Invalid> ReadField(const Napi::Value& value, const Field& field, const std::string& path, Value& out) {
  switch (field.type) {
    case FieldType::kU8:
    case FieldType::kU16:
    case FieldType::kU32:
      return ReadWhole(value, 0, std::ldexp(1, BitsOf(field.type)) - 1, path, out);
    case FieldType::kS32:
      return ReadWhole(value, -2147483648.0, 2147483647.0, path, out);
    case FieldType::kU64:
      return ReadU64(value, path, out);
    case FieldType::kSafeU64:
      return ReadWhole(value, 0, kMaxSafeInteger, path, out);
    case FieldType::kEnum8:
    case FieldType::kEnum16:
    case FieldType::kEnum32:
      return ReadEnum(value, field, path, out);
    case FieldType::kFlags8:
    case FieldType::kFlags16:
    case FieldType::kFlags32:
      return ReadFlags(value, field, path, out);
    case FieldType::kString:
      return ReadString(value, field, path, out);
    case FieldType::kBytes:
    case FieldType::kDataBytes:
      return ReadBytes(value, field, path, out);
    case FieldType::kData:
      return value.IsTypedArray() ? ReadBytes(value, field, path, out) : ReadNested(value, *field.nested, path, out);
    case FieldType::kPresent:
      if (!value.IsBoolean()) return Invalid{path, value, "true or false"};
      if (value.As<Napi::Boolean>().Value()) out = Value(true);
      return std::nullopt;
    case FieldType::kNested:
      return ReadNested(value, *field.nested, path, out);
    case FieldType::kList:
      return ReadList(value, field, path, ReadNestedEntry, out);
    case FieldType::kStringList:
      return ReadList(value, field, path, ReadString, out);
    case FieldType::kVariant:
      return ReadVariant(value, field, path, out);
    case FieldType::kVariantList:
      return ReadList(value, field, path, ReadVariant, out);
    case FieldType::kIgnored:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string Join(const std::string& path, const char* name) { return path.empty() ? std::string(name) : path + "." + name; }

std::optional<Invalid> ReadOpaque(const Napi::Value& value, const std::string& path, Record& record) {
  const std::string allowed = "a list of { type: 0 to 65535, payload: Uint8Array }, as it was listed";
  if (!value.IsArray()) return Invalid{path, value, allowed};
  const auto array = value.As<Napi::Array>();
  static const Field payload_field{0, "", "payload", FieldType::kBytes};
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value entry = array.Get(i);
    if (!entry.IsObject()) return Invalid{path, value, allowed};
    const auto type = ReadNumber(entry.As<Napi::Object>(), "type");
    Value payload;
    if (!type || !(*type >= 0 && *type <= 0xffff)) return Invalid{path, value, allowed};
    if (ReadBytes(entry.As<Napi::Object>().Get("payload"), payload_field, path, payload)) return Invalid{path, value, allowed};
    record.opaque.push_back({static_cast<uint16_t>(*type), *payload.As<Bytes>()});
  }
  return std::nullopt;
}

std::string FieldNames(const Schema& schema) {
  std::string names;
  for (const Field& field : schema.fields) {
    const bool is_first = schema.FindName(field.name) == &field;
    if (field.type != FieldType::kIgnored && is_first) names += (names.empty() ? "" : ", ") + std::string(field.name);
  }
  return "one of the fields " + names;
}

/// Whether the attribute of a condition is given with its value.
bool Holds(const Napi::Object& object, const Schema& schema, const Condition& condition) {
  const Field* field = schema.FindAttribute(condition.attribute);
  Value value;
  if (ReadField(object.Get(field->name), *field, field->name, value)) return false;
  if (const auto* name = value.As<std::string>()) return FindNamed(*field, *name)->number == condition.number;
  const auto* number = value.As<uint64_t>();
  return number != nullptr && *number == condition.number;
}

/// The field that a property means: where several have its name, the first whose condition holds, but for bytes the one without.
const Field* FieldNamed(const Napi::Object& object, const Schema& schema, const std::string& name, const Napi::Value& value) {
  for (const Field& field : schema.fields) {
    if (name != field.name) continue;
    if (field.when == nullptr || (!value.IsTypedArray() && Holds(object, schema, *field.when))) return &field;
  }
  return nullptr;
}

}  // namespace

std::optional<Invalid> ReadRecord(const Napi::Object& object, const Schema& schema, const std::string& path, Record& record) {
  record.schema = &schema;
  for (const std::string& name : PropertyNames(object)) {
    const Napi::Value value = object.Get(name);
    if (value.IsUndefined() || (name == "type" && schema.is_variant)) continue;
    if (name == "opaque") {
      if (auto invalid = ReadOpaque(value, Join(path, "opaque"), record)) return invalid;
      continue;
    }
    const Field* field = FieldNamed(object, schema, name, value);
    if (!field) return Invalid{Join(path, name.c_str()), value, FieldNames(schema)};
    if (field->direction == Direction::kOutput) continue;
    Value out;
    if (auto invalid = ReadField(value, *field, Join(path, field->name), out)) return invalid;
    if (!out.empty()) record.Set(field, std::move(out));
  }
  for (const Field& field : schema.fields) {
    if (field.direction == Direction::kRequired && !record.Find(&field)) {
      return Invalid{Join(path, field.name), object.Env().Undefined(), "a value: the field is required"};
    }
  }
  return std::nullopt;
}

}  // namespace netplane::addon
