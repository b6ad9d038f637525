// Element columns: no kernel needed.
#include "nftables/elements.h"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <limits>

#include "test/records.h"

namespace netplane::nftables {
namespace {

constexpr size_t kNoLimit = 1 << 20;

// The payload of NFTA_SET_ELEM_LIST_ELEMENTS that holds rows from `first` on; empty where none fits.
Bytes EncodeList(const ColumnSet& columns, size_t first = 0, size_t max_bytes = kNoLimit, ElementParts parts = ElementParts::kAll) {
  Bytes bytes;
  MessageWriter writer(bytes);
  if (EncodeElements(columns, first, max_bytes, parts, writer) == 0) return {};
  EXPECT_FALSE(writer.overflowed());
  return {bytes.begin() + 4, bytes.end()};
}

ColumnSet Keys(size_t rows, uint32_t width = 4) {
  ColumnSet columns(kElementColumns);
  Bytes key(width);
  for (size_t row = 0; row < rows; ++row) {
    Store(key.data(), static_cast<uint32_t>(row), ByteOrder::kBig);
    columns.AddFixed(kKey, key);
    columns.EndRow();
  }
  return columns;
}

bool IsSame(const ColumnSet& a, const ColumnSet& b) {
  if (a.rows() != b.rows()) return false;
  for (size_t i = 0; i < kElementColumnCount; ++i) {
    if (a.has(i) != b.has(i) || a[i].width != b[i].width || a[i].data != b[i].data) return false;
    if (a[i].offsets != b[i].offsets || a[i].table != b[i].table) return false;
  }
  return true;
}

// One row of each kind, so that every column is present and every column has rows without a value.
ColumnSet Everything() {
  ColumnSet columns = Keys(8);
  columns[kKeyEnd] = columns[kKey];
  columns[kKeyEnd].data[3] = 9;
  for (uint32_t row = 0; row < 8; ++row) {
    columns.Add(kElementFlags, row == 1 ? uint32_t{NFT_SET_ELEM_INTERVAL_END} : 0u);
    columns.AddBlob(kData, row == 2 ? Bytes{1, 2, 3, 4, 5, 6, 0, 0} : Bytes{});
    columns.Add(kVerdict, row == 3 ? NFT_GOTO : row == 4 ? 0 : kNoVerdict);
    columns.AddSymbol(kVerdictChain, row == 3 ? std::optional<std::string_view>("web") : std::nullopt);
    columns.Add(kTimeoutMs, row == 5 ? 60000.0 : row == 6 ? std::numeric_limits<double>::infinity() : 0.0);
    columns.Add(kExpirationMs, row == 5 ? 30000.0 : 0.0);
    columns.AddBlob(kUserdata, row == 5 ? Bytes{0, 2, 'x', 0} : Bytes{});
    columns.AddSymbol(kObjectReference, row == 6 ? std::optional<std::string_view>("hits") : std::nullopt);
    columns.Add(kCounterPackets, row == 7 ? uint64_t{7} : 0);
    columns.Add(kCounterBytes, row == 7 ? uint64_t{1} << 40 : 0);
    columns.Add(kHasCounter, row == 7 ? uint8_t{1} : uint8_t{0});
    columns.AddBlob(kExpressions, row == 0 ? FromHex("0c00018008000100716f7461") : Bytes{});
  }
  EXPECT_EQ(columns.Check(), std::nullopt);
  return columns;
}

TEST(Elements, WritesWhatLibnftnlWrites) {
  ColumnSet columns = Keys(1);
  columns.Add(kVerdict, int32_t{NFT_JUMP});
  columns.AddSymbol(kVerdictChain, "web");
  // LIST_ELEM { KEY { VALUE }, DATA { VERDICT { CODE, CHAIN } } }
  EXPECT_EQ(ToHex(EncodeList(columns)),
            "28000180"
            "0c000180"
            "0800010000000000"
            "18000280"
            "14000280"
            "08000100fffffffd"
            "0800020077656200");
}

TEST(Elements, EveryColumnSurvivesARoundTrip) {
  const ColumnSet columns = Everything();
  ColumnSet read(kElementColumns);
  ASSERT_TRUE(DecodeElements(EncodeList(columns), read));
  EXPECT_EQ(read.Check(), std::nullopt);
  EXPECT_TRUE(IsSame(read, columns));
}

TEST(Elements, ColumnsThatNoRowNeedsAreAbsent) {
  ColumnSet read(kElementColumns);
  ASSERT_TRUE(DecodeElements(EncodeList(Keys(3)), read));
  for (size_t i = 0; i < kElementColumnCount; ++i) EXPECT_EQ(read.has(i), i == kKey) << kElementColumns[i].name;
}

TEST(Elements, ACatchallHasNoKeyAndTakesTheWidthOfTheOthers) {
  ColumnSet columns = Keys(3);
  for (const uint32_t flags : {2u, 0u, 0u}) columns.Add(kElementFlags, flags);
  std::fill_n(columns[kKey].data.begin(), 4, uint8_t{0});
  ColumnSet read(kElementColumns);
  const Bytes list = EncodeList(columns);
  EXPECT_EQ(ToHex(list).substr(0, 24),
            "0c00018008000300000000"
            "02");
  ASSERT_TRUE(DecodeElements(list, read));
  EXPECT_EQ(read.Check(), std::nullopt);
  EXPECT_TRUE(IsSame(read, columns));

  ColumnSet alone(kElementColumns);
  alone[kKey].width = 16;
  ASSERT_TRUE(DecodeElements(ByteView(list).first(12), alone));
  EXPECT_EQ(alone.rows(), 1u);
  EXPECT_EQ(alone[kKey].data.size(), 16u);
  EXPECT_EQ(alone.Check(), std::nullopt);
}

TEST(Elements, OnlyIdentityIsSentForDeletions) {
  const ColumnSet columns = Everything();
  ColumnSet read(kElementColumns);
  ASSERT_TRUE(DecodeElements(EncodeList(columns, 0, kNoLimit, ElementParts::kIdentity), read));
  for (size_t i = 0; i < kElementColumnCount; ++i) EXPECT_EQ(read.has(i), i <= kElementFlags) << kElementColumns[i].name;
  EXPECT_EQ(read[kKeyEnd].data, columns[kKeyEnd].data);
}

TEST(Elements, RowsAreSplitAndNoneIsLost) {
  const ColumnSet columns = Keys(20000, 12);
  ColumnSet read(kElementColumns);
  size_t messages = 0;
  for (size_t row = 0; row < columns.rows(); ++messages) {
    Bytes bytes;
    MessageWriter writer(bytes);
    const size_t written = EncodeElements(columns, row, kNoLimit, ElementParts::kAll, writer);
    ASSERT_GT(written, 0u);
    ASSERT_FALSE(writer.overflowed());
    ASSERT_LE(bytes.size(), 65535u);
    // Not one more would have fitted.
    if (row + written < columns.rows()) {
      EXPECT_GT(bytes.size() + 24, 65535u);
    }
    ASSERT_TRUE(DecodeElements(ByteView(bytes).subspan(4), read));
    row += written;
  }
  EXPECT_EQ(messages, 8u);
  EXPECT_TRUE(IsSame(read, columns));
}

TEST(Elements, TheFirstRowIsWrittenWhateverTheLimit) {
  ColumnSet read(kElementColumns);
  ASSERT_TRUE(DecodeElements(EncodeList(Keys(5), 2, 0), read));
  EXPECT_EQ(read.rows(), 1u);
  EXPECT_EQ(ToHex(read.Fixed(kKey, 0)), "00000002");
}

TEST(Elements, ARangeIsNotTornApart) {
  ColumnSet columns = Keys(20001);
  for (uint32_t row = 0; row < 20001; ++row) columns.Add(kElementFlags, row % 2 == 0 ? 0u : uint32_t{NFT_SET_ELEM_INTERVAL_END});
  for (const size_t limit : {size_t{0}, size_t{1000}, kNoLimit}) {
    ColumnSet read(kElementColumns);
    for (size_t row = 0; row < columns.rows();) {
      Bytes bytes;
      MessageWriter writer(bytes);
      const size_t written = EncodeElements(columns, row, limit, ElementParts::kAll, writer);
      ASSERT_TRUE(DecodeElements(ByteView(bytes).subspan(4), read));
      row += written;
      // The last range has no end.
      ASSERT_TRUE(row % 2 == 0 || row == columns.rows()) << limit;
    }
    EXPECT_TRUE(IsSame(read, columns)) << limit;
  }
}

TEST(Elements, ARowThatNoMessageHoldsIsRefusedAndLeavesNoTrace) {
  for (const size_t size : {size_t{65520}, size_t{70000}}) {
    ColumnSet columns = Keys(2);
    columns.AddBlob(kUserdata, Bytes{1});
    columns.AddBlob(kUserdata, Bytes(size));
    Bytes bytes;
    MessageWriter writer(bytes);
    // The long row ends the first message, and cannot begin one.
    EXPECT_EQ(EncodeElements(columns, 0, kNoLimit, ElementParts::kAll, writer), 1u);
    const Bytes before = bytes;
    EXPECT_EQ(EncodeElements(columns, 1, kNoLimit, ElementParts::kAll, writer), 0u);
    EXPECT_EQ(bytes, before);
    EXPECT_FALSE(writer.overflowed());
  }
}

TEST(Elements, AnExpressionThatIsNoCounterIsKept) {
  // EXPR { NAME "last", DATA {…} } becomes a list of one.
  const Bytes element = FromHex("0c00018008000100 01020304 18000780 09000100 6c61737400000000 0800028004000100");
  Bytes list;
  MessageWriter(list).Put(NFTA_LIST_ELEM, element);
  ColumnSet read(kElementColumns);
  ASSERT_TRUE(DecodeElements(list, read));
  EXPECT_FALSE(read.has(kHasCounter));
  EXPECT_EQ(ToHex(read.Blob(kExpressions, 0)),
            "18000180"
            "090001006c61737400000000"
            "0800028004000100");
  ColumnSet again(kElementColumns);
  ASSERT_TRUE(DecodeElements(EncodeList(read), again));
  EXPECT_TRUE(IsSame(again, read));
}

TEST(Elements, AListOfOneCounterIsACounter) {
  const Bytes counter = FromHex("0c00010063 6f756e74657200 1c000280 0c000100 0000000000000005 0c000200 0000000000000006");
  Bytes one, expressions, element, list;
  MessageWriter(one).Put(NFTA_LIST_ELEM, counter);
  MessageWriter writer(element);
  writer.Put(NFTA_SET_ELEM_KEY, FromHex("0800010001020304"));
  writer.Put(NFTA_SET_ELEM_EXPRESSIONS, one);
  MessageWriter(list).Put(NFTA_LIST_ELEM, element);
  ColumnSet read(kElementColumns);
  ASSERT_TRUE(DecodeElements(list, read));
  ASSERT_TRUE(read.has(kHasCounter));
  EXPECT_EQ(read.At<uint64_t>(kCounterBytes, 0), 5u);
  EXPECT_EQ(read.At<uint64_t>(kCounterPackets, 0), 6u);
  EXPECT_FALSE(read.has(kExpressions));
}

bool Reads(std::string_view element_hex) {
  Bytes list;
  MessageWriter(list).Put(NFTA_LIST_ELEM, FromHex(element_hex));
  ColumnSet read(kElementColumns);
  return DecodeElements(list, read);
}

TEST(Elements, WhatHasNoColumnIsNeverDropped) {
  EXPECT_TRUE(Reads("0c00018008000100 01020304"));
  EXPECT_FALSE(Reads("0c00018008000100 01020304 08006300 01020304")) << "an unknown attribute";
  EXPECT_TRUE(Reads("0c00018008000100 01020304 04000800")) << "padding";
  EXPECT_FALSE(Reads("0c00018008000200 01020304")) << "a key that is no value";
  EXPECT_FALSE(Reads("08000300 00000000")) << "no key, and no catchall";
  EXPECT_FALSE(Reads("0c00018008000100 01020304 06000300 0000 0000")) << "flags of two bytes";
  EXPECT_FALSE(Reads("0c00018008000100 01020304 0c000400 0020000000000000")) << "more milliseconds than a double can say";
  EXPECT_FALSE(Reads("0c00018008000100 01020304 14000280 10000280 08000100 00000001 08000300 00000001")) << "a verdict's chain id";
  EXPECT_FALSE(Reads("0c000180")) << "malformed";
  EXPECT_FALSE(Reads("0c00018008000100 01020304 0c000780 08000100 71756f 00 0c000b80 08000180 0400 0100")) << "expressions twice";
  EXPECT_FALSE(Reads("0c00018008000100 01020304 08000300 00000002")) << "a key that catches all";
  EXPECT_FALSE(Reads("08000300 00000002 0c000a8008000100 01020304")) << "the end of no key";
}

TEST(Elements, OfAnAttributeThatComesTwiceTheLastCounts) {
  const std::string key = "0c00018008000100 05060708";
  const std::string value = "0c00028008000100 0a0b0c0d";
  const std::string verdict = "10000280 0c000280 08000100 00000001";
  const std::string quota = "10000780 0a000100 71756f746100 0000";
  const std::string limit = "10000780 0a000100 6c696d697400 0000";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"0c00018008000100 01020304" + key, key},
      {"14000180 08000100 01020304 08000100 05060708", key},
      {key + "08000300 00000001 08000300 00000000", key},
      {key + "06000300 0001 0000 08000300 00000000", key},
      {key + verdict + value, key + value},
      {key + value + verdict, key + verdict},
      {key + quota + limit, key + limit},
      {key + "0c000400 0000000000000001 0c000400 0000000000000002", key + "0c000400 0000000000000002"},
  };
  for (const auto& [twice, once] : cases) {
    ColumnSet read(kElementColumns);
    ColumnSet expected(kElementColumns);
    Bytes list;
    Bytes expected_list;
    MessageWriter(list).Put(NFTA_LIST_ELEM, FromHex(twice));
    MessageWriter(expected_list).Put(NFTA_LIST_ELEM, FromHex(once));
    ASSERT_TRUE(DecodeElements(list, read)) << twice;
    ASSERT_TRUE(DecodeElements(expected_list, expected)) << once;
    EXPECT_TRUE(IsSame(read, expected)) << twice;
  }
}

