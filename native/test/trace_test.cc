// Frames as text. No kernel needed.
#include "netlink/trace.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>

#include <algorithm>

#include "nftables/schemas.h"
#include "test/records.h"

namespace netplane {
namespace {

class TraceTest : public testing::Test {
 protected:
  void SetUp() override { RegisterDescriber(NETLINK_NETFILTER, nftables::Describe); }

  static std::string Line(std::string_view hex, bool outgoing = true) {
    return DescribeDatagram(NETLINK_NETFILTER, FromHex(hex), outgoing);
  }
};

TEST_F(TraceTest, NamesTheMessageItsFlagsAndItsAttributes) {
  EXPECT_EQ(Line("24000000 000a 0504 07000000 00000000 02000000 08000100 61707000 08000200 00000001"),
            "-> NFT_MSG_NEWTABLE seq=7 flags=REQUEST|ACK|CREATE len=36 family=2 res_id=0 NFTA_TABLE_NAME=\"app\" "
            "NFTA_TABLE_FLAGS=0x1(dormant)\n");
}

TEST_F(TraceTest, UpperFlagsDependOnTheKindOfMessage) {
  EXPECT_EQ(Line("14000000 010a 0103 01000000 00000000 00000000"),
            "-> NFT_MSG_GETTABLE seq=1 flags=REQUEST|DUMP len=20 family=0 res_id=0\n");
  EXPECT_EQ(Line("14000000 050a 0101 01000000 00000000 00000000"),
            "-> NFT_MSG_DELCHAIN seq=1 flags=REQUEST|NONREC len=20 family=0 res_id=0\n");
  EXPECT_EQ(Line("14000000 060a 0101 01000000 00000000 00000000"),
            "-> NFT_MSG_NEWRULE seq=1 flags=REQUEST|REPLACE len=20 family=0 res_id=0\n");
  EXPECT_EQ(Line("14000000 1a0a 0180 01000000 00000000 00000000"),
            "-> NFT_MSG_DESTROYTABLE seq=1 flags=REQUEST|0x8000 len=20 family=0 res_id=0\n");
}

TEST_F(TraceTest, DescribesTheBatchAndTheVerdict) {
  EXPECT_EQ(Line("1c000000 1000 0100 01000000 00000000 0000000a 08000100 00000009"),
            "-> NFNL_MSG_BATCH_BEGIN seq=1 flags=REQUEST len=28 family=0 res_id=10 NFNL_BATCH_GENID=9\n");
  EXPECT_EQ(Line("14000000 1100 0500 02000000 00000000 0000000a"),
            "-> NFNL_MSG_BATCH_END seq=2 flags=REQUEST|ACK len=20 family=0 res_id=10\n");
  EXPECT_EQ(Line("24000000 0200 0001 05000000 00000000 00000000 14000000 1100 0500 05000000 00000000", false),
            "<- NLMSG_ERROR seq=5 flags=CAPPED len=36 error=0\n");
  EXPECT_EQ(Line("3c000000 0200 0003 05000000 00000000 feffffff 14000000 000a 0500 05000000 00000000 08000200 14000000 0d000100 "
                 "6e6f1b20776179 2100000000",
                 false),
            "<- NLMSG_ERROR seq=5 flags=CAPPED|ACK_TLVS len=60 error=-2 (No such file or directory) NLMSGERR_ATTR_OFFS=20 "
            "NLMSGERR_ATTR_MSG=\"no\\x1b way!\"\n");
  EXPECT_EQ(Line("14000000 0300 0200 05000000 00000000 00000000", false), "<- NLMSG_DONE seq=5 flags=MULTI len=20 error=0\n");
}

std::string DescribeRule(std::initializer_list<Record> expressions) {
  return DescribeAttributes(&nftables::kRuleSchema, Encode(Make(nftables::kRuleSchema, {{"expressions", Records(expressions)}})));
}

TEST_F(TraceTest, ShowsNestsInBraces) {
  const Record jump = Make(nftables::kVerdictSchema, {{"verdict", Str("jump")}, {"chain", Str("web")}});
  EXPECT_EQ(
      DescribeRule({Expression("immediate", {{"destinationRegister", Num(0)}, {"data", Value(jump)}}), Expression("notrack", {})}),
      "NFTA_RULE_EXPRESSIONS=[{NFTA_EXPR_NAME=\"immediate\" NFTA_EXPR_DATA={NFTA_IMMEDIATE_DREG=0 NFTA_IMMEDIATE_DATA={NFTA_DATA_VERDICT="
      "{NFTA_VERDICT_CODE=4294967293(jump) NFTA_VERDICT_CHAIN=\"web\"}}}} {NFTA_EXPR_NAME=\"notrack\"}]");
}

TEST_F(TraceTest, ControlCharactersAreEscaped) {
  const Record table = Make(nftables::kTableSchema, {{"name", Str("a\x1b[31m\"\\\n\xc2\x9b")}});
  const std::string text = DescribeAttributes(&nftables::kTableSchema, Encode(table));
  EXPECT_EQ(text, "NFTA_TABLE_NAME=\"a\\x1b[31m\\\"\\\\\\x0a\\xc2\\x9b\"");
  EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
}

TEST_F(TraceTest, AnExpressionsNameIsEscapedToo) {
  const Record opaque = Make(OpaqueVariantSchema(), {{"name", Str("a\x07")}, {"data", Raw({1, 2})}});
  EXPECT_EQ(DescribeRule({opaque}), "NFTA_RULE_EXPRESSIONS=[{NFTA_EXPR_NAME=\"a\\x07\" NFTA_EXPR_DATA=0x0102}]");
}

TEST_F(TraceTest, LongRunsAreCounted) {
  const Record table = Make(nftables::kTableSchema, {{"userdata", Value(Bytes(100, 0xab))}});
  std::string digits;
  for (int i = 0; i < 32; ++i) digits += "ab";
  EXPECT_EQ(DescribeAttributes(&nftables::kTableSchema, Encode(table)), "NFTA_TABLE_USERDATA=0x" + digits + "...(100 bytes)");
  Bytes elements;
  MessageWriter writer(elements);
  const size_t list = writer.BeginNest(3);
  for (int i = 0; i < 1000; ++i) writer.Put(1, FromHex("0c00018008000100 01020304"));
  writer.EndNest(list);
  const std::string text = DescribeAttributes(&nftables::kElementListSchema, elements);
  EXPECT_LT(text.size(), 1000u);
  EXPECT_TRUE(text.ends_with("{NFTA_SET_ELEM_KEY={NFTA_DATA_VALUE=0x01020304}} ...(1000 entries)]")) << text;
}

// The first step of a packet of UDP to port 7001 on Linux 6.18.
constexpr const char* kStep =
    "94000000 110a 0000 00000000 00000000 02000000 08000f00 00000002 08000400 00000003 08000600 2b781b6b 07000200 696e0000 06000100 "
    "74000000 "
    "0c000300 00000000 00000004 0c000500 08000100 ffffffff 08000e00 00000007 08000c00 00000001 06000d00 03040000 "
    "18000800 4500001df4e74000401147e67f0000017f000001 0d000900 843d1b590009fe1c78000000";

TEST_F(TraceTest, AStepOfAPacketIsNamed) {
  EXPECT_EQ(Line(kStep, false),
            "<- NFT_MSG_TRACE seq=0 flags=0x0 len=148 family=2 res_id=0 NFTA_TRACE_NFPROTO=2(ip) NFTA_TRACE_TYPE=3(rule) "
            "NFTA_TRACE_ID=729291627 NFTA_TRACE_CHAIN=\"in\" NFTA_TRACE_TABLE=\"t\" NFTA_TRACE_RULE_HANDLE=4 "
            "NFTA_TRACE_VERDICT={NFTA_VERDICT_CODE=4294967295(continue)} NFTA_TRACE_MARK=7 NFTA_TRACE_OIF=1 NFTA_TRACE_OIFTYPE=772 "
            "NFTA_TRACE_NETWORK_HEADER=0x4500001df4e74000401147e67f0000017f000001 NFTA_TRACE_TRANSPORT_HEADER=0x843d1b590009fe1c78\n");
}

TEST_F(TraceTest, AStepOfAPacketIsDecodedWithinItsBounds) {
  const Bytes datagram = FromHex(kStep);
  const ByteView attributes = ByteView(datagram).subspan(sizeof(nlmsghdr) + 4);
  const auto step = DecodeRecord(nftables::kTraceSchema, attributes);
  ASSERT_TRUE(step);
  EXPECT_TRUE(step->opaque.empty());
  EXPECT_EQ(*step->Find(nftables::kTraceSchema.FindName("id"))->As<uint64_t>(), 0x2b781b6bu);
  EXPECT_EQ(step->Find(nftables::kTraceSchema.FindName("networkHeader"))->As<Bytes>()->size(), 20u);
  EXPECT_EQ(step->Find(nftables::kTraceSchema.FindName("transportHeader"))->As<Bytes>()->size(), 9u);
  // A copy of each length: the sanitizer sees a byte that is read behind its end.
  for (size_t length = 0; length < attributes.size(); ++length) {
    const Bytes cut(attributes.begin(), attributes.begin() + static_cast<ptrdiff_t>(length));
    const auto part = DecodeRecord(nftables::kTraceSchema, cut);
    if (part) {
      EXPECT_LE(part->fields.size(), step->fields.size());
    }
  }
  // A number of another width is not taken for one.
  const auto odd = DecodeRecord(nftables::kTraceSchema, FromHex("06000600 2b780000"));
  ASSERT_TRUE(odd);
  EXPECT_TRUE(odd->fields.empty());
  EXPECT_EQ(odd->opaque.size(), 1u);
}

TEST_F(TraceTest, UnknownAndMalformedBytesAreShownAsSuch) {
  EXPECT_EQ(Line("14000000 ff0f 0100 01000000 00000000 01020304"), "-> type=4095 seq=1 flags=REQUEST len=20 body=0x01020304\n");
  EXPECT_EQ(Line("12000000 000a 0000 01000000 00000000 0102 0000"), "-> NFT_MSG_NEWTABLE seq=1 flags=0x0 len=18 (malformed)\n");
  EXPECT_EQ(Line("1c000000 000a 0000 01000000 00000000 02000000 ff000100 61707000"),
            "-> NFT_MSG_NEWTABLE seq=1 flags=0x0 len=28 family=2 res_id=0 (malformed)\n");
  EXPECT_EQ(Line("ff000000"), "-> (malformed)\n");
  EXPECT_EQ(DescribeDatagram(4711, FromHex("14000000 000a 0000 01000000 00000000 01020304"), false),
            "<- type=2560 seq=1 flags=0x0 len=20 body=0x01020304\n");
}

TEST_F(TraceTest, EveryPrefixOfARealBatchCanBeShown) {
  const Bytes batch = ReadHexFixture("nft-batch.hex");
  for (size_t length = 0; length < batch.size(); length += 97) {
    const Bytes cut(batch.begin(), batch.begin() + static_cast<ptrdiff_t>(length));
    const std::string text = DescribeDatagram(NETLINK_NETFILTER, cut, true);
    EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
  }
}

}  // namespace
}  // namespace netplane
