#include <linux/netlink.h>

#include <vector>

#include "netlink/attribute_reader.h"
#include "netlink/field_type.h"
#include "netlink/schema.h"

namespace netplane {
namespace {

using Decoded = std::optional<Value>;

std::optional<Record> DecodeAt(const Schema& schema, ByteView attributes, int depth);

Value EnumValue(const Field& field, uint64_t number, size_t width) {
  for (const NamedNumber& named : field.names) {
    if (SameNumber(named.number, number, width)) return Value(std::string(named.name));
  }
  return Value(number);
}

Value FlagsValue(const Field& field, uint64_t bits) {
  List list;
  for (const NamedNumber& named : field.names) {
    const auto mask = static_cast<uint64_t>(named.number);
    if ((bits & mask) != mask) continue;
    list.emplace_back(std::string(named.name));
    bits &= ~mask;
  }
  for (; bits != 0; bits &= bits - 1) list.emplace_back(bits & (~bits + 1));
  return Value(std::move(list));
}

Decoded DecodeNumber(const Field& field, NumberType type, ByteView payload) {
  if (payload.size() != type.width) return std::nullopt;
  const uint64_t number = LoadNumber(payload, field.order);
  switch (type.form) {
    case NumberForm::kSigned:
      return Value(static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(number))));
    case NumberForm::kEnum:
      return EnumValue(field, number, type.width);
    case NumberForm::kFlags:
      return FlagsValue(field, number);
    default:
      return Value(number);
  }
}

Decoded DecodeText(ByteView payload) {
  const auto text = TextOf(payload);
  if (!text) return std::nullopt;
  return Value(std::string(*text));
}

Decoded DecodeNested(const Field& field, ByteView payload, int depth) {
  auto record = DecodeAt(*field.nested, payload, depth + 1);
  if (!record) return std::nullopt;
  return Value(std::move(*record));
}

Decoded DecodeData(const Field& field, ByteView payload, int depth) {
  const auto only = OnlyAttribute(payload);
  if (!only) return std::nullopt;
  if (only->type == kDataValue) return Value(Bytes(only->payload.begin(), only->payload.end()));
  if (field.type == FieldType::kDataBytes || only->type != kDataVerdict) return std::nullopt;
  return DecodeNested(field, only->payload, depth);
}

/// True where every attribute of the record, at any depth, has a field.
bool IsWhole(const Record& record);

bool IsWhole(const Value& value) {
  if (const auto* record = value.As<Record>()) return IsWhole(*record);
  if (const auto* list = value.As<List>()) {
    for (const Value& entry : *list) {
      if (!IsWhole(entry)) return false;
    }
  }
  return true;
}

bool IsWhole(const Record& record) {
  if (!record.opaque.empty()) return false;
  for (const auto& entry : record.fields) {
    if (!IsWhole(entry.second)) return false;
  }
  return true;
}

Decoded DecodeVariant(const Field& field, ByteView payload, int depth) {
  const auto parts = SplitVariant(payload);
  if (!parts) return std::nullopt;
  if (const Schema* schema = field.variants->Find(parts->name)) {
    auto record = DecodeAt(*schema, parts->data, depth + 1);
    if (record && IsWhole(*record)) return Value(std::move(*record));
  }
  const Schema& opaque = OpaqueVariantSchema();
  Record record{&opaque, {}, {}};
  record.Set(opaque.FindAttribute(kExpressionName), Value(std::string(parts->name)));
  record.Set(opaque.FindAttribute(kExpressionData), Value(Bytes(parts->data.begin(), parts->data.end())));
  return Value(std::move(record));
}

Decoded DecodeEntry(const Field& field, ByteView payload, int depth) {
  if (field.type == FieldType::kStringList) return DecodeText(payload);
  if (field.type == FieldType::kVariantList) return DecodeVariant(field, payload, depth);
  return DecodeNested(field, payload, depth);
}

Decoded DecodeList(const Field& field, ByteView payload, int depth) {
  List list;
  AttributeReader reader(payload);
  while (auto attribute = reader.Next()) {
    if (attribute->type != field.element) return std::nullopt;
    auto entry = DecodeEntry(field, attribute->payload, depth);
    if (!entry) return std::nullopt;
    list.push_back(std::move(*entry));
  }
  if (reader.malformed()) return std::nullopt;
  return Value(std::move(list));
}

Decoded DecodeField(const Field& field, ByteView payload, int depth) {
  if (const NumberType type = NumberTypeOf(field.type); type.width != 0) return DecodeNumber(field, type, payload);
  switch (field.type) {
    case FieldType::kString:
      return DecodeText(payload);
    case FieldType::kBytes:
      return Value(Bytes(payload.begin(), payload.end()));
    case FieldType::kPresent:
      return payload.empty() ? Decoded(Value(true)) : std::nullopt;
    case FieldType::kNested:
      return DecodeNested(field, payload, depth);
    case FieldType::kData:
    case FieldType::kDataBytes:
      return DecodeData(field, payload, depth);
    case FieldType::kVariant:
      return DecodeVariant(field, payload, depth);
    case FieldType::kList:
    case FieldType::kStringList:
    case FieldType::kVariantList:
      return DecodeList(field, payload, depth);
    default:
      return std::nullopt;
  }
}

// Of an attribute that comes twice the last one counts, as for the kernel (lib/nlattr.c, __nla_validate_parse), whether it can be read or
// not.
void ForgetEarlier(Record& record, uint16_t type) {
  std::erase_if(record.fields, [type](const auto& entry) { return entry.first->attribute == type; });
  std::erase_if(record.opaque, [type](const OpaqueAttribute& attribute) { return (attribute.type & NLA_TYPE_MASK) == type; });
}

std::optional<Record> DecodeAt(const Schema& schema, ByteView attributes, int depth) {
  if (depth > kMaxDepth) return std::nullopt;
  Record record{&schema, {}, {}};
  AttributeReader reader(attributes);
  while (auto attribute = reader.Next()) {
    const Field* field = FieldOf(schema, attributes, attribute->type);
    if (field != nullptr && field->type == FieldType::kIgnored) continue;
    ForgetEarlier(record, attribute->type);
    Decoded value = field == nullptr ? std::nullopt : DecodeField(*field, attribute->payload, depth);
    if (value) {
      record.Set(field, std::move(*value));
    } else {
      record.opaque.push_back({attribute->raw_type, Bytes(attribute->payload.begin(), attribute->payload.end())});
    }
  }
  if (reader.malformed()) return std::nullopt;
  return record;
}

}  // namespace

std::optional<Record> DecodeRecord(const Schema& schema, ByteView attributes) { return DecodeAt(schema, attributes, 0); }

}  // namespace netplane