TEST(Elements, KeysOfTwoWidthsAreRefused) {
  Bytes list;
  MessageWriter writer(list);
  writer.Put(NFTA_LIST_ELEM, FromHex("0c00018008000100 01020304"));
  writer.Put(NFTA_LIST_ELEM, FromHex("0c00018006000100 01020000"));
  ColumnSet read(kElementColumns);
  EXPECT_FALSE(DecodeElements(list, read));
}

TEST(Elements, NeverReadsOutsideOfTruncatedBytes) {
  const Bytes whole = EncodeList(Everything());
  for (size_t length = 0; length < whole.size(); ++length) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    ColumnSet read(kElementColumns);
    DecodeElements(cut, read);
    LocateElement(cut, length);
  }
}

TEST(Elements, LocatesRowAndColumn) {
  const ColumnSet columns = Everything();
  const Bytes list = EncodeList(columns);
  std::vector<std::pair<uint32_t, std::string>> seen;
  for (size_t offset = 0; offset < list.size(); ++offset) {
    const auto location = LocateElement(list, offset);
    ASSERT_TRUE(location);
    const std::pair<uint32_t, std::string> at{location->row, location->field};
    if (seen.empty() || seen.back() != at) seen.push_back(at);
  }
  const std::vector<std::pair<uint32_t, std::string>> third = {{3, ""},     {3, "key"},     {3, "keyEnd"},
                                                               {3, "data"}, {3, "verdict"}, {3, "verdictChain"}};
  EXPECT_NE(std::search(seen.begin(), seen.end(), third.begin(), third.end()), seen.end());
  EXPECT_EQ(seen.back(), (std::pair<uint32_t, std::string>{7, "counter"}));
  EXPECT_FALSE(LocateElement(list, list.size()));
}

