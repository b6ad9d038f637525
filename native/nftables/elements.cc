#include "nftables/elements.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cmath>

#include "nftables/amendments.h"
#include "nftables/kernel.h"

namespace netplane::nftables {
namespace {

constexpr ColumnSpec kSpecs[] = {
    {"key", ColumnType::kFixed, true},    {"keyEnd", ColumnType::kFixed},
    {"flags", ColumnType::kU32},          {"data", ColumnType::kBlob},
    {"verdict", ColumnType::kS32},        {"verdictChain", ColumnType::kSymbol},
    {"timeoutMs", ColumnType::kF64},      {"expirationMs", ColumnType::kF64},
    {"userdata", ColumnType::kBlob},      {"objectReference", ColumnType::kSymbol},
    {"counterPackets", ColumnType::kU64}, {"counterBytes", ColumnType::kU64},
    {"hasCounter", ColumnType::kU8},      {"expressions", ColumnType::kBlob},
};
static_assert(std::size(kSpecs) == kElementColumnCount);

constexpr size_t kLongestNest = UINT16_MAX - 4;

void PutData(uint16_t attribute, ByteView value, MessageWriter& writer) {
  const size_t nest = writer.BeginNest(attribute);
  writer.Put(NFTA_DATA_VALUE, value);
  writer.EndNest(nest);
}

void PutVerdict(int32_t code, std::optional<std::string_view> chain, MessageWriter& writer) {
  const size_t data = writer.BeginNest(NFTA_SET_ELEM_DATA);
  const size_t verdict = writer.BeginNest(NFTA_DATA_VERDICT);
  writer.PutInteger(NFTA_VERDICT_CODE, static_cast<uint32_t>(code), kBig);
  if (chain) writer.PutString(NFTA_VERDICT_CHAIN, *chain);
  writer.EndNest(verdict);
  writer.EndNest(data);
}

void PutCounter(uint64_t bytes, uint64_t packets, MessageWriter& writer) {
  const size_t expression = writer.BeginNest(NFTA_SET_ELEM_EXPR);
  writer.PutString(NFTA_EXPR_NAME, "counter");
  const size_t data = writer.BeginNest(NFTA_EXPR_DATA);
  writer.PutInteger(NFTA_COUNTER_BYTES, bytes, kBig);
  writer.PutInteger(NFTA_COUNTER_PACKETS, packets, kBig);
  writer.EndNest(data);
  writer.EndNest(expression);
}

/// 0 (and what is no time at all) is not written; Infinity, "never", is 0 on the wire.
void PutMilliseconds(uint16_t attribute, double milliseconds, MessageWriter& writer) {
  if (!(milliseconds > 0)) return;
  // The cast of a larger number could be undefined.
  const auto whole = static_cast<uint64_t>(std::fmin(milliseconds, double{kMostMilliseconds}));
  writer.PutInteger(attribute, std::isinf(milliseconds) ? uint64_t{0} : whole, kBig);
}

/// One row; the attributes are in the order in which libnftnl writes them.
class RowWriter {
 public:
  RowWriter(const ColumnSet& columns, ElementParts parts, MessageWriter& writer) : columns_(columns), parts_(parts), writer_(writer) {}

  void Write(size_t row) const {
    const size_t element = writer_.BeginNest(NFTA_LIST_ELEM);
    const uint32_t flags = columns_.has(kElementFlags) ? columns_.At<uint32_t>(kElementFlags, row) : 0;
    if (flags != 0) writer_.PutInteger(NFTA_SET_ELEM_FLAGS, flags, kBig);
    if (parts_ == ElementParts::kAll) WriteTimes(row);
    if ((flags & NFT_SET_ELEM_CATCHALL) == 0) WriteKey(row);
    if (parts_ == ElementParts::kAll) WriteContent(row);
    writer_.EndNest(element);
  }

 private:
  void WriteTimes(size_t row) const {
    if (columns_.has(kTimeoutMs)) PutMilliseconds(NFTA_SET_ELEM_TIMEOUT, columns_.At<double>(kTimeoutMs, row), writer_);
    if (columns_.has(kExpirationMs)) PutMilliseconds(NFTA_SET_ELEM_EXPIRATION, columns_.At<double>(kExpirationMs, row), writer_);
  }

  void WriteKey(size_t row) const {
    PutData(NFTA_SET_ELEM_KEY, columns_.Fixed(kKey, row), writer_);
    if (columns_.has(kKeyEnd)) PutData(NFTA_SET_ELEM_KEY_END, columns_.Fixed(kKeyEnd, row), writer_);
  }

