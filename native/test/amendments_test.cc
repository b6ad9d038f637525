// What is written is what the kernel takes, also where it dumps something else.
#include "nftables/amendments.h"

#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "nftables/schemas.h"
#include "test/records.h"

namespace netplane::nftables {
namespace {

constexpr char kZero[] = "00000000";

// An attribute with a payload of four bytes.
std::string Attribute32(int type, const std::string& value) { return "0800" + ToHex(Bytes{static_cast<uint8_t>(type), 0}) + value; }

std::string Amended(const char* name, const std::string& attributes) {
  Bytes bytes;
  MessageWriter writer(bytes);
  const Bytes given = FromHex(attributes);
  return AmendExpression(name, given, writer) ? ToHex(bytes) : attributes;
}

TEST(Amendments, LeaveOutWhatIsRefused) {
  const std::string flags = Attribute32(NFTA_EXTHDR_FLAGS, kZero);
  const std::string offset = Attribute32(NFTA_EXTHDR_OFFSET, kZero);
  const std::string source = Attribute32(NFTA_EXTHDR_SREG, "00000001");
  const std::string destination = Attribute32(NFTA_EXTHDR_DREG, "00000001");
  EXPECT_EQ(Amended("exthdr", source + offset + flags), source + offset);
  EXPECT_EQ(Amended("exthdr", destination + offset + flags), destination + offset + flags);
  EXPECT_EQ(Amended("exthdr", offset + flags), "");
  EXPECT_EQ(Amended("osf", Attribute32(NFTA_OSF_FLAGS, kZero)), "");
  EXPECT_EQ(Amended("osf", Attribute32(NFTA_OSF_FLAGS, "00000001")), Attribute32(NFTA_OSF_FLAGS, "00000001"));
  EXPECT_EQ(Amended("dynset",
                    "0c00060000000000"
                    "00000000"),
            "");
  EXPECT_EQ(Amended("dynset",
                    "0c00060000000000"
                    "00000007"),
            "0c00060000000000"
            "00000007");
  EXPECT_EQ(Amended("meta", flags), flags);
}

TEST(Amendments, ChangeBits) {
  const std::string expressions = "04000a80";
  EXPECT_EQ(Amended("dynset", expressions), expressions + Attribute32(NFTA_DYNSET_FLAGS, "00000002"));
  EXPECT_EQ(Amended("dynset", expressions + Attribute32(NFTA_DYNSET_FLAGS, "00000001")),
            expressions + Attribute32(NFTA_DYNSET_FLAGS, "00000003"));
  EXPECT_EQ(Amended("quota", Attribute32(NFTA_QUOTA_FLAGS, "00000003")), Attribute32(NFTA_QUOTA_FLAGS, "00000001"));
}

TEST(Amendments, OfAnAttributeThatComesTwiceTheLastCounts) {
  const std::string version = Attribute32(NFTA_OSF_FLAGS, "00000001");
  const std::string none = Attribute32(NFTA_OSF_FLAGS, kZero);
  EXPECT_EQ(Amended("osf", version + none), "");
  EXPECT_EQ(Amended("osf", none + version), version);
}

TEST(Amendments, TakeWhatIsMalformedAsItIs) {
  const std::string cut = Attribute32(NFTA_EXTHDR_SREG, "00000001") + "ffff0500";
  EXPECT_EQ(Amended("exthdr", cut), cut);
  const Bytes list = FromHex("ffff0180");
  Bytes bytes;
  MessageWriter writer(bytes);
  PutAmendedList(11, list, writer);
  EXPECT_EQ(ToHex(bytes), "08000b80ffff0180");
}

/// The payload of NFTA_RULE_EXPRESSIONS.
Bytes ExpressionsOf(std::initializer_list<Record> expressions) {
  constexpr size_t kHeader = 4;
  const Bytes rule = Encode(Make(kRuleSchema, {{"expressions", Records(expressions)}}));
  return Bytes(rule.begin() + kHeader, rule.end());
}

TEST(Amendments, DeriveTheProtocolOfRulesOfXtables) {
  const Record load = Expression("meta", {{"key", Str("l4proto")}, {"destinationRegister", Num(1)}});
  const Record is_tcp = Expression("cmp", {{"sourceRegister", Num(1)}, {"op", Str("eq")}, {"data", Raw({6})}});
  const Record is_not_tcp = Expression("cmp", {{"sourceRegister", Num(1)}, {"op", Str("neq")}, {"data", Raw({6})}});
  const Record target = Make(OpaqueVariantSchema(), {{"name", Str("target")}, {"data", Raw({})}});
  const auto asked = DeriveCompat(NFPROTO_IPV4, ExpressionsOf({load, is_tcp, target}));
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->protocol, 6u);
  EXPECT_EQ(asked->flags, 0u);
  const auto inverted = DeriveCompat(NFPROTO_IPV6, ExpressionsOf({load, is_not_tcp, target}));
  ASSERT_TRUE(inverted);
  EXPECT_EQ(inverted->flags, uint32_t{NFT_RULE_COMPAT_F_INV});
  EXPECT_FALSE(DeriveCompat(NFPROTO_IPV4, ExpressionsOf({load, is_tcp})));
  EXPECT_FALSE(DeriveCompat(NFPROTO_IPV4, ExpressionsOf({target, load, is_tcp})));
  EXPECT_FALSE(DeriveCompat(NFPROTO_ARP, ExpressionsOf({load, is_tcp, target})));
}

}  // namespace
}  // namespace netplane::nftables
