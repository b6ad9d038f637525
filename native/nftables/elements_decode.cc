#include <linux/netlink.h>

#include <limits>

#include "netlink/field_type.h"
#include "nftables/elements.h"
#include "nftables/kernel.h"

namespace netplane::nftables {
namespace {

struct Counter {
  uint64_t packets = 0;
  uint64_t bytes = 0;
};

/// One element as it lies in the message; the views live as long as the message.
struct Element {
  std::optional<ByteView> key;
  std::optional<ByteView> key_end;
  uint32_t flags = 0;
  ByteView data;
  int32_t verdict = kNoVerdict;
  std::optional<std::string_view> chain;
  double timeout_ms = 0;
  double expiration_ms = 0;
  ByteView userdata;
  std::optional<std::string_view> object;
  std::optional<Counter> counter;
  Bytes expressions;
};

bool ReadValue(ByteView payload, std::optional<ByteView>* value) {
  const auto only = OnlyAttribute(payload);
  if (!only || only->type != NFTA_DATA_VALUE) return false;
  *value = only->payload;
  return true;
}

bool ReadVerdict(ByteView payload, Element* element) {
  bool has_code = false;
  AttributeReader reader(payload);
  while (auto attribute = reader.Next()) {
    if (attribute->type == NFTA_VERDICT_CODE && attribute->payload.size() == sizeof(uint32_t)) {
      element->verdict = static_cast<int32_t>(*attribute->Integer<uint32_t>(kBig));
      has_code = true;
    } else if (attribute->type == NFTA_VERDICT_CHAIN && TextOf(attribute->payload)) {
      element->chain = TextOf(attribute->payload);
    } else {
      return false;
    }
  }
  return !reader.malformed() && has_code && element->verdict != kNoVerdict;
}

bool ReadMilliseconds(ByteView payload, double* milliseconds) {
  if (payload.size() != sizeof(uint64_t)) return false;
  const auto number = Load<uint64_t>(payload.data(), kBig);
  *milliseconds = static_cast<double>(number);
  // A larger number could not be written again as it was read.
  return number <= kMostMilliseconds;
}

/// The counter that an expression is; nothing where it is another one.
std::optional<Counter> ReadCounter(ByteView expression) {
  const auto parts = SplitVariant(expression);
  if (!parts || parts->name != "counter") return std::nullopt;
  std::optional<uint64_t> bytes, packets;
  AttributeReader reader(parts->data);
  while (auto attribute = reader.Next()) {
    if (attribute->type == NFTA_COUNTER_PAD) continue;
    if (attribute->payload.size() != sizeof(uint64_t)) return std::nullopt;
    if (attribute->type == NFTA_COUNTER_BYTES) {
      bytes = attribute->Integer<uint64_t>(kBig);
    } else if (attribute->type == NFTA_COUNTER_PACKETS) {
      packets = attribute->Integer<uint64_t>(kBig);
    } else {
      return std::nullopt;
    }
  }
  if (reader.malformed() || !bytes || !packets) return std::nullopt;
  return Counter{*packets, *bytes};
}

bool ReadKey(ByteView payload, Element* element) { return ReadValue(payload, &element->key); }
bool ReadKeyEnd(ByteView payload, Element* element) { return ReadValue(payload, &element->key_end); }

bool ReadData(ByteView payload, Element* element) {
  const auto only = OnlyAttribute(payload);
  if (!only) return false;
  if (only->type == NFTA_DATA_VERDICT) return ReadVerdict(only->payload, element);
  element->data = only->payload;
  return only->type == NFTA_DATA_VALUE && !only->payload.empty();
}

bool ReadFlags(ByteView payload, Element* element) {
  if (payload.size() != sizeof(uint32_t)) return false;
  element->flags = Load<uint32_t>(payload.data(), kBig);
  return true;
}

bool ReadTimeout(ByteView payload, Element* element) {
  if (!ReadMilliseconds(payload, &element->timeout_ms)) return false;
  if (element->timeout_ms == 0) element->timeout_ms = std::numeric_limits<double>::infinity();
  return true;
}

bool ReadExpiration(ByteView payload, Element* element) { return ReadMilliseconds(payload, &element->expiration_ms); }

bool ReadUserdata(ByteView payload, Element* element) {
  element->userdata = payload;
  return true;
}

bool ReadObject(ByteView payload, Element* element) {
  element->object = TextOf(payload);
  return element->object.has_value();
}

bool ReadExpression(ByteView payload, Element* element) {
  element->counter = ReadCounter(payload);
  if (element->counter) return true;
  if (!SplitVariant(payload)) return false;
  element->expressions.clear();
  MessageWriter writer(element->expressions);
  writer.Put(NFTA_LIST_ELEM | NLA_F_NESTED, payload);
  return !writer.overflowed();
}

bool ReadExpressions(ByteView payload, Element* element) {
  // The kernel takes the one attribute or the other (nft_add_set_elem), and the columns have room for one.
  if (element->counter || !element->expressions.empty()) return false;
  AttributeReader reader(payload);
  const auto first = reader.Next();
  if (first && !reader.Next() && !reader.malformed()) element->counter = ReadCounter(first->payload);
  if (!element->counter) element->expressions.assign(payload.begin(), payload.end());
  return true;
}

bool Skip(ByteView, Element*) { return true; }

// NFTA_SET_ELEM_EXPRESSIONS is read behind NFTA_SET_ELEM_EXPR, which it may not be with.
constexpr struct {
  uint16_t attribute;
  bool (*read)(ByteView payload, Element* element);
} kReaders[] = {
    {NFTA_SET_ELEM_KEY, ReadKey},
    {NFTA_SET_ELEM_DATA, ReadData},
    {NFTA_SET_ELEM_FLAGS, ReadFlags},
    {NFTA_SET_ELEM_TIMEOUT, ReadTimeout},
    {NFTA_SET_ELEM_EXPIRATION, ReadExpiration},
    {NFTA_SET_ELEM_USERDATA, ReadUserdata},
    {NFTA_SET_ELEM_EXPR, ReadExpression},
    {NFTA_SET_ELEM_PAD, Skip},
    {NFTA_SET_ELEM_OBJREF, ReadObject},
    {NFTA_SET_ELEM_KEY_END, ReadKeyEnd},
    {NFTA_SET_ELEM_EXPRESSIONS, ReadExpressions},
};

/// False for what the columns could not say: content of two kinds, or a key that catches all.
bool IsConsistent(const Element& element) {
  const bool catchall = (element.flags & NFT_SET_ELEM_CATCHALL) != 0;
  if (catchall == element.key.has_value() || (element.key_end && !element.key)) return false;
  if (element.verdict != kNoVerdict && !element.data.empty()) return false;
  return !element.counter || element.expressions.empty();
}

bool ReadElement(ByteView payload, Element* element) {
  constexpr size_t kTypes = NFTA_SET_ELEM_EXPRESSIONS + 1;
  // Of an attribute that comes twice the last one counts, as for the kernel (lib/nlattr.c, __nla_validate_parse).
  ByteView last[kTypes];
  uint32_t unread = 0;
  AttributeReader reader(payload);
  while (auto attribute = reader.Next()) {
    if (attribute->type >= kTypes) return false;
    last[attribute->type] = attribute->payload;
    unread |= uint32_t{1} << attribute->type;
  }
  if (reader.malformed()) return false;
  for (const auto& entry : kReaders) {
    const uint32_t bit = uint32_t{1} << entry.attribute;
    if ((unread & bit) != 0 && !entry.read(last[entry.attribute], element)) return false;
    unread &= ~bit;
  }
  return unread == 0 && IsConsistent(*element);
}

/// Appends rows whose absent values take no room: a column comes to be with the first row that needs it.
class RowAppender {
 public:
  explicit RowAppender(ColumnSet& columns) : columns_(columns) {}