  void WriteContent(size_t row) const {
    const int32_t verdict = columns_.has(kVerdict) ? columns_.At<int32_t>(kVerdict, row) : kNoVerdict;
    if (verdict != kNoVerdict) {
      PutVerdict(verdict, columns_.has(kVerdictChain) ? columns_.Symbol(kVerdictChain, row) : std::nullopt, writer_);
    } else if (const ByteView data = BlobOf(kData, row); !data.empty()) {
      PutData(NFTA_SET_ELEM_DATA, data, writer_);
    }
    if (const ByteView userdata = BlobOf(kUserdata, row); !userdata.empty()) writer_.Put(NFTA_SET_ELEM_USERDATA, userdata);
    if (columns_.has(kObjectReference)) {
      if (const auto object = columns_.Symbol(kObjectReference, row)) writer_.PutString(NFTA_SET_ELEM_OBJREF, *object);
    }
    WriteExpressions(row);
  }

  void WriteExpressions(size_t row) const {
    if (const ByteView expressions = BlobOf(kExpressions, row); !expressions.empty()) {
      PutAmendedList(NFTA_SET_ELEM_EXPRESSIONS, expressions, writer_);
    } else if (columns_.has(kHasCounter) && columns_.At<uint8_t>(kHasCounter, row) != 0) {
      PutCounter(CountOf(kCounterBytes, row), CountOf(kCounterPackets, row), writer_);
    }
  }

  ByteView BlobOf(size_t column, size_t row) const { return columns_.has(column) ? columns_.Blob(column, row) : ByteView(); }
  uint64_t CountOf(size_t column, size_t row) const { return columns_.has(column) ? columns_.At<uint64_t>(column, row) : 0; }

  const ColumnSet& columns_;
  ElementParts parts_;
  MessageWriter& writer_;
};

bool IsEnd(const ColumnSet& columns, size_t row) {
  return columns.has(kElementFlags) && (columns.At<uint32_t>(kElementFlags, row) & NFT_SET_ELEM_INTERVAL_END) != 0;
}

/// Whether a row is the end of the range that the row before starts. The two stay in one message: newer kernels look at the start of a
/// range when its end comes, and take a start that is the last element of its message for a range without an end (nft_rbtree_insert).
bool EndsRange(const ColumnSet& columns, size_t row) { return row > 0 && IsEnd(columns, row) && !IsEnd(columns, row - 1); }

/// Fields that are columns of their own, though nested in an attribute.
constexpr struct {
  const char* path;
  const char* column;
} kNestedColumns[] = {{"data.verdict", "verdict"}, {"data.chain", "verdictChain"}};

const char* ColumnAt(const Attribute& element, size_t offset) {
  const std::string path = LocateField(kElementSchema, element.payload, offset);
  for (const auto& nested : kNestedColumns) {
    if (path == nested.path) return nested.column;
  }
  const Field* field = kElementSchema.FindName(std::string_view(path).substr(0, path.find('.')));
  return field == nullptr ? "" : field->name;
}

}  // namespace

constinit const std::span<const ColumnSpec> kElementColumns = kSpecs;

size_t EncodeElements(const ColumnSet& columns, size_t first, size_t max_bytes, ElementParts parts, MessageWriter& writer) {
  const RowWriter rows(columns, parts, writer);
  const size_t limit = std::min(max_bytes, kLongestNest);
  const auto start = writer.Save();
  const size_t list = writer.BeginNest(NFTA_SET_ELEM_LIST_ELEMENTS);
  size_t row = first;
  for (auto previous = start; row < columns.rows(); ++row) {
    const auto mark = writer.Save();
    rows.Write(row);
    const bool is_first = row == first || (row == first + 1 && EndsRange(columns, row));
    if (writer.NestLength(list) <= (is_first ? kLongestNest : limit) && writer.overflowed() == mark.overflowed) {
      previous = mark;
      continue;
    }
    const bool tears = row > first + 1 && EndsRange(columns, row);
    writer.Restore(tears ? previous : mark);
    if (tears) --row;
    break;
  }
  if (row == first) {
    writer.Restore(start);
    return 0;
  }
  writer.EndNest(list);
  return row - first;
}

std::optional<ElementLocation> LocateElement(ByteView list, size_t offset) {
  AttributeReader reader(list);
  for (uint32_t row = 0; auto element = reader.Next(); ++row) {
    const size_t payload = element->offset + 4;
    if (offset >= element->offset + Align4(4 + element->payload.size())) continue;
    return ElementLocation{row, offset < payload ? "" : ColumnAt(*element, offset - payload)};
  }
  return std::nullopt;
}

}  // namespace netplane::nftables
