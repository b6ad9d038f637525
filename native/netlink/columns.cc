#include "netlink/columns.h"

#include <algorithm>

namespace netplane {

size_t ColumnElementSize(ColumnType type) {
  switch (type) {
    case ColumnType::kU8:
      return 1;
    case ColumnType::kU16:
      return 2;
    case ColumnType::kU32:
    case ColumnType::kS32:
    case ColumnType::kSymbol:
      return 4;
    case ColumnType::kU64:
    case ColumnType::kF64:
      return 8;
    default:
      return 0;
  }
}

ByteView ColumnSet::Blob(size_t column, size_t row) const {
  const Column& c = columns_[column];
  if (row + 1 >= c.offsets.size()) return {};
  const size_t from = c.offsets[row];
  const size_t to = c.offsets[row + 1];
  return from <= to && to <= c.data.size() ? ByteView(c.data).subspan(from, to - from) : ByteView();
}

std::optional<std::string_view> ColumnSet::Symbol(size_t column, size_t row) const {
  const Column& c = columns_[column];
  if ((row + 1) * sizeof(uint32_t) > c.data.size()) return std::nullopt;
  const auto index = At<uint32_t>(column, row);
  if (index >= c.table.size()) return std::nullopt;
  return c.table[index];
}

void ColumnSet::AddFixed(size_t column, ByteView bytes) {
  Column& c = columns_[column];
  if (!c.present) {
    c.present = true;
    if (specs_[column].width != 0) c.width = specs_[column].width;
    if (c.width == 0) c.width = static_cast<uint32_t>(bytes.size());
  }
  const size_t at = c.data.size();
  c.data.resize(at + c.width);
  std::copy_n(bytes.begin(), std::min<size_t>(bytes.size(), c.width), c.data.begin() + static_cast<ptrdiff_t>(at));
}

void ColumnSet::AddBlob(size_t column, ByteView bytes) {
  Column& c = columns_[column];
  if (!c.present) {
    c.present = true;
    c.offsets.push_back(0);
  }
  c.data.insert(c.data.end(), bytes.begin(), bytes.end());
  c.offsets.push_back(static_cast<uint32_t>(c.data.size()));
}

void ColumnSet::AddSymbol(size_t column, std::optional<std::string_view> text) {
  if (!text) return Add(column, kNoSymbol);
  auto& index = symbols_[column];
  Column& c = columns_[column];
  auto found = index.find(*text);
  if (found == index.end()) {
    found = index.emplace(std::string(*text), static_cast<uint32_t>(c.table.size())).first;
    c.table.emplace_back(*text);
  }
  Add(column, found->second);
}

void ColumnSet::ReserveLike(const ColumnSet& other) {
  for (size_t i = 0; i < columns_.size() && i < other.columns_.size(); ++i) columns_[i].data.reserve(other.columns_[i].data.size());
}

size_t ColumnSet::MemoryBytes() const {
  size_t bytes = 0;
  for (const Column& column : columns_) {
    bytes += column.data.size() + column.offsets.size() * sizeof(uint32_t);
    for (const std::string& text : column.table) bytes += text.size();
  }
  return bytes;
}

namespace {

std::optional<std::string> CheckBlob(const Column& column, size_t rows) {
  if (column.offsets.size() != rows + 1) return "needs one offset a row and one more";
  if (column.offsets.front() != 0 || column.offsets.back() != column.data.size()) return "offsets must begin at 0 and end at the length";
  if (!std::is_sorted(column.offsets.begin(), column.offsets.end())) return "offsets must not decrease";
  return std::nullopt;
}

std::optional<std::string> CheckSymbols(const Column& column, size_t rows) {
  if (column.data.size() != rows * sizeof(uint32_t)) return "needs one index a row";
  for (size_t row = 0; row < rows; ++row) {
    const auto index = Load<uint32_t>(column.data.data() + row * sizeof(uint32_t));
    if (index != kNoSymbol && index >= column.table.size()) return "holds an index outside of its table";
  }
  return std::nullopt;
}

std::optional<std::string> CheckColumn(const ColumnSpec& spec, const Column& column, size_t rows) {
  switch (spec.type) {
    case ColumnType::kBlob:
      return CheckBlob(column, rows);
    case ColumnType::kSymbol:
      return CheckSymbols(column, rows);
    case ColumnType::kFixed:
      if (spec.width != 0 && column.width != spec.width) return "needs " + std::to_string(spec.width) + " bytes a row";
      if (column.data.size() != rows * column.width) return "needs the same number of bytes for every row";
      return std::nullopt;
    default:
      if (column.data.size() != rows * ColumnElementSize(spec.type)) return "needs one entry a row";
      return std::nullopt;
  }
}

}  // namespace

std::optional<std::string> ColumnSet::Check() const {
  for (size_t i = 0; i < specs_.size(); ++i) {
    const bool needed = specs_[i].required && rows_ > 0;
    if (!columns_[i].present && !needed) continue;
    const auto problem = columns_[i].present ? CheckColumn(specs_[i], columns_[i], rows_) : "is required";
    if (problem) return std::string(specs_[i].name) + ": " + *problem;
  }
  return std::nullopt;
}

}  // namespace netplane