  bool Append(const Element& element) {
    if (!AppendKeys(element)) return false;
    if (element.flags != 0) Add(kElementFlags, element.flags);
    if (!element.data.empty()) AddBlob(kData, element.data);
    if (element.verdict != kNoVerdict) Add(kVerdict, element.verdict);
    if (element.chain) AddSymbol(kVerdictChain, *element.chain);
    if (element.timeout_ms != 0) Add(kTimeoutMs, element.timeout_ms);
    if (element.expiration_ms != 0) Add(kExpirationMs, element.expiration_ms);
    if (!element.userdata.empty()) AddBlob(kUserdata, element.userdata);
    if (element.object) AddSymbol(kObjectReference, *element.object);
    if (element.counter) AppendCounter(*element.counter);
    if (!element.expressions.empty()) AddBlob(kExpressions, element.expressions);
    columns_.EndRow();
    for (size_t column = 0; column < kElementColumnCount; ++column) {
      if (columns_.has(column)) FillTo(column, columns_.rows());
    }
    return true;
  }

 private:
  /// Keys of one set have one width; a catchall element has none.
  bool AppendKeys(const Element& element) {
    Column& keys = columns_[kKey];
    keys.present = true;
    if (!element.key) return true;
    if (element.key->empty()) return false;
    if (keys.width == 0) {
      keys.width = static_cast<uint32_t>(element.key->size());
      FillTo(kKey, columns_.rows());
    }
    if (element.key->size() != keys.width) return false;
    columns_.AddFixed(kKey, *element.key);
    if (!element.key_end) return true;
    if (element.key_end->size() != keys.width) return false;
    columns_[kKeyEnd].width = keys.width;
    FillTo(kKeyEnd, columns_.rows());
    columns_.AddFixed(kKeyEnd, *element.key_end);
    return true;
  }

