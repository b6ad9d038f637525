#include "netlink/schema.h"

#include "netlink/attribute_reader.h"
#include "netlink/field_type.h"

namespace netplane {

const Field* Schema::FindAttribute(uint16_t attribute) const {
  for (const Field& field : fields) {
    if (field.attribute == attribute) return &field;
  }
  return nullptr;
}

const Field* Schema::FindName(std::string_view wanted) const {
  for (const Field& field : fields) {
    if (wanted == field.name) return &field;
  }
  return nullptr;
}

const Schema* VariantTable::Find(std::string_view name) const {
  for (const Schema* schema : schemas) {
    if (name == schema->name) return schema;
  }
  return nullptr;
}

const Schema& OpaqueVariantSchema() {
  static constexpr Field kFields[] = {
      {kExpressionName, "NFTA_EXPR_NAME", "name", FieldType::kString, ByteOrder::kBig, Direction::kRequired},
      {kExpressionData, "NFTA_EXPR_DATA", "data", FieldType::kBytes, ByteOrder::kBig, Direction::kRequired},
  };
  static constexpr Schema kSchema = {"opaque", kFields, true};
  return kSchema;
}

namespace {

/// An unsigned integer of 8 or 32 bits.
std::optional<uint32_t> NumberOf(const Attribute& attribute) {
  if (attribute.payload.size() == 1) return attribute.payload[0];
  return attribute.Integer<uint32_t>(ByteOrder::kBig);
}

// Of an attribute that comes twice the last one counts, as for the kernel (lib/nlattr.c, __nla_validate_parse).
bool Holds(const Condition& condition, ByteView attributes) {
  bool holds = false;
  AttributeReader reader(attributes);
  while (auto attribute = reader.Next()) {
    if (attribute->type == condition.attribute) holds = NumberOf(*attribute) == condition.number;
  }
  return holds;
}

}  // namespace

const Field* FieldOf(const Schema& schema, ByteView attributes, uint16_t attribute) {
  for (const Field& field : schema.fields) {
    if (field.attribute == attribute && (field.when == nullptr || Holds(*field.when, attributes))) return &field;
  }
  return nullptr;
}

std::optional<std::string_view> TextOf(ByteView payload) {
  const std::string_view text = AsText(payload);
  if (text.size() + 1 < payload.size()) return std::nullopt;
  return text;
}

std::optional<Attribute> OnlyAttribute(ByteView payload) {
  std::optional<Attribute> last;
  AttributeReader reader(payload);
  while (const auto attribute = reader.Next()) {
    if (last && last->type != attribute->type) return std::nullopt;
    last = attribute;
  }
  return reader.malformed() ? std::nullopt : last;
}

std::optional<VariantParts> SplitVariant(ByteView payload) {
  VariantParts parts;
  AttributeReader reader(payload);
  while (auto attribute = reader.Next()) {
    if (attribute->type == kExpressionName) {
      const auto name = TextOf(attribute->payload);
      if (!name) return std::nullopt;
      parts.name = *name;
    } else if (attribute->type == kExpressionData) {
      parts.data = attribute->payload;
      parts.has_data = true;
    } else {
      return std::nullopt;
    }
  }
  if (reader.malformed() || parts.name.empty()) return std::nullopt;
  return parts;
}

}  // namespace netplane