TEST(Columns, SaysWhatIsWrong) {
  ColumnSet columns = Everything();
  columns[kKey].data.pop_back();
  EXPECT_EQ(columns.Check(), "key: needs the same number of bytes for every row");
  columns = Everything();
  columns[kData].offsets[2] = 1000;
  EXPECT_EQ(columns.Check(), "data: offsets must not decrease");
  columns[kData].offsets.pop_back();
  EXPECT_EQ(columns.Check(), "data: needs one offset a row and one more");
  columns = Everything();
  columns[kVerdictChain].table.clear();
  EXPECT_EQ(columns.Check(), "verdictChain: holds an index outside of its table");
  columns = Everything();
  columns[kTimeoutMs].data.resize(8);
  EXPECT_EQ(columns.Check(), "timeoutMs: needs one entry a row");
  columns[kKey].present = false;
  EXPECT_EQ(columns.Check(), "key: is required");
}

TEST(Columns, TextThatRepeatsIsKeptOnce) {
  ColumnSet columns = Keys(3);
  for (const char* chain : {"a", "b", "a"}) columns.AddSymbol(kVerdictChain, chain);
  EXPECT_EQ(columns[kVerdictChain].table, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(columns.Symbol(kVerdictChain, 2), "a");
}

}  // namespace
}  // namespace netplane::nftables
