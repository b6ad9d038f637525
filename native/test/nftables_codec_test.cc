// Records and columns against bytes that nft sent: no kernel needed.
#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <set>

#include "nftables/commit.h"
#include "nftables/elements.h"
#include "test/records.h"

namespace netplane::nftables {
namespace {

// Calls `check` with every message of nf_tables in nft's batch.
void ForEachMessage(const Bytes& batch, const std::function<void(const Message& message, const MessageDescription& description)>& check) {
  MessageReader reader(batch);
  size_t count = 0;
  while (auto message = reader.Next()) {
    const MessageDescription description = Describe(message->type);
    if (description.schema == nullptr) continue;
    ++count;
    check(*message, description);
  }
  EXPECT_FALSE(reader.malformed());
  EXPECT_GT(count, 70u);
}

ByteView AttributesOf(const Message& message) { return message.body.subspan(sizeof(nfgenmsg)); }

TEST(NftablesCodec, WritesTheBytesThatNftWrites) {
  // libnftnl leaves out the NUL of the names in objref; the kernel takes both for the same.
  int different = 0;
  ForEachMessage(ReadHexFixture("nft-batch.hex"), [&](const Message& message, const MessageDescription& description) {
    if (description.schema == &kElementListSchema) return;
    const auto record = DecodeRecord(*description.schema, AttributesOf(message));
    ASSERT_TRUE(record);
    const Bytes bytes = Encode(*record);
    if (ToHex(bytes) != ToHex(AttributesOf(message))) ++different;
    EXPECT_EQ(DescribeAttributes(description.schema, bytes), DescribeAttributes(description.schema, AttributesOf(message)));
    EXPECT_TRUE(record->opaque.empty()) << DescribeAttributes(description.schema, AttributesOf(message));
  });
  EXPECT_EQ(different, 2);
}

TEST(NftablesCodec, WritesTheElementsThatNftWrites) {
  size_t rows = 0;
  ForEachMessage(ReadHexFixture("nft-batch.hex"), [&](const Message& message, const MessageDescription& description) {
    if (description.schema != &kElementListSchema) return;
    Bytes bytes;
    MessageWriter writer(bytes);
    AttributeReader reader(AttributesOf(message));
    while (auto attribute = reader.Next()) {
      if (attribute->type != NFTA_SET_ELEM_LIST_ELEMENTS) {
        writer.Put(attribute->raw_type, attribute->payload);
        continue;
      }
      ColumnSet columns(kElementColumns);
      ASSERT_TRUE(DecodeElements(attribute->payload, columns)) << DescribeAttributes(description.schema, AttributesOf(message));
      EXPECT_EQ(EncodeElements(columns, 0, 65535, ElementParts::kAll, writer), columns.rows());
      rows += columns.rows();
    }
    // nft numbers the entries of the list, libnftnl's own name for them is NFTA_LIST_ELEM: the kernel does not look.
    Bytes expected(AttributesOf(message).begin(), AttributesOf(message).end());
    EXPECT_EQ(bytes.size(), expected.size());
    EXPECT_EQ(DescribeAttributes(description.schema, bytes), DescribeAttributes(description.schema, expected));
  });
  EXPECT_GT(rows, 25u);
}

TEST(NftablesCodec, KnowsTheExpressionsOfServiceProxies) {
  std::set<std::string> known, opaque;
  ForEachMessage(ReadHexFixture("nft-batch.hex"), [&](const Message& message, const MessageDescription& description) {
    if (description.schema != &kRuleSchema) return;
    const auto rule = DecodeRecord(kRuleSchema, AttributesOf(message));
    ASSERT_TRUE(rule);
    for (const Value& expression : *rule->Find(uint16_t{NFTA_RULE_EXPRESSIONS})->As<List>()) {
      const Record& record = *expression.As<Record>();
      if (record.schema == &OpaqueVariantSchema()) {
        opaque.insert(*record.Find(uint16_t{1})->As<std::string>());
      } else {
        known.insert(record.schema->name);
      }
    }
  });
  EXPECT_EQ(known,
            (std::set<std::string>{"bitwise", "byteorder", "cmp",     "connlimit", "counter", "ct",    "dynset", "exthdr", "fib",
                                   "hash",    "immediate", "limit",   "log",       "lookup",  "masq",  "meta",   "nat",    "notrack",
                                   "numgen",  "objref",    "payload", "quota",     "range",   "redir", "reject", "rt",     "socket"}));
  EXPECT_EQ(opaque, std::set<std::string>{});
}

Operation Of(Verb verb, Kind kind, std::initializer_list<std::pair<const char*, Value>> fields) {
  Operation operation;
  operation.verb = verb;
  operation.kind = kind;
  operation.family = 2;
  operation.value = Make(SchemaOf(kind), fields);
  return operation;
}

TEST(NftablesCodec, EveryVerbHasItsMessage) {
  struct {
    Verb verb;
    Kind kind;
    int type;
    int flags;
  } const kForms[] = {
      {Verb::kAdd, Kind::kTable, NFT_MSG_NEWTABLE, NLM_F_CREATE},
      {Verb::kCreate, Kind::kChain, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL},
      {Verb::kAdd, Kind::kRule, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND},
      {Verb::kInsert, Kind::kRule, NFT_MSG_NEWRULE, NLM_F_CREATE},
      {Verb::kReplace, Kind::kRule, NFT_MSG_NEWRULE, NLM_F_REPLACE},
      {Verb::kDelete, Kind::kElements, NFT_MSG_DELSETELEM, 0},
      {Verb::kDestroy, Kind::kFlowtable, 32, 0},
      {Verb::kDestroy, Kind::kTable, 26, 0},
      {Verb::kFlush, Kind::kChain, NFT_MSG_DELRULE, 0},
      {Verb::kFlush, Kind::kSet, NFT_MSG_DELSETELEM, 0},
  };
  for (const auto& form : kForms) {
    const auto found = FormOf(form.verb, form.kind);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->type, 0x0a00 | form.type);
    EXPECT_EQ(found->flags, form.flags);
  }
  EXPECT_FALSE(FormOf(Verb::kInsert, Kind::kSet));
  EXPECT_FALSE(FormOf(Verb::kReplace, Kind::kTable));
  EXPECT_FALSE(FormOf(Verb::kCreate, Kind::kRule));
  EXPECT_FALSE(FormOf(Verb::kFlush, Kind::kRule));
  EXPECT_FALSE(FormOf(Verb::kFlush, Kind::kObject));
}

TEST(NftablesCodec, WhatWouldMeanMoreThanItSaysIsMissingAField) {
  EXPECT_STREQ(MissingField(Of(Verb::kDelete, Kind::kTable, {})), "name");
  EXPECT_STREQ(MissingField(Of(Verb::kFlush, Kind::kTable, {{"handle", Num(1)}})), "name");
  EXPECT_EQ(MissingField(Of(Verb::kFlush, Kind::kTable, {})), nullptr);
  EXPECT_STREQ(MissingField(Of(Verb::kDelete, Kind::kRule, {{"table", Str("t")}, {"chain", Str("c")}})), "handle");
  EXPECT_STREQ(MissingField(Of(Verb::kDestroy, Kind::kRule, {{"table", Str("t")}, {"handle", Num(1)}})), "chain");
  EXPECT_EQ(MissingField(Of(Verb::kDelete, Kind::kRule, {{"table", Str("t")}, {"chain", Str("c")}, {"handle", Num(1)}})), nullptr);
  EXPECT_STREQ(MissingField(Of(Verb::kFlush, Kind::kChain, {{"table", Str("t")}})), "name");
  EXPECT_STREQ(MissingField(Of(Verb::kFlush, Kind::kSet, {{"table", Str("t")}})), "name");
  EXPECT_STREQ(MissingField(Of(Verb::kAdd, Kind::kChain, {{"name", Str("c")}})), "table");
  EXPECT_STREQ(MissingField(Of(Verb::kReplace, Kind::kRule, {{"table", Str("t")}, {"chain", Str("c")}})), "handle");
  EXPECT_EQ(MissingField(Of(Verb::kAdd, Kind::kRule, {{"table", Str("t")}, {"chainId", Num(3)}})), nullptr);
  EXPECT_STREQ(MissingField(Of(Verb::kAdd, Kind::kElements, {{"table", Str("t")}})), "set");
}

}  // namespace
}  // namespace netplane::nftables
