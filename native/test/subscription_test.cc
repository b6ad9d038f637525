// Events from a scripted kernel: order, loss, budget.
#include "netlink/subscription.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "test/scripted_io.h"

namespace netplane {
namespace {

class SubscriptionTest : public testing::Test {
 protected:
  DrainResult Drain(size_t max_bytes = SIZE_MAX) {
    return reader_.Drain(
        max_bytes, [this](const Message& message) { seen_.push_back(static_cast<int>(message.type)); }, [this] { seen_.push_back(-1); });
  }
  void Event(uint16_t type) { io_.Queue(MakeMessage(type, 0, 0)); }

  ScriptedIo io_;
  std::unique_ptr<Socket> socket_ = OpenScripted(io_);
  EventReader reader_{*socket_};
  std::vector<int> seen_;
};

// The kernel tells of the overrun before it hands over what it held then.
TEST_F(SubscriptionTest, ReadsOnAfterEveryLossAndSaysWhereItWas) {
  Event(101);
  io_.QueueError(ENOBUFS);
  Event(102);
  io_.QueueError(ENOBUFS);
  Event(103);
  io_.queue.push_back({Bytes(70'000), 0, false, 0});
  Event(104);
  const DrainResult result = Drain();
  EXPECT_EQ(result.end, DrainEnd::kEmpty);
  EXPECT_EQ(result.lost, 3);
  EXPECT_FALSE(result.malformed);
  EXPECT_EQ(seen_, (std::vector<int>{101, 102, -1, 103, -1, 104, -1}));
}

TEST_F(SubscriptionTest, BudgetLeavesTheRestInTheKernelOnly) {
  for (int i = 0; i < 1'000; ++i) Event(101);
  size_t turns = 1;
  while (Drain(16 * 100).end == DrainEnd::kBudget) {
    EXPECT_FALSE(socket_->has_buffered()) << "poll(2) would not tell";
    ++turns;
  }
  EXPECT_EQ(seen_.size(), 1'000u);
  EXPECT_GT(turns, 5u);
}

TEST_F(SubscriptionTest, NothingButOverrunsEndsATurnToo) {
  for (int i = 0; i < 100; ++i) io_.QueueError(ENOBUFS);
  DrainResult result = Drain(20'000);
  EXPECT_EQ(result.end, DrainEnd::kBudget);
  EXPECT_EQ(result.lost, 4) << "all but the last, which may not be over";
  result = Drain();
  EXPECT_EQ(result.end, DrainEnd::kEmpty);
  EXPECT_EQ(result.lost, 96);
}

// Until its buffer is empty the kernel drops events without another word.
TEST_F(SubscriptionTest, AnOverrunIsToldOnlyWhenTheBufferIsEmpty) {
  io_.QueueError(ENOBUFS);
  for (int i = 0; i < 200; ++i) Event(101);
  int turns = 1;
  while (Drain(16 * 60).end == DrainEnd::kBudget) {
    EXPECT_EQ(std::count(seen_.begin(), seen_.end(), -1), 0) << "after turn " << turns;
    ++turns;
  }
  EXPECT_GT(turns, 2);
  EXPECT_EQ(seen_.size(), 201u);
  EXPECT_EQ(seen_.back(), -1);
}

TEST_F(SubscriptionTest, AnOverrunIsToldWhereTheBudgetEndsWithTheBuffer) {
  io_.QueueError(ENOBUFS);
  for (int i = 0; i < 10; ++i) Event(101);
  const DrainResult result = Drain(4096 + 16 * 10);
  EXPECT_EQ(result.end, DrainEnd::kBudget);
  EXPECT_EQ(result.lost, 1);
  EXPECT_EQ(seen_.back(), -1);
}

TEST_F(SubscriptionTest, ASignalDoesNotKeepAnOverrunFromBeingTold) {
  io_.QueueError(ENOBUFS);
  Event(101);
  // Two reads, and then the look whether there is more.
  io_.interrupted_call = 2;
  const DrainResult result = Drain(4096 + 16);
  EXPECT_EQ(result.lost, 1);
  EXPECT_EQ(seen_, (std::vector<int>{101, -1}));
  EXPECT_EQ(io_.calls, 4u);
}

TEST_F(SubscriptionTest, MalformedBytesAreReportedAndWhatIsWholeIsHandedOver) {
  Bytes datagram = Join({MakeMessage(101, 0, 0), MakeMessage(102, 0, 0)});
  datagram.pop_back();
  io_.Queue(datagram);
  Event(103);
  const DrainResult result = Drain();
  EXPECT_TRUE(result.malformed);
  EXPECT_EQ(result.end, DrainEnd::kEmpty);
  EXPECT_EQ(seen_, (std::vector<int>{101, 103}));
}

TEST_F(SubscriptionTest, ForeignEventsAreDropped) {
  io_.queue.push_back({MakeMessage(101, 0, 0), 5, false, 0});
  Event(102);
  Drain();
  EXPECT_EQ(seen_, (std::vector<int>{102}));
}

TEST_F(SubscriptionTest, AnyOtherErrorEndsIt) {
  Event(101);
  io_.QueueError(EBADF);
  const DrainResult result = Drain();
  EXPECT_EQ(result.end, DrainEnd::kError);
  EXPECT_EQ(socket_->last_error().code, EBADF);
  EXPECT_EQ(seen_, (std::vector<int>{101}));
}

}  // namespace
}  // namespace netplane
