#include <algorithm>
#include <cstdio>

#include "netlink/attribute_reader.h"
#include "netlink/field_type.h"
#include "netlink/schema.h"

namespace netplane {
namespace {

constexpr size_t kShownBytes = 32;
constexpr size_t kShownEntries = 16;

std::string Describe(const Schema* schema, ByteView attributes, int depth);

std::string Hex(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (const uint8_t byte : bytes.first(std::min(bytes.size(), kShownBytes))) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  if (bytes.size() > kShownBytes) text += "...(" + std::to_string(bytes.size()) + " bytes)";
  return bytes.empty() ? "(empty)" : text;
}

// Bytes above 0x7e are escaped too: C1 control characters are among them.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte > 0x7e) {
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string Braced(const std::string& inside) { return "{" + inside + "}"; }

std::string Number(const Field& field, NumberType type, ByteView payload) {
  if (payload.size() != type.width) return Hex(payload);
  const uint64_t number = LoadNumber(payload, field.order);
  if (type.form == NumberForm::kSigned) return std::to_string(static_cast<int32_t>(static_cast<uint32_t>(number)));
  if (type.form == NumberForm::kUnsigned) return std::to_string(number);
  char text[24];
  std::snprintf(text, sizeof text, type.form == NumberForm::kFlags ? "0x%llx" : "%llu", static_cast<unsigned long long>(number));
  std::string names;
  for (const NamedNumber& named : field.names) {
    const auto mask = static_cast<uint64_t>(named.number);
    const bool applies = type.form == NumberForm::kEnum ? SameNumber(named.number, number, type.width) : (number & mask) == mask;
    if (applies) names += (names.empty() ? "" : "|") + std::string(named.name);
  }
  return names.empty() ? text : text + ("(" + names + ")");
}

std::string Variant(const Field& field, ByteView payload, int depth) {
  const auto parts = SplitVariant(payload);
  if (!parts) return Hex(payload);
  const Schema* schema = field.variants->Find(parts->name);
  const std::string name = "NFTA_EXPR_NAME=" + Quoted(parts->name);
  if (!parts->has_data) return Braced(name);
  return Braced(name + " NFTA_EXPR_DATA=" + (schema == nullptr ? Hex(parts->data) : Braced(Describe(schema, parts->data, depth + 1))));
}

std::string Data(const Field& field, ByteView payload, int depth) {
  const auto only = OnlyAttribute(payload);
  if (!only || only->type > kDataVerdict) return Hex(payload);
  if (only->type == kDataValue) return Braced("NFTA_DATA_VALUE=" + Hex(only->payload));
  return Braced("NFTA_DATA_VERDICT=" + Braced(Describe(field.nested, only->payload, depth + 1)));
}

std::string Entries(const Field& field, ByteView payload, int depth) {
  std::string text;
  size_t count = 0;
  AttributeReader reader(payload);
  while (auto attribute = reader.Next()) {
    if (++count > kShownEntries) continue;
    if (count > 1) text += ' ';
    if (field.type == FieldType::kStringList) {
      text += Quoted(attribute->Text());
    } else if (field.type == FieldType::kVariantList) {
      text += Variant(field, attribute->payload, depth);
    } else {
      text += Braced(Describe(field.nested, attribute->payload, depth + 1));
    }
  }
  if (count > kShownEntries) text += " ...(" + std::to_string(count) + " entries)";
  if (reader.malformed()) text += " (malformed)";
  return "[" + text + "]";
}

std::string Payload(const Field& field, ByteView payload, int depth) {
  if (const NumberType type = NumberTypeOf(field.type); type.width != 0) return Number(field, type, payload);
  switch (field.type) {
    case FieldType::kString:
      return TextOf(payload) ? Quoted(*TextOf(payload)) : Hex(payload);
    case FieldType::kNested:
      return Braced(Describe(field.nested, payload, depth + 1));
    case FieldType::kVariant:
      return Variant(field, payload, depth);
    case FieldType::kData:
    case FieldType::kDataBytes:
      return Data(field, payload, depth);
    case FieldType::kIgnored:
      return field.nested == nullptr ? Hex(payload) : Entries(field, payload, depth);
    case FieldType::kList:
    case FieldType::kStringList:
    case FieldType::kVariantList:
      return Entries(field, payload, depth);
    default:
      return Hex(payload);
  }
}

std::string Describe(const Schema* schema, ByteView attributes, int depth) {
  if (depth > kMaxDepth) return Hex(attributes);
  std::string text;
  AttributeReader reader(attributes);
  while (auto attribute = reader.Next()) {
    const Field* field = schema == nullptr ? nullptr : FieldOf(*schema, attributes, attribute->type);
    if (!text.empty()) text += ' ';
    text += field == nullptr ? "#" + std::to_string(attribute->type) : field->kernel_name;
    text += '=';
    text += field == nullptr ? Hex(attribute->payload) : Payload(*field, attribute->payload, depth);
  }
  if (reader.malformed()) text += text.empty() ? "(malformed)" : " (malformed)";
  return text;
}

}  // namespace

std::string DescribeAttributes(const Schema* schema, ByteView attributes) { return Describe(schema, attributes, 0); }

}  // namespace netplane
