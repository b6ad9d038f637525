// Commits to this machine's kernel. Needs nft (nftables) on the path.
#include <cerrno>

#include "test/kernel_nftables.h"

namespace netplane::nftables {
namespace {

TEST_F(KernelNftablesTest, ARefusedRuleNamesItsExpression) {
  MakeTable();
  const Record meta = Expression("meta", {{"key", Str("mark")}, {"destinationRegister", Num(1)}});
  const Record lookup = Expression("lookup", {{"set", Str("missing")}, {"sourceRegister", Num(1)}});
  const auto report =
      CommitAll(Batch(Op(Verb::kAdd, Kind::kTable, {{"name", Str("other")}}),
                      Op(Verb::kAdd, Kind::kRule, {{"table", Str("t")}, {"chain", Str("c")}, {"expressions", Records({meta, lookup})}})));
  EXPECT_FALSE(report.transaction.applied);
  EXPECT_EQ(report.generation, 0u);
  ASSERT_EQ(report.transaction.errors.size(), 1u);
  EXPECT_EQ(report.transaction.errors[0].index, 1u);
  EXPECT_EQ(report.transaction.errors[0].code, ENOENT);
  EXPECT_EQ(report.transaction.errors[0].field, "expressions[1]");
}

TEST_F(KernelNftablesTest, ARefusedNameIsNamedAlsoWhenEmptying) {
  MakeTable();
  const auto report = CommitAll(Batch(Op(Verb::kFlush, Kind::kChain, {{"table", Str("t")}, {"name", Str("missing")}}),
                                      Op(Verb::kFlush, Kind::kSet, {{"table", Str("t")}, {"name", Str("missing")}}),
                                      Op(Verb::kDelete, Kind::kChain, {{"table", Str("missing")}, {"name", Str("c")}})));
  ASSERT_EQ(report.transaction.errors.size(), 3u);
  EXPECT_EQ(report.transaction.errors[0].field, "name");
  EXPECT_EQ(report.transaction.errors[1].field, "name");
  EXPECT_EQ(report.transaction.errors[2].field, "table");
}

TEST_F(KernelNftablesTest, ARefusedElementIsNamedByItsRow) {
  MakeTable();
  Apply(Batch(Elements(Verb::kAdd, "s", Keys({7777, 15000}))));
  // 20,000 rows take eight messages; the two that exist lie in different ones.
  const auto report = CommitAll(Batch(Op(Verb::kAdd, Kind::kTable, {{"name", Str("x")}}), Elements(Verb::kCreate, "s", Range(0, 20000))));
  EXPECT_FALSE(report.transaction.applied);
  ASSERT_GE(report.transaction.errors.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(report.transaction.errors[i].index, 1u);
    EXPECT_EQ(report.transaction.errors[i].code, EEXIST);
    EXPECT_EQ(report.transaction.errors[i].row, i == 0 ? 7777u : 15000u);
  }
}

TEST_F(KernelNftablesTest, WhatLacksAFieldIsRefusedBeforeAnythingIsSent) {
  MakeTable();
  const auto report = CommitAll(Batch(Op(Verb::kDelete, Kind::kRule, {{"table", Str("t")}, {"chain", Str("c")}})));
  EXPECT_FALSE(report.transaction.applied);
  ASSERT_EQ(report.transaction.errors.size(), 1u);
  EXPECT_EQ(report.transaction.errors[0].code, EINVAL);
  EXPECT_EQ(report.transaction.errors[0].message, "handle is missing");
  EXPECT_EQ(report.transaction.system_calls, 0u);
}

TEST_F(KernelNftablesTest, AnElementThatFitsNoMessageIsNamedByItsRow) {
  MakeTable();
  ColumnSet columns = Range(0, 3);
  for (const size_t size : {size_t{0}, size_t{70000}, size_t{0}}) columns.AddBlob(kUserdata, Bytes(size));
  const auto report = CommitAll(Batch(Elements(Verb::kAdd, "s", std::move(columns))));
  ASSERT_EQ(report.transaction.errors.size(), 1u);
  EXPECT_EQ(report.transaction.errors[0].code, EMSGSIZE);
  EXPECT_EQ(report.transaction.errors[0].row, 1u);
}

TEST_F(KernelNftablesTest, NoRowsDeleteNothing) {
  MakeTable();
  Apply(Batch(Elements(Verb::kAdd, "s", Range(0, 10))));
  Apply(Batch(Elements(Verb::kDelete, "s", Keys({})), Elements(Verb::kAdd, "s", Keys({}))));
  EXPECT_EQ(List(Request()).elements[0].chunks[0].rows(), 10u);
  Apply(Batch(Elements(Verb::kDelete, "s", Range(0, 4))));
  EXPECT_EQ(List(Request()).elements[0].chunks[0].rows(), 6u);
  Apply(Batch(Op(Verb::kDelete, Kind::kElements, {{"table", Str("t")}, {"set", Str("s")}})));
  EXPECT_TRUE(List(Request()).elements[0].chunks.empty() || List(Request()).elements[0].chunks[0].rows() == 0);
}

TEST_F(KernelNftablesTest, TheGenerationIsThatOfTheCommitItself) {
  MakeTable();
  const uint32_t before = Generation();
  const auto first = Commit1(Elements(Verb::kAdd, "s", Range(0, 5000)));
  EXPECT_EQ(first.generation, before + 1);
  EXPECT_EQ(first.generation, Generation());
  // Deletions, rules and tables first in the batch say it too.
  const auto second = Commit1(Elements(Verb::kDelete, "s", Range(0, 5000)));
  EXPECT_EQ(second.generation, before + 2);
  const auto third = Commit1(Op(Verb::kAdd, Kind::kTable, {{"name", Str("u")}}));
  EXPECT_EQ(third.generation, before + 3);
  // A batch that changes nothing makes no generation.
  const auto fourth = CommitAll(Batch(Op(Verb::kAdd, Kind::kTable, {{"name", Str("u")}})), third.generation);
  EXPECT_TRUE(fourth.transaction.applied);
  EXPECT_EQ(fourth.generation, third.generation);
  EXPECT_EQ(Generation(), third.generation);
  // Another process's commit makes the known generation stale.
  Shell("nft add table ip foreign");
  const auto fifth = CommitAll(Batch(Op(Verb::kAdd, Kind::kTable, {{"name", Str("v")}})), third.generation);
  EXPECT_FALSE(fifth.transaction.applied);
  ASSERT_TRUE(fifth.transaction.failure);
  EXPECT_EQ(fifth.transaction.failure->code, ERESTART);
}

TEST_F(KernelNftablesTest, WhatGoesIsNotTold) {
  MakeTable();
  const auto make = [&] {
    Commit1(Elements(Verb::kAdd, "s", Range(0, 100000)));
    std::vector<Operation> rules = Batch(Op(Verb::kAdd, Kind::kChain, {{"table", Str("t")}, {"name", Str("d")}}));
    for (int i = 0; i < 20000; ++i)
      rules.push_back(
          Op(Verb::kAdd, Kind::kRule, {{"table", Str("t")}, {"chain", Str("d")}, {"expressions", Records({Expression("counter", {})})}}));
    Apply(std::move(rules));
  };
  make();
  // The kernel's messages about each would overrun the receive buffer, and with them the verdict would be lost.
  const uint32_t before = Generation();
  EXPECT_EQ(Commit1(Op(Verb::kFlush, Kind::kSet, {{"table", Str("t")}, {"name", Str("s")}})).generation, before + 1);
  EXPECT_EQ(Commit1(Op(Verb::kFlush, Kind::kChain, {{"table", Str("t")}, {"name", Str("d")}})).generation, before + 2);
  // Nothing is left that could go.
  EXPECT_EQ(Commit1(Op(Verb::kFlush, Kind::kChain, {{"table", Str("t")}, {"name", Str("d")}})).generation, before + 2);
  make();
  const uint32_t known = Generation();
  const auto gone = CommitAll(Batch(Op(Verb::kDelete, Kind::kTable, {{"name", Str("t")}})), known);
  EXPECT_TRUE(gone.transaction.applied);
  EXPECT_EQ(gone.generation, known + 1);
}

TEST_F(KernelNftablesTest, EchoesBringHandlesOnlyToThoseWhoAsked) {
  MakeTable();
  std::vector<Operation> batch =
      Batch(Op(Verb::kAdd, Kind::kChain, {{"table", Str("t")}, {"name", Str("d")}}),
            Op(Verb::kAdd, Kind::kRule, {{"table", Str("t")}, {"chain", Str("d")}, {"expressions", Records({Expression("counter", {})})}}));
  batch[1].echo = true;
  const auto report = CommitAll(batch);
  ASSERT_EQ(report.echoes.size(), 1u);
  EXPECT_EQ(report.echoes[0].index, 1u);
  EXPECT_EQ(report.echoes[0].value.schema, &kRuleSchema);
  EXPECT_GT(NumberOf(report.echoes[0].value, "handle"), 0u);
}

TEST_F(KernelNftablesTest, RulesAreAppendedInsertedPlacedAndReplaced) {
  MakeTable();
  const auto rule = [](Verb verb, const char* comment, uint64_t handle = 0, const char* at = "position") {
    Record record =
        Make(kRuleSchema,
             {{"table", Str("t")}, {"chain", Str("c")}, {"expressions", Records({Expression("notrack", {}), Expression("counter", {})})}});
    record.Set(kRuleSchema.FindName("userdata"), Raw({0, 2, *comment, 0}));
    if (handle != 0) record.Set(kRuleSchema.FindName(at), Num(handle));
    Operation operation = Op(verb, Kind::kRule, {});
    operation.attributes = Encode(record);
    return operation;
  };
  const auto order = [&] {
    std::string order;
    for (const Listed& listed : List(Request()).rules) order += static_cast<char>((*FieldOf(listed.value, "userdata")->As<Bytes>())[2]);
    return order;
  };
  Apply(Batch(rule(Verb::kAdd, "a"), rule(Verb::kAdd, "b"), rule(Verb::kInsert, "0")));
  EXPECT_EQ(order(), "0ab");
  const uint64_t a = NumberOf(List(Request()).rules[1].value, "handle");
  Apply(Batch(rule(Verb::kAdd, ">", a), rule(Verb::kInsert, "<", a)));
  EXPECT_EQ(order(), "0<a>b");
  Apply(Batch(rule(Verb::kReplace, "A", a, "handle")));
  EXPECT_EQ(order(), "0<A>b");
  Apply(Batch(Op(Verb::kFlush, Kind::kChain, {{"table", Str("t")}, {"name", Str("c")}})));
  EXPECT_EQ(order(), "");
  Apply(Batch(rule(Verb::kAdd, "a"), Op(Verb::kFlush, Kind::kTable, {{"name", Str("t")}}), rule(Verb::kAdd, "z")));
  EXPECT_EQ(order(), "z");
}

TEST_F(KernelNftablesTest, ADryRunChangesNothing) {
  CommitOptions options;
  options.deadline = In(10'000);
  options.dry_run = true;
  options.record = true;
  const uint32_t before = Generation();
  const auto report = Commit(*socket_, Batch(Op(Verb::kAdd, Kind::kTable, {{"name", Str("t")}})), options);
  EXPECT_TRUE(report.transaction.applied);
  EXPECT_EQ(report.generation, 0u);
  EXPECT_EQ(Generation(), before);
  EXPECT_EQ(report.bytes.size(), report.transaction.bytes);
  EXPECT_TRUE(List(Request()).tables.empty());
}

}  // namespace
}  // namespace netplane::nftables
