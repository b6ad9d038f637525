// What the field types of schema.h have in common; the interpreter's own.
#ifndef NETPLANE_NETLINK_FIELD_TYPE_H_
#define NETPLANE_NETLINK_FIELD_TYPE_H_

#include <cstddef>
#include <cstdint>

#include "netlink/attribute_reader.h"
#include "netlink/schema.h"

namespace netplane {

// include/uapi/linux/netfilter/nf_tables.h: the two nests that the schema language itself knows.
constexpr uint16_t kExpressionName = 1;  // NFTA_EXPR_NAME
constexpr uint16_t kExpressionData = 2;  // NFTA_EXPR_DATA
constexpr uint16_t kDataValue = 1;       // NFTA_DATA_VALUE
constexpr uint16_t kDataVerdict = 2;     // NFTA_DATA_VERDICT

/// Nests deeper than this are no object of the kernel's (rules need 7) but an attempt at the stack.
constexpr int kMaxDepth = 16;

/// How a number is meant.
enum class NumberForm : uint8_t { kNone, kUnsigned, kSigned, kEnum, kFlags };

struct NumberType {
  NumberForm form = NumberForm::kNone;
  /// Bytes on the wire.
  size_t width = 0;
};

/// The form and width of an integer field; kNone for the others.
constexpr NumberType NumberTypeOf(FieldType type) {
  constexpr struct {
    FieldType type;
    NumberType number;
  } kNumbers[] = {
      {FieldType::kU8, {NumberForm::kUnsigned, 1}},      {FieldType::kU16, {NumberForm::kUnsigned, 2}},
      {FieldType::kU32, {NumberForm::kUnsigned, 4}},     {FieldType::kU64, {NumberForm::kUnsigned, 8}},
      {FieldType::kSafeU64, {NumberForm::kUnsigned, 8}}, {FieldType::kS32, {NumberForm::kSigned, 4}},
      {FieldType::kEnum8, {NumberForm::kEnum, 1}},       {FieldType::kEnum16, {NumberForm::kEnum, 2}},
      {FieldType::kEnum32, {NumberForm::kEnum, 4}},      {FieldType::kFlags8, {NumberForm::kFlags, 1}},
      {FieldType::kFlags16, {NumberForm::kFlags, 2}},    {FieldType::kFlags32, {NumberForm::kFlags, 4}},
  };
  for (const auto& entry : kNumbers) {
    if (entry.type == type) return entry.number;
  }
  return {};
}

/// The number in a payload of exactly `width` bytes (1, 2, 4 or 8).
inline uint64_t LoadNumber(ByteView payload, ByteOrder order) {
  switch (payload.size()) {
    case 1:
      return payload[0];
    case 2:
      return Load<uint16_t>(payload.data(), order);
    case 4:
      return Load<uint32_t>(payload.data(), order);
    default:
      return Load<uint64_t>(payload.data(), order);
  }
}

/// True where a name's number (which may be negative) is what `number` holds in `width` bytes.
constexpr bool SameNumber(int64_t named, uint64_t number, size_t width) {
  const uint64_t mask = width == 8 ? UINT64_MAX : (uint64_t{1} << (8 * width)) - 1;
  return (static_cast<uint64_t>(named) & mask) == (number & mask);
}

/// The field of `schema` that an attribute of the run `attributes` belongs to; null where it has none. See Field::when.
const Field* FieldOf(const Schema& schema, ByteView attributes, uint16_t attribute);

/// The parts of a {NAME, DATA} nest.
struct VariantParts {
  std::string_view name;
  ByteView data;
  bool has_data = false;
};
/// Nothing where the nest is malformed, holds anything else, or its name is empty or no text.
std::optional<VariantParts> SplitVariant(ByteView payload);

/// The text of a string attribute, with or without its terminator; nothing where bytes follow the terminator.
std::optional<std::string_view> TextOf(ByteView payload);

/// The attribute of a nest that holds one type only; of several the last one counts. Nothing where types are mixed, or where there is none.
std::optional<Attribute> OnlyAttribute(ByteView payload);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_FIELD_TYPE_H_
