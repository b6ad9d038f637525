// Times in element columns that no kernel could hold.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "nftables/elements.h"
#include "test/records.h"

namespace netplane::nftables {
namespace {

Bytes Encode(const ColumnSet& columns) {
  Bytes bytes;
  MessageWriter writer(bytes);
  EXPECT_EQ(EncodeElements(columns, 0, 1 << 20, ElementParts::kAll, writer), 1U);
  return bytes;
}

ColumnSet OneRow() {
  ColumnSet columns(kElementColumns);
  columns.AddFixed(kKey, Bytes(4));
  columns.EndRow();
  return columns;
}

// A number that has no value of the type it is cast to would be anything at all.
TEST(Elements, WritesTimesBeyondEveryRange) {
  constexpr struct {
    double milliseconds;
    const char* timeout;
  } kTimes[] = {{1e300, "0c000400000010c6f7a0b5ee"},
                {18446744073710.0, "0c000400000010c6f7a0b5ee"},
                {18446744073709.0, "0c000400000010c6f7a0b5ed"},
                {std::numeric_limits<double>::infinity(), "0c0004000000000000000000"},
                {-1, ""},
                {std::numeric_limits<double>::quiet_NaN(), ""}};
  for (const auto& [milliseconds, timeout] : kTimes) {
    ColumnSet columns = OneRow();
    const std::string without = ToHex(Encode(columns));
    columns.Add(kTimeoutMs, milliseconds);
    const std::string with = ToHex(Encode(columns));
    EXPECT_EQ(with.size(), without.size() + std::string(timeout).size()) << milliseconds;
    EXPECT_NE(with.find(timeout), std::string::npos) << milliseconds << ": " << with;
  }
}

// What could not be written again as it was read is left to the records, whose numbers are exact.
TEST(Elements, ReadsNoTimeThatItCouldNotWrite) {
  ColumnSet columns = OneRow();
  columns.Add(kExpirationMs, double{kMostMilliseconds});
  Bytes bytes = Encode(columns);
  const auto decodes = [&bytes] {
    ColumnSet read(kElementColumns);
    return DecodeElements(ByteView(bytes).subspan(4), read);
  };
  EXPECT_TRUE(decodes());
  // The list, the element and the attribute have a header each; then the eight bytes of the number.
  bytes[4 + 4 + 4 + 7] += 1;
  EXPECT_FALSE(decodes());
}

}  // namespace
}  // namespace netplane::nftables
