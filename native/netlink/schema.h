// One declarative table per kind of object. The same table encodes, decodes, validates, names the field a kernel error points at,
// and names the attributes in a trace.
#ifndef NETPLANE_NETLINK_SCHEMA_H_
#define NETPLANE_NETLINK_SCHEMA_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "netlink/bytes.h"
#include "netlink/message_writer.h"
#include "netlink/value.h"

namespace netplane {

enum class FieldType : uint8_t {
  kU8,
  kU16,
  kU32,
  kU64,      ///< Unsigned integer; a u64 is a bigint for the caller.
  kS32,      ///< Two's complement.
  kSafeU64,  ///< u64 on the wire, a number up to 2^53-1 for the caller (time-outs).
  kEnum8,
  kEnum16,
  kEnum32,  ///< A name from `names`, or a number that has no name.
  kFlags8,
  kFlags16,
  kFlags32,      ///< A list of names from `names` (each a bit mask); bits without a name are listed as numbers.
  kString,       ///< NUL-terminated text.
  kBytes,        ///< Raw payload.
  kPresent,      ///< No payload; true or absent.
  kNested,       ///< A record of `nested`.
  kList,         ///< Nested attributes, each of type `element`, each a record of `nested`.
  kStringList,   ///< Nested attributes, each of type `element`, each a text.
  kDataBytes,    ///< NFTA_DATA_VALUE inside a nest: bytes.
  kData,         ///< struct nft_data: bytes (NFTA_DATA_VALUE) or a record of `nested` (NFTA_DATA_VERDICT).
  kVariant,      ///< A named variant {NAME, DATA}: an expression; see Variants.
  kVariantList,  ///< A list of variants, each in an attribute of type `element`.
  kIgnored,      ///< Padding, or what is read by other means (elements): read over, never written. `nested` describes it for traces.
};

/// A name for a number (enumerations) or a bit mask (flags).
struct NamedNumber {
  const char* name;
  int64_t number;
};

/// Says that a field is meant only where another attribute of the same record, an unsigned integer of 8 or 32 bits, has this value (the
/// content of NFTA_OBJ_DATA depends on NFTA_OBJ_TYPE).
struct Condition {
  uint16_t attribute;
  uint32_t number;
};

struct VariantTable;

/// Whether a field may be given, must be given, or is only ever reported by the kernel.
enum class Direction : uint8_t { kOptional, kRequired, kOutput };

struct Field {
  uint16_t attribute;
  /// Kernel spelling: "NFTA_TABLE_NAME".
  const char* kernel_name;
  /// The caller's spelling: "name".
  const char* name;
  FieldType type;
  ByteOrder order = ByteOrder::kBig;
  Direction direction = Direction::kOptional;
  std::span<const NamedNumber> names = {};
  const Schema* nested = nullptr;
  uint16_t element = 1;
  /// Longest text without its NUL, or longest bytes; 0: no limit but the attribute's own 65,531.
  uint16_t max_length = 0;
  /// Several fields may share an attribute, and their name too; the first whose condition holds is meant.
  const Condition* when = nullptr;
  /// What a kVariant, or an entry of a kVariantList, can be.
  const VariantTable* variants = nullptr;
};

struct Schema {
  /// The caller's word for the kind: "table".
  const char* name;
  std::span<const Field> fields;
  /// One of a VariantTable, or OpaqueVariantSchema(): its name is the variant's, and the caller's `type`.
  bool is_variant = false;

  const Field* FindAttribute(uint16_t attribute) const;
  const Field* FindName(std::string_view name) const;
};

/// The variants of a {NAME, DATA} attribute, by name ("cmp", "payload" …): the schema of a record in a kVariant field is the variant's.
/// A variant that is unknown, or whose attributes do not all decode, becomes a record of OpaqueVariantSchema().
struct VariantTable {
  std::span<const Schema* const> schemas;
  /// Appends the attributes inside NFTA_EXPR_DATA of the variant `name` as the kernel takes them, where that is not as it gives them; false
  /// where nothing is appended, because they are taken as they are. Null where that is so for all.
  bool (*amend)(std::string_view name, ByteView attributes, MessageWriter& writer) = nullptr;
  const Schema* Find(std::string_view name) const;
};
/// Fields `name` (text) and `data` (bytes: the attributes inside NFTA_EXPR_DATA, unchanged).
const Schema& OpaqueVariantSchema();

/// Appends the record's attributes. The record must be valid (as made by a decoder or by the validating reader of the addon);
/// overflow shows in the writer.
void EncodeRecord(const Record& record, MessageWriter& writer);

/// Appends NFTA_EXPR_DATA with these attributes, amended as the table says.
void PutVariantData(const VariantTable& variants, std::string_view name, ByteView attributes, MessageWriter& writer);

/// Reads attributes by the schema. Attributes unknown to it, or whose payload is not of the schema's form, are kept in `opaque`.
/// Nothing only where the attributes themselves are malformed.
std::optional<Record> DecodeRecord(const Schema& schema, ByteView attributes);

/// Names the field that holds the byte at `offset` of `attributes`: "expressions[2].data.chain"; empty where no attribute does.
std::string LocateField(const Schema& schema, ByteView attributes, size_t offset);

/// Attributes as one line of text, by kernel names, for traces: `NFTA_TABLE_NAME="app" NFTA_TABLE_FLAGS=0x1`. Control characters are
/// escaped, bytes after the 32nd and list entries after the 16th are counted instead of shown.
std::string DescribeAttributes(const Schema* schema, ByteView attributes);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_SCHEMA_H_
