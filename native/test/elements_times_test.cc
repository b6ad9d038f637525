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

}  // namespace
}  // namespace netplane::nftables
