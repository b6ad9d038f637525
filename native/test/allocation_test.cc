// Memory that cannot be had is an error, not the end of the process.
#include <gtest/gtest.h>

#include <new>

#include "nftables/commit.h"
#include "nftables/elements.h"
#include "test/scripted_io.h"

namespace {

// What is asked for with std::nothrow and is larger cannot be had.
size_t most_bytes = SIZE_MAX;

}  // namespace

void* operator new(size_t size, const std::nothrow_t&) noexcept { return size > most_bytes ? nullptr : ::operator new(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return size > most_bytes ? nullptr : ::operator new[](size); }

namespace netplane {
namespace {

class AllocationTest : public testing::Test {
 protected:
  ~AllocationTest() override { most_bytes = SIZE_MAX; }
};

TEST_F(AllocationTest, ASocketWithoutAReceiveBufferIsNotOpened) {
  ScriptedIo io;
  most_bytes = 1 << 20;
  const auto refused = Socket::Open({}, io);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ENOMEM);
  EXPECT_EQ(refused.error().operation, "receive buffer");
  most_bytes = SIZE_MAX;
  EXPECT_TRUE(Socket::Open({}, io).ok());
}

TEST_F(AllocationTest, ABatchThatFindsNoMemoryIsNotSent) {
  ScriptedIo io;
  auto socket = OpenScripted(io);
  nftables::Operation operation;
  operation.elements = std::make_unique<ColumnSet>(nftables::kElementColumns);
  for (uint32_t row = 0; row < 1000; ++row) {
    operation.elements->AddFixed(nftables::kKey, Bytes{1, 2, 3, 4});
    operation.elements->EndRow();
  }
  std::vector<nftables::Operation> operations;
  operations.push_back(std::move(operation));
  most_bytes = 4096;
  const auto report = nftables::Commit(*socket, operations, {});
  EXPECT_FALSE(report.transaction.applied);
  ASSERT_TRUE(report.transaction.failure);
  EXPECT_EQ(report.transaction.failure->code, ENOMEM);
  EXPECT_FALSE(report.transaction.failure->outcome_unknown);
  EXPECT_TRUE(io.sent.empty());
}

}  // namespace
}  // namespace netplane
