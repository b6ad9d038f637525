// Bulk data as a struct of arrays: one typed array per column, one call for any number of rows.
#ifndef NETPLANE_NETLINK_COLUMNS_H_
#define NETPLANE_NETLINK_COLUMNS_H_

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "netlink/bytes.h"

namespace netplane {

enum class ColumnType : uint8_t {
  kU8,
  kU16,
  kU32,
  kS32,     ///< Uint8Array … Int32Array, host order.
  kU64,     ///< BigUint64Array.
  kF64,     ///< Float64Array; for 64-bit values that stay below 2^53 (milliseconds).
  kFixed,   ///< Uint8Array, `width` bytes a row, or the width that ColumnSet carries (keys).
  kBlob,    ///< Bytes of any length: Uint8Array `name` plus Uint32Array `nameOffsets` of rows + 1 entries.
  kSymbol,  ///< Text that repeats: Uint32Array `name` of indexes into string[] `nameTable`; kNoSymbol is none.
};

constexpr uint32_t kNoSymbol = UINT32_MAX;

struct ColumnSpec {
  const char* name;
  ColumnType type;
  bool required = false;
  /// Bytes a row of a kFixed column; 0: carried by the column itself.
  uint16_t width = 0;
};

/// One column's content. Absent columns have `present` false and no rows.
struct Column {
  bool present = false;
  uint32_t width = 0;
  Bytes data;                      ///< Rows back to back (kBlob: all the bytes; kSymbol: u32 indexes).
  std::vector<uint32_t> offsets;   ///< kBlob only.
  std::vector<std::string> table;  ///< kSymbol only.
};

/// A table of columns after a fixed list of specs. Row access is unchecked but for kBlob and kSymbol: whoever fills a ColumnSet checks
/// the sizes (`Check`).
class ColumnSet {
 public:
  ColumnSet() = default;
  explicit ColumnSet(std::span<const ColumnSpec> specs) : specs_(specs), columns_(specs.size()), symbols_(specs.size()) {}

  std::span<const ColumnSpec> specs() const { return specs_; }
  size_t rows() const { return rows_; }
  void set_rows(size_t rows) { rows_ = rows; }
  Column& operator[](size_t column) { return columns_[column]; }
  const Column& operator[](size_t column) const { return columns_[column]; }
  bool has(size_t column) const { return columns_[column].present; }

  template <typename T>
  T At(size_t column, size_t row) const {
    T value;
    std::memcpy(&value, columns_[column].data.data() + row * sizeof(T), sizeof value);
    return value;
  }
  ByteView Fixed(size_t column, size_t row) const {
    const Column& c = columns_[column];
    return ByteView(c.data).subspan(row * c.width, c.width);
  }
  ByteView Blob(size_t column, size_t row) const;
  /// Nothing for kNoSymbol.
  std::optional<std::string_view> Symbol(size_t column, size_t row) const;

  /// Appending, row by row: the same columns for every row, then one EndRow.
  template <typename T>
  void Add(size_t column, T value) {
    Column& c = columns_[column];
    c.present = true;
    const size_t at = c.data.size();
    c.data.resize(at + sizeof(T));
    std::memcpy(c.data.data() + at, &value, sizeof value);
  }
  /// Appends a kFixed row, cut or zero-filled to the column's width (the first row sets it where the spec has none).
  void AddFixed(size_t column, ByteView bytes);
  void AddBlob(size_t column, ByteView bytes);
  void AddSymbol(size_t column, std::optional<std::string_view> text);
  void EndRow() { ++rows_; }
  /// Makes room for as many rows as another table has: growing would take twice the memory for a while.
  void ReserveLike(const ColumnSet& other);
  /// Bytes held by all columns.
  size_t MemoryBytes() const;

  /// What is wrong with the sizes, offsets or symbol indexes, with the column's name; nothing when all rows can be read.
  std::optional<std::string> Check() const;

 private:
  std::span<const ColumnSpec> specs_;
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  /// Where a text appended with AddSymbol lies in its column's table.
  using SymbolIndex = std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>>;
  std::vector<Column> columns_;
  std::vector<SymbolIndex> symbols_;
  size_t rows_ = 0;
};

/// Bytes a row of fixed-size types (of the index for kSymbol); 0 for kFixed, kBlob.
size_t ColumnElementSize(ColumnType type);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_COLUMNS_H_
