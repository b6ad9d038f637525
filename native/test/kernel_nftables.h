// What tests of the nf_tables codec against the kernel share: a table to work on in the test's own network namespace, and nft to compare
// with.
#ifndef NETPLANE_TEST_KERNEL_NFTABLES_H_
#define NETPLANE_TEST_KERNEL_NFTABLES_H_

#include <gtest/gtest.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstdio>

#include "nftables/commit.h"
#include "nftables/elements.h"
#include "nftables/list.h"
#include "test/records.h"
#include "test/scripted_io.h"

namespace netplane::nftables {

inline constexpr uint8_t kIp = 2;
using Fields = std::initializer_list<std::pair<const char*, Value>>;

// Runs a command of the shell; the test fails where it does.
inline std::string Shell(const std::string& command) {
  std::string output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  for (char buffer[4096]; size_t read = fread(buffer, 1, sizeof buffer, pipe);) output.append(buffer, read);
  EXPECT_EQ(pclose(pipe), 0) << command << " (from nftables) said: " << output;
  return output;
}

inline Record Without(const Record& record, std::initializer_list<const char*> names) {
  Record rest{record.schema, {}, record.opaque};
  for (const auto& [field, value] : record.fields) {
    const bool dropped = std::any_of(names.begin(), names.end(), [&](const char* name) { return field == record.schema->FindName(name); });
    if (!dropped) rest.Set(field, value);
  }
  return rest;
}

inline const Value* FieldOf(const Record& record, const char* name) { return record.Find(record.schema->FindName(name)); }
inline uint64_t NumberOf(const Record& record, const char* name) {
  const Value* value = FieldOf(record, name);
  return value != nullptr && value->As<uint64_t>() != nullptr ? *value->As<uint64_t>() : 0;
}
inline std::string TextOf(const Record& record, const char* name) {
  const Value* value = FieldOf(record, name);
  return value != nullptr && value->As<std::string>() != nullptr ? *value->As<std::string>() : "";
}

class KernelNftablesTest : public testing::Test {
 protected:
  KernelNftablesTest() { Commit1(Op(Verb::kFlush, Kind::kTable, {}, 0)); }
  ~KernelNftablesTest() override { Commit1(Op(Verb::kFlush, Kind::kTable, {}, 0)); }

  static Operation Op(Verb verb, Kind kind, Fields fields, uint8_t family = kIp) {
    Operation operation;
    operation.verb = verb;
    operation.kind = kind;
    operation.family = family;
    operation.attributes = Encode(Make(SchemaOf(kind), fields));
    return operation;
  }

  static Operation Elements(Verb verb, const char* set, ColumnSet columns) {
    Operation operation = Op(verb, Kind::kElements, {{"table", Str("t")}, {"set", Str(set)}});
    operation.elements = std::make_unique<ColumnSet>(std::move(columns));
    return operation;
  }

  static ColumnSet Keys(const std::vector<uint32_t>& keys) {
    ColumnSet columns(kElementColumns);
    for (const uint32_t key : keys) {
      uint8_t bytes[4];
      Store(bytes, key, ByteOrder::kBig);
      columns.AddFixed(kKey, bytes);
      columns.EndRow();
    }
    return columns;
  }

  static ColumnSet Range(uint32_t first, uint32_t count) {
    std::vector<uint32_t> keys(count);
    for (uint32_t i = 0; i < count; ++i) keys[i] = first + i;
    return Keys(keys);
  }

  template <typename... Operations>
  static std::vector<Operation> Batch(Operations... operations) {
    std::vector<Operation> batch;
    (batch.push_back(std::move(operations)), ...);
    return batch;
  }

  CommitReport CommitAll(const std::vector<Operation>& operations, std::optional<uint32_t> generation = std::nullopt) {
    CommitOptions options;
    options.deadline = In(60'000);
    options.generation = generation;
    return Commit(*socket_, operations, options);
  }
  CommitReport Commit1(Operation operation) { return CommitAll(Batch(std::move(operation))); }

  void Apply(const std::vector<Operation>& operations) {
    const CommitReport report = CommitAll(operations);
    EXPECT_TRUE(report.transaction.applied);
    for (const ItemError& error : report.transaction.errors) {
      const Operation& operation = operations[error.index];
      ADD_FAILURE() << error.code << " " << error.field << " of " << DescribeAttributes(&SchemaOf(operation.kind), operation.attributes);
    }
  }

  // Table t with set s, chain c.
  void MakeTable(const char* flag = nullptr) {
    Apply(Batch(Op(Verb::kAdd, Kind::kTable, {{"name", Str("t")}}),
                Op(Verb::kAdd, Kind::kSet,
                   {{"table", Str("t")},
                    {"name", Str("s")},
                    {"flags", flag == nullptr ? Names({}) : Names({flag})},
                    {"keyType", Num(7)},
                    {"keyLength", Num(4)}}),
                Op(Verb::kAdd, Kind::kChain, {{"table", Str("t")}, {"name", Str("c")}})));
  }

  ListRequest Request() {
    ListRequest request;
    request.deadline = In(60'000);
    request.tables = request.chains = request.rules = request.sets = request.objects = request.flowtables = request.elements = true;
    return request;
  }

  Listing List(const ListRequest& request) {
    auto listing = ListRuleset(*socket_, request);
    EXPECT_TRUE(listing.ok()) << listing.error().code << " " << listing.error().message;
    return listing.ok() ? std::move(listing).value() : Listing{};
  }

  int ListError(const ListRequest& request) {
    const auto listing = ListRuleset(*socket_, request);
    return listing.ok() ? 0 : listing.error().code;
  }

  uint32_t Generation() {
    const auto record = GetGeneration(*socket_, In(10'000));
    return record.ok() ? static_cast<uint32_t>(NumberOf(record.value(), "id")) : 0;
  }

  std::unique_ptr<Socket> socket_ = OpenReal(NETLINK_NETFILTER);
};

}  // namespace netplane::nftables

#endif  // NETPLANE_TEST_KERNEL_NFTABLES_H_
