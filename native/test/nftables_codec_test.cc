// Records and columns against bytes that nft sent: no kernel needed.
#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <set>

#include "nftables/commit.h"
#include "nftables/elements.h"
#include "nftables/operation.h"
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
  operation.attributes = Encode(Make(SchemaOf(kind), fields));
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

// An operation as it crosses from the caller's language.
Bytes Crossing(Verb verb, Kind kind, std::initializer_list<std::pair<const char*, Value>> fields) {
  const Bytes attributes = Encode(Make(SchemaOf(kind), fields));
  Bytes bytes(kOperationHeader);
  Store(bytes.data(), static_cast<uint32_t>(kOperationHeader + attributes.size()));
  bytes[4] = static_cast<uint8_t>(verb);
  bytes[5] = static_cast<uint8_t>(kind);
  bytes[6] = 2;
  bytes.insert(bytes.end(), attributes.begin(), attributes.end());
  return bytes;
}

TEST(NftablesCodec, OperationsCrossInARun) {
  Bytes run = Crossing(Verb::kAdd, Kind::kTable, {{"name", Str("t")}});
  const Bytes second = Crossing(Verb::kDelete, Kind::kChain, {{"table", Str("t")}, {"name", Str("c")}});
  run.insert(run.end(), second.begin(), second.end());
  std::vector<Operation> operations;
  EXPECT_FALSE(ReadOperations(run, true, &operations));
  ASSERT_EQ(operations.size(), 2u);
  EXPECT_EQ(operations[0].kind, Kind::kTable);
  EXPECT_EQ(operations[0].family, 2);
  EXPECT_TRUE(operations[0].echo);
  EXPECT_EQ(operations[0].attributes, Encode(Make(kTableSchema, {{"name", Str("t")}})));
  EXPECT_EQ(operations[1].verb, Verb::kDelete);
  EXPECT_FALSE(operations[1].echo) << "what goes is not echoed";
}

TEST(NftablesCodec, ARunThatIsMalformedOrLacksAFieldIsRefused) {
  const Bytes well = Crossing(Verb::kAdd, Kind::kTable, {{"name", Str("t")}});
  const auto refused = [&](const Bytes& rest) {
    Bytes run = well;
    run.insert(run.end(), rest.begin(), rest.end());
    std::vector<Operation> operations;
    const auto found = ReadOperations(run, false, &operations);
    EXPECT_TRUE(found);
    EXPECT_EQ(operations.size(), 1u);
    if (!found) return std::string("nothing");
    EXPECT_EQ(found->index, 1u);
    return std::string(found->field == nullptr ? "malformed" : found->field);
  };
  EXPECT_EQ(refused(Crossing(Verb::kAdd, Kind::kChain, {{"name", Str("c")}})), "table");
  EXPECT_EQ(refused(Crossing(Verb::kInsert, Kind::kTable, {{"name", Str("t")}})), "malformed");
  EXPECT_EQ(refused({1, 2, 3}), "malformed");
  for (const auto& [at, byte] :
       std::initializer_list<std::pair<size_t, uint8_t>>{{0, 4}, {0, 17}, {0, 200}, {4, 7}, {5, 7}, {8, 3}, {8, 9}}) {
    Bytes bytes = well;
    bytes[at] = byte;
    EXPECT_EQ(refused(bytes), "malformed") << at;
  }
}

TEST(NftablesCodec, OnlyWhatTheKernelRefusesIsWrittenOtherwise) {
  const auto written = [](const Operation& operation) {
    Bytes bytes;
    MessageWriter writer(bytes);
    EncodeAmended(operation, writer);
    return bytes;
  };
  const Record counter = Expression("counter", {{"bytes", Num(1)}, {"packets", Num(2)}});
  const Operation plain = Of(Verb::kAdd, Kind::kRule, {{"table", Str("t")}, {"chain", Str("c")}, {"expressions", Records({counter})}});
  EXPECT_EQ(written(plain), plain.attributes);
  Operation quota = Of(Verb::kAdd, Kind::kRule, {{"table", Str("t")}, {"chain", Str("c")}});
  // NFTA_RULE_EXPRESSIONS {NFTA_LIST_ELEM {"quota", {NFTA_QUOTA_BYTES 1, NFTA_QUOTA_FLAGS 3}}}
  const Bytes depleted = FromHex(
      "2c000480"
      "28000180"
      "0a000100"
      "71756f7461000000"
      "18000280"
      "0c000100"
      "0000000000000001"
      "08000200"
      "00000003");
  quota.attributes.insert(quota.attributes.end(), depleted.begin(), depleted.end());
  const Bytes amended = written(quota);
  ASSERT_EQ(amended.size(), quota.attributes.size());
  EXPECT_EQ(amended.back(), 1) << "the flag that says the quota is used up stayed";
}

}  // namespace
}  // namespace netplane::nftables
