// How columns lie in attributes: one table for each kind of object, by which rows are written and read.
#ifndef NETPLANE_NETLINK_COLUMN_FIELDS_H_
#define NETPLANE_NETLINK_COLUMN_FIELDS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "netlink/attribute_reader.h"
#include "netlink/columns.h"
#include "netlink/message_writer.h"

namespace netplane {

/// What an attribute holds; the column may be narrower than a number is on the wire.
enum class WireType : uint8_t {
  kU8,
  kU16,
  kU32,
  kText,     ///< A kSymbol column; without a symbol nothing is written.
  kAddress,  ///< A kFixed column, cut to the length of the family's addresses.
  kBlob,     ///< A kBlob column; without bytes nothing is written.
  kBytes,    ///< Read for the codec to look into, and written by it.
};

/// One attribute and its column.
struct ColumnField {
  uint16_t attribute;
  uint8_t column;
  WireType type;
  ByteOrder order = ByteOrder::kHost;
  /// In which messages it is written: bits that mean what the codec wants them to. 0: it is only read.
  uint8_t when = 0;
  /// A number that is 0 says the same as no attribute, and is not written.
  bool skips_zero = false;
};

/// Writes the attributes of a row whose `when` has one of the bits in `parts`, in the order of the table, for the columns that
/// are there.
void PutFields(std::span<const ColumnField> fields, const ColumnSet& columns, size_t row, uint8_t parts, size_t address_length,
               MessageWriter& writer);

/// The number in a column of whatever width, up to 32 bits.
uint32_t NumberAt(const ColumnSet& columns, size_t column, size_t row);
/// Appends a number to a column of whatever width, up to 32 bits.
void AddNumber(ColumnSet& columns, size_t column, uint32_t number);

/// What the attributes of a message say, by column, before they become a row of the first `kColumns` columns.
template <size_t kColumns>
class FieldValues {
 public:
  /// Takes an attribute that the table has; others are of a newer kernel, or none of a row's. Of one that is given twice the last one
  /// counts.
  void Take(std::span<const ColumnField> fields, const Attribute& attribute) {
    for (const ColumnField& field : fields) {
      if (field.attribute == attribute.type) Take(field, attribute);
    }
  }

  uint32_t number(size_t column) const { return numbers_[column]; }
  void set_number(size_t column, uint32_t number) { numbers_[column] = number; }
  /// The payload; empty where the attribute was not there.
  ByteView bytes(size_t column) const { return bytes_[column]; }
  void set_bytes(size_t column, ByteView bytes) { bytes_[column] = bytes; }
  /// Whether the attribute was there, and long enough.
  bool has(size_t column) const { return (present_ >> column) & 1; }

  /// Appends one value for each of the columns.
  void AppendTo(ColumnSet& columns) const {
    for (size_t column = 0; column < kColumns; ++column) {
      const ColumnType type = columns.specs()[column].type;
      if (type == ColumnType::kSymbol) {
        columns.AddSymbol(column, has(column) ? std::optional(AsText(bytes_[column])) : std::nullopt);
      } else if (type == ColumnType::kFixed) {
        columns.AddFixed(column, bytes_[column]);
      } else if (type == ColumnType::kBlob) {
        columns.AddBlob(column, bytes_[column]);
      } else {
        AddNumber(columns, column, numbers_[column]);
      }
    }
  }

 private:
  static_assert(kColumns <= 32);

  void Take(const ColumnField& field, const Attribute& attribute) {
    std::optional<uint32_t> number;
    if (field.type == WireType::kU8) number = attribute.Integer<uint8_t>();
    if (field.type == WireType::kU16) number = attribute.Integer<uint16_t>(field.order);
    if (field.type == WireType::kU32) number = attribute.Integer<uint32_t>(field.order);
    const bool is_number = field.type <= WireType::kU32;
    const uint32_t bit = uint32_t{1} << field.column;
    // One that cannot be read leaves no earlier one in force.
    present_ = is_number && !number ? present_ & ~bit : present_ | bit;
    if (is_number) numbers_[field.column] = number.value_or(0);
    if (!is_number) bytes_[field.column] = attribute.payload;
  }

  std::array<uint32_t, kColumns> numbers_{};
  std::array<ByteView, kColumns> bytes_{};
  uint32_t present_ = 0;
};

}  // namespace netplane

#endif  // NETPLANE_NETLINK_COLUMN_FIELDS_H_
