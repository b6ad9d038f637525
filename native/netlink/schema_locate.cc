#include "netlink/attribute_reader.h"
#include "netlink/field_type.h"
#include "netlink/schema.h"

namespace netplane {
namespace {

std::string Locate(const Schema& schema, ByteView attributes, size_t offset, int depth);

/// The attribute that covers the byte at `offset`, its header and padding included.
struct Covering {
  Attribute attribute;
  size_t index = 0;
  /// Where the byte lies in the payload; nothing where it is in the header.
  std::optional<size_t> inside;
};

std::optional<Covering> FindCovering(ByteView attributes, size_t offset) {
  AttributeReader reader(attributes);
  for (size_t index = 0; auto attribute = reader.Next(); ++index) {
    constexpr size_t kHeader = 4;
    if (offset >= attribute->offset + Align4(kHeader + attribute->payload.size())) continue;
    if (offset < attribute->offset) return std::nullopt;
    const size_t at = offset - attribute->offset;
    return Covering{*attribute, index, at < kHeader ? std::nullopt : std::optional(at - kHeader)};
  }
  return std::nullopt;
}

std::string Member(const std::string& path) { return path.empty() ? path : "." + path; }

std::string InVariant(const Field& field, ByteView payload, size_t offset, int depth) {
  const auto covering = FindCovering(payload, offset);
  const auto parts = SplitVariant(payload);
  if (!covering || !parts) return {};
  if (covering->attribute.type == kExpressionName) return ".type";
  const Schema* schema = field.variants->Find(parts->name);
  if (schema == nullptr || !covering->inside) return {};
  return Member(Locate(*schema, covering->attribute.payload, *covering->inside, depth + 1));
}

std::string InData(const Field& field, ByteView payload, size_t offset, int depth) {
  const auto covering = FindCovering(payload, offset);
  if (!covering || covering->attribute.type != kDataVerdict || !covering->inside || field.nested == nullptr) return {};
  return Member(Locate(*field.nested, covering->attribute.payload, *covering->inside, depth + 1));
}

std::string InList(const Field& field, ByteView payload, size_t offset, int depth) {
  const auto covering = FindCovering(payload, offset);
  if (!covering) return {};
  const std::string entry = "[" + std::to_string(covering->index) + "]";
  if (!covering->inside || field.type == FieldType::kStringList) return entry;
  if (field.type == FieldType::kVariantList) return entry + InVariant(field, covering->attribute.payload, *covering->inside, depth);
  return entry + Member(Locate(*field.nested, covering->attribute.payload, *covering->inside, depth + 1));
}

std::string InField(const Field& field, ByteView payload, size_t offset, int depth) {
  switch (field.type) {
    case FieldType::kNested:
      return Member(Locate(*field.nested, payload, offset, depth + 1));
    case FieldType::kVariant:
      return InVariant(field, payload, offset, depth);
    case FieldType::kData:
      return InData(field, payload, offset, depth);
    case FieldType::kList:
    case FieldType::kStringList:
    case FieldType::kVariantList:
      return InList(field, payload, offset, depth);
    default:
      return {};
  }
}

std::string Locate(const Schema& schema, ByteView attributes, size_t offset, int depth) {
  const auto covering = FindCovering(attributes, offset);
  if (!covering || depth > kMaxDepth) return {};
  const Field* field = FieldOf(schema, attributes, covering->attribute.type);
  if (field == nullptr) return {};
  return covering->inside ? field->name + InField(*field, covering->attribute.payload, *covering->inside, depth) : field->name;
}

}  // namespace

std::string LocateField(const Schema& schema, ByteView attributes, size_t offset) { return Locate(schema, attributes, offset, 0); }

}  // namespace netplane