  void AppendCounter(const Counter& counter) {
    Add(kCounterPackets, counter.packets);
    Add(kCounterBytes, counter.bytes);
    Add(kHasCounter, uint8_t{1});
  }

  template <typename T>
  void Add(size_t column, T value) {
    FillTo(column, columns_.rows());
    columns_.Add(column, value);
  }
  void AddBlob(size_t column, ByteView bytes) {
    FillTo(column, columns_.rows());
    columns_.AddBlob(column, bytes);
  }
  void AddSymbol(size_t column, std::string_view text) {
    FillTo(column, columns_.rows());
    columns_.AddSymbol(column, text);
  }

  void FillTo(size_t column, size_t rows) {
    Column& c = columns_[column];
    if (column == kData || column == kUserdata || column == kExpressions) {
      while (c.offsets.size() < rows + (c.present ? 1 : 0)) columns_.AddBlob(column, {});
    } else if (column == kKeyEnd) {
      const size_t has = c.width == 0 ? rows : c.data.size() / c.width;
      for (size_t row = has; row < rows; ++row) columns_.AddFixed(kKeyEnd, columns_.Fixed(kKey, row));
    } else if (column == kKey) {
      c.data.resize(rows * c.width);
    } else {
      FillNumbers(column, rows);
    }
  }

  void FillNumbers(size_t column, size_t rows) {
    Column& c = columns_[column];
    const size_t width = ColumnElementSize(columns_.specs()[column].type);
    const bool symbol = columns_.specs()[column].type == ColumnType::kSymbol;
    const size_t has = c.data.size() / width;
    if (has >= rows) return;
    c.data.resize(rows * width);
    if (column != kVerdict && !symbol) return;
    const uint32_t none = symbol ? kNoSymbol : static_cast<uint32_t>(kNoVerdict);
    for (size_t row = has; row < rows; ++row) Store(c.data.data() + row * width, none);
  }

  ColumnSet& columns_;
};

}  // namespace

bool DecodeElements(ByteView list, ColumnSet& columns) {
  RowAppender appender(columns);
  AttributeReader reader(list);
  // The kernel does not look at the type of a list's entries, and old tools number them.
  while (auto attribute = reader.Next()) {
    Element element;
    if (!ReadElement(attribute->payload, &element) || !appender.Append(element)) return false;
  }
  return !reader.malformed();
}

}  // namespace netplane::nftables
