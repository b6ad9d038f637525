// The schema interpreter on the tables of nf_tables: no kernel needed.
#include "netlink/schema.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>

#include <algorithm>

#include "netlink/attribute_reader.h"
#include "nftables/schemas.h"
#include "test/records.h"

namespace netplane {
namespace {

using nftables::kChainSchema;
using nftables::kObjectSchema;
using nftables::kRuleSchema;
using nftables::kSetSchema;
using nftables::kTableSchema;
using nftables::kVerdictSchema;

Bytes Attribute(uint16_t type, const Bytes& payload) {
  Bytes bytes;
  MessageWriter(bytes).Put(type, payload);
  return bytes;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes TextBytes(std::string_view text) {
  Bytes bytes(text.begin(), text.end());
  bytes.push_back(0);
  return bytes;
}

Record WholeRule() {
  return Make(
      kRuleSchema,
      {{"table", Str("app")},
       {"chain", Str("in")},
       {"expressions",
        Records(
            {Expression("payload", {{"destinationRegister", Num(1)}, {"base", Str("network")}, {"offset", Num(12)}, {"length", Num(4)}}),
             Expression("cmp", {{"sourceRegister", Num(1)}, {"op", Str("neq")}, {"data", Raw({10, 0, 0, 1})}}),
             Expression("ct", {{"destinationRegister", Num(1)}, {"key", Str("dst-ip")}, {"direction", Str("reply")}}),
             Expression("notrack", {}),
             Expression("dynset", {{"set", Str("s")},
                                   {"op", Str("update")},
                                   {"keyRegister", Num(1)},
                                   {"timeoutMs", Num(30000)},
                                   {"expression", Value(Expression("counter", {{"bytes", Num(5)}, {"packets", Num(1)}}))}}),
             Expression("immediate", {{"destinationRegister", Num(0)},
                                      {"data", Value(Make(kVerdictSchema, {{"verdict", Str("jump")}, {"chain", Str("web")}}))}})})},
       {"userdata", Raw({0, 2, 'x', 0})}});
}

TEST(Schema, WritesIntegersBigEndianAndTextWithItsNul) {
  const Record table = Make(kTableSchema, {{"name", Str("app")}, {"flags", Names({"dormant", "persist"})}});
  EXPECT_EQ(ToHex(Encode(table)), "08000100617070000800020000000005");
}

TEST(Schema, WritesSignedNumbersAndNests) {
  const Record hook = Make(*kChainSchema.FindName("hook")->nested, {{"hook", Num(0)}, {"priority", Value(int64_t{-100})}});
  EXPECT_EQ(ToHex(Encode(Make(kChainSchema, {{"hook", Value(hook)}}))), "14000480080001000000000008000200ffffff9c");
}

TEST(Schema, ReadsBackWhatItWrote) {
  const Record rule = WholeRule();
  const auto read = DecodeRecord(kRuleSchema, Encode(rule));
  ASSERT_TRUE(read);
  EXPECT_TRUE(IsSame(rule, *read));
  EXPECT_EQ(Encode(*read), Encode(rule));
}

TEST(Schema, NamesTheFlowtableThatAConnectionIsHandedTo) {
  const Record rule = Make(kRuleSchema, {{"expressions", Records({Expression("flow_offload", {{"flowtable", Str("fast")}})})}});
  const Bytes bytes = Encode(rule);
  EXPECT_NE(ToHex(bytes).find("0900010066617374"), std::string::npos);
  const auto read = DecodeRecord(kRuleSchema, bytes);
  ASSERT_TRUE(read);
  EXPECT_TRUE(IsSame(rule, *read));
}

TEST(Schema, NeverReadsOutsideOfTruncatedBytes) {
  const Bytes whole = Encode(WholeRule());
  for (size_t length = 0; length < whole.size(); ++length) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    const auto read = DecodeRecord(kRuleSchema, cut);
    if (read) {
      EXPECT_LE(Encode(*read).size(), Align4(length));
    }
    LocateField(kRuleSchema, cut, length);
    DescribeAttributes(&kRuleSchema, cut);
  }
}

TEST(Schema, GivesNothingForMalformedAttributes) {
  EXPECT_FALSE(DecodeRecord(kTableSchema, FromHex("0300 0100")));
  EXPECT_FALSE(DecodeRecord(kTableSchema, FromHex("0900 0100 6170 7000")));
  EXPECT_FALSE(DecodeRecord(kTableSchema, FromHex("0800 0100 6170 7000 ff")));
  EXPECT_TRUE(DecodeRecord(kTableSchema, {}));
}

TEST(Schema, KeepsUnknownAttributesWithTheirFlags) {
  const Bytes bytes = FromHex("0800 0100 6170 7000") + Attribute(0x3abc | NLA_F_NESTED, {1, 2, 3});
  const auto record = DecodeRecord(kTableSchema, bytes);
  ASSERT_TRUE(record);
  ASSERT_EQ(record->opaque.size(), 1u);
  EXPECT_EQ(record->opaque[0].type, 0x3abc | NLA_F_NESTED);
  EXPECT_EQ(Encode(*record), bytes);
}

TEST(Schema, OfAnAttributeThatComesTwiceTheLastCounts) {
  const Bytes flags = FromHex("0800 0200 0000 0001");
  const Bytes others = FromHex("0800 0200 0000 0004");
  const Bytes unreadable = Attribute(2, {0, 1});
  const Bytes unknown = Attribute(0x3abc, {1, 2, 3, 4});
  const Bytes unknown_nest = Attribute(0x3abc | NLA_F_NESTED, {5, 6, 7, 8});
  const std::vector<std::pair<Bytes, Bytes>> cases = {{flags + others, others},
                                                      {flags + unreadable, unreadable},
                                                      {unreadable + flags, flags},
                                                      {unreadable + Attribute(2, {3}), Attribute(2, {3})},
                                                      {unknown + unknown_nest, unknown_nest}};
  for (const auto& [bytes, kept] : cases) {
    const auto record = DecodeRecord(kTableSchema, bytes);
    ASSERT_TRUE(record);
    EXPECT_EQ(ToHex(Encode(*record)), ToHex(kept));
  }
}

// An object's NFTA_OBJ_TYPE (3) says which field its NFTA_OBJ_DATA (4) is.
TEST(Schema, WhatAFieldDependsOnIsTheLastOfItsKindToo) {
  const Bytes data = FromHex("1c00 0480 0c00 0100 0000 0000 0000 0005 0c00 0200 0000 0000 0000 0001");
  const Bytes counter = FromHex("0800 0300 0000 0001");
  const Bytes quota = FromHex("0800 0300 0000 0002");
  EXPECT_EQ(Encode(*DecodeRecord(kObjectSchema, quota + counter + data)), counter + data);
  const auto record = DecodeRecord(kObjectSchema, quota + counter + data);
  EXPECT_TRUE(record->opaque.empty());
}

TEST(Schema, KeepsAttributesOfAnUnexpectedForm) {
  const Bytes short_flags = Attribute(2, {0, 1});
  const Bytes two_texts = Attribute(1, {'a', 0, 'b', 0});
  for (const Bytes& bytes : {short_flags, two_texts}) {
    const auto record = DecodeRecord(kTableSchema, bytes);
    ASSERT_TRUE(record);
    EXPECT_TRUE(record->fields.empty());
    EXPECT_EQ(Encode(*record), bytes);
  }
}

TEST(Schema, ReadsTextWithoutTerminatorAsTheKernelDoes) {
  const auto record = DecodeRecord(kTableSchema, Attribute(1, {'a', 'b'}));
  ASSERT_TRUE(record);
  EXPECT_EQ(*record->Find(uint16_t{1})->As<std::string>(), "ab");
}

TEST(Schema, NumbersWithoutNamesStayNumbers) {
  const auto record = DecodeRecord(kTableSchema, Attribute(2, {0x80, 0, 0, 9}));
  ASSERT_TRUE(record);
  const List& flags = *record->Find(uint16_t{2})->As<List>();
  ASSERT_EQ(flags.size(), 3u);
  EXPECT_EQ(*flags[0].As<std::string>(), "dormant");
  EXPECT_EQ(*flags[1].As<uint64_t>(), 8u);
  EXPECT_EQ(*flags[2].As<uint64_t>(), 0x80000000u);
  EXPECT_EQ(ToHex(Encode(*record)), "0800020080000009");

  const auto policy = DecodeRecord(kChainSchema, Attribute(5, {0, 0, 0, 7}));
  ASSERT_TRUE(policy);
  EXPECT_EQ(*policy->Find(uint16_t{5})->As<uint64_t>(), 7u);
}

TEST(Schema, NegativeEnumerationsHaveNames) {
  const Bytes bytes = Attribute(1, {0xff, 0xff, 0xff, 0xfd});
  const auto verdict = DecodeRecord(kVerdictSchema, bytes);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(*verdict->Find(uint16_t{1})->As<std::string>(), "jump");
  EXPECT_EQ(Encode(*verdict), bytes);
}

// One rule with one expression: name, and the payload of NFTA_EXPR_DATA.
Bytes RuleWith(std::string_view name, const Bytes& data) {
  const Bytes expression = Attribute(1, TextBytes(name)) + Attribute(2 | NLA_F_NESTED, data);
  return Attribute(4 | NLA_F_NESTED, Attribute(1 | NLA_F_NESTED, expression));
}

void ExpectOpaqueExpression(std::string_view name, const Bytes& data) {
  const Bytes bytes = RuleWith(name, data);
  const auto rule = DecodeRecord(kRuleSchema, bytes);
  ASSERT_TRUE(rule);
  const auto* expressions = rule->Find(uint16_t{4})->As<List>();
  ASSERT_NE(expressions, nullptr);
  const auto& expression = *(*expressions)[0].As<Record>();
  EXPECT_EQ(expression.schema, &OpaqueVariantSchema());
  EXPECT_EQ(*expression.Find(uint16_t{1})->As<std::string>(), name);
  EXPECT_EQ(*expression.Find(uint16_t{2})->As<Bytes>(), data);
  EXPECT_EQ(Encode(*rule), bytes);
}

TEST(Schema, AnExpressionOfUnknownNameIsOpaque) { ExpectOpaqueExpression("xfrm", {1, 2, 3, 4, 5}); }

TEST(Schema, AnExpressionWithAnUnknownAttributeIsOpaque) {
  ExpectOpaqueExpression("meta", Attribute(2, {0, 0, 0, 4}) + Attribute(99, {1}));
}

TEST(Schema, AnExpressionWithAnUnexpectedLengthIsOpaque) { ExpectOpaqueExpression("meta", Attribute(2, {0, 4})); }

TEST(Schema, AnExpressionWithAnUnknownAttributeDeepInsideIsOpaque) {
  const Bytes verdict = Attribute(1, {0, 0, 0, 1}) + Attribute(77, {1, 2, 3, 4});
  ExpectOpaqueExpression("immediate", Attribute(1, {0, 0, 0, 0}) + Attribute(2 | NLA_F_NESTED, Attribute(2 | NLA_F_NESTED, verdict)));
}

TEST(Schema, AnExpressionWithMalformedDataIsOpaque) { ExpectOpaqueExpression("cmp", {9, 0, 1, 0}); }

TEST(Schema, EndlessNestsDoNotExhaustTheStack) {
  Bytes data = Attribute(1, TextBytes("s"));
  for (int depth = 0; depth < 2000; ++depth) {
    Bytes nested = Attribute(1, TextBytes("dynset")) + Attribute(2 | NLA_F_NESTED, data);
    if (nested.size() > 65000) break;
    data = Attribute(7 | NLA_F_NESTED, nested);
  }
  const Bytes rule = RuleWith("dynset", data);
  const auto read = DecodeRecord(kRuleSchema, rule);
  ASSERT_TRUE(read);
  EXPECT_EQ(Encode(*read), rule);
  EXPECT_FALSE(DescribeAttributes(&kRuleSchema, rule).empty());
  LocateField(kRuleSchema, rule, rule.size() - 1);
}

TEST(Schema, TheContentOfAnObjectDependsOnItsType) {
  const Bytes count = Attribute(1, {0, 0, 0, 0, 0, 0, 0, 5}) + Attribute(2, {0, 0, 0, 0, 0, 0, 0, 6});
  const Bytes name = FromHex("0800 0200 6869 7400");
  // The type decides wherever it stands.
  const auto counter = DecodeRecord(kObjectSchema, name + Attribute(4 | NLA_F_NESTED, count) + Attribute(3, {0, 0, 0, 1}));
  ASSERT_TRUE(counter);
  ASSERT_NE(counter->Find(kObjectSchema.FindName("counter")), nullptr);
  EXPECT_EQ(counter->Find(kObjectSchema.FindName("data")), nullptr);
  const auto& counts = *counter->Find(kObjectSchema.FindName("counter"))->As<Record>();
  EXPECT_EQ(*counts.Find(uint16_t{2})->As<uint64_t>(), 6u);

  const auto connlimit = DecodeRecord(kObjectSchema, Attribute(3, {0, 0, 0, 5}) + Attribute(4, Attribute(1, {0, 0, 0, 9})));
  ASSERT_TRUE(connlimit);
  EXPECT_EQ(connlimit->Find(kObjectSchema.FindName("counter")), nullptr);
  EXPECT_EQ(*connlimit->Find(uint16_t{4})->As<Record>()->Find(uint16_t{1})->As<uint64_t>(), 9u);

  const Bytes unknown = Attribute(3, {0, 0, 0, 99}) + Attribute(4, count);
  const auto other = DecodeRecord(kObjectSchema, unknown);
  ASSERT_TRUE(other);
  EXPECT_EQ(*other->Find(uint16_t{4})->As<Bytes>(), count);
  EXPECT_EQ(Encode(*other), unknown);
}

TEST(Schema, ThePolicyOfATimeoutDependsOnItsProtocol) {
  const auto timeout = [](uint8_t protocol) {
    return DecodeRecord(kObjectSchema, Attribute(3, {0, 0, 0, 7}) +
                                           Attribute(4 | NLA_F_NESTED,
                                                     Attribute(2, {protocol}) + Attribute(3 | NLA_F_NESTED, Attribute(2, {0, 0, 0, 12}))));
  };
  const auto policy_of = [](const std::optional<Record>& object) { return object->Find(uint16_t{4})->As<Record>()->Find(uint16_t{3}); };
  EXPECT_STREQ(policy_of(timeout(6))->As<Record>()->fields[0].first->name, "synRecv");
  EXPECT_STREQ(policy_of(timeout(17))->As<Record>()->fields[0].first->name, "replied");
  // Of other protocols it is kept as it came.
  EXPECT_EQ(policy_of(timeout(1)), nullptr);
  EXPECT_EQ(timeout(1)->Find(uint16_t{4})->As<Record>()->opaque.size(), 1u);
}

TEST(Schema, LocatesFieldsLikeTheCallerSpellsThem) {
  const Bytes bytes = Encode(WholeRule());
  const std::vector<std::string> expected = {"table",
                                             "chain",
                                             "expressions",
                                             "expressions[0]",
                                             "expressions[0].base",
                                             "expressions[1].data",
                                             "expressions[2].direction",
                                             "expressions[3]",
                                             "expressions[3].type",
                                             "expressions[4].expression.bytes",
                                             "expressions[5].data.verdict",
                                             "expressions[5].data.chain",
                                             "userdata"};
  std::vector<std::string> seen;
  for (size_t offset = 0; offset < bytes.size(); ++offset) {
    const std::string field = LocateField(kRuleSchema, bytes, offset);
    ASSERT_FALSE(field.empty()) << "at " << offset;
    if (seen.empty() || seen.back() != field) seen.push_back(field);
  }
  for (const std::string& field : expected) EXPECT_NE(std::find(seen.begin(), seen.end(), field), seen.end()) << field;
  EXPECT_EQ(LocateField(kRuleSchema, bytes, bytes.size()), "");
}

TEST(Schema, LocatesNothingInUnknownAttributes) { EXPECT_EQ(LocateField(kSetSchema, Attribute(999, {1, 2, 3, 4}), 5), ""); }

TEST(Schema, EveryFieldOfEveryTableSurvivesARoundTrip) {
  for (const Schema* schema : nftables::kExpressionVariants.schemas) {
    EXPECT_EQ(nftables::kExpressionVariants.Find(schema->name), schema);
    for (const Field& field : schema->fields) {
      EXPECT_EQ(schema->FindAttribute(field.attribute), &field) << schema->name << "." << field.name << " shares an attribute";
      EXPECT_EQ(schema->FindName(field.name), &field) << schema->name << "." << field.name << " shares a name";
      for (const NamedNumber& named : field.names) {
        const bool flags = field.type == FieldType::kFlags32 || field.type == FieldType::kFlags16;
        const Record record = Make(*schema, {{field.name, flags ? Names({named.name}) : Str(named.name)}});
        const auto read = DecodeRecord(*schema, Encode(record));
        ASSERT_TRUE(read);
        EXPECT_TRUE(IsSame(*read, record)) << schema->name << "." << field.name << " " << named.name;
      }
    }
  }
}

}  // namespace
}  // namespace netplane
