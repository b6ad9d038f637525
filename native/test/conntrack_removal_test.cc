// Deleting by filter against a scripted kernel that lists flows and answers deletions.
#include <gtest/gtest.h>
#include <linux/netlink.h>

#include <set>

#include "conntrack/flows.h"
#include "test/conntrack_flows.h"
#include "test/scripted_io.h"

namespace netplane::conntrack {
namespace {

class ConntrackRemovalTest : public testing::Test {
 protected:
  ConntrackRemovalTest() {
    socket_ = OpenScripted(io_);
    io_.on_send = [this](ByteView datagram) {
      for (const Message& message : MessagesOf(datagram)) Answer(message);
    };
  }

  void Answer(const Message& message) {
    if (message.type == FlowMessage(IPCTNL_MSG_CT_GET)) return Dump(message);
    ASSERT_EQ(message.type, FlowMessage(IPCTNL_MSG_CT_DELETE));
    Flow flow;
    ASSERT_TRUE(DecodeFlow(message.body[0], message.body.subspan(sizeof(nfgenmsg)), &flow));
    EXPECT_EQ(flow.present & (kHasId | kHasZone), kHasId | kHasZone) << "a deletion says which flow it means";
    const int code = refuse_(flow.id);
    if (code == 0) deleted_.insert(flow.id);
    if (code != 0 || (message.flags & NLM_F_ACK)) io_.Queue(MakeAnswer(message.sequence, code));
  }

  void Dump(const Message& message) {
    ++dumps_;
    is_filtered_ = message.body.size() > sizeof(nfgenmsg) || message.body[0] != 0;
    if (dump_errors_.size() >= dumps_ && dump_errors_[dumps_ - 1] != 0) {
      return io_.Queue(MakeAnswer(message.sequence, dump_errors_[dumps_ - 1]));
    }
    for (uint8_t last = 1; last <= flows_; ++last) {
      io_.Queue(MakeMessage(FlowMessage(IPCTNL_MSG_CT_NEW), NLM_F_MULTI, message.sequence, MakeFlow(last, last % 2)));
    }
    io_.Queue(MakeDone(message.sequence, done_code_));
  }

  // mark 1, udp and IPv4: what the kernel can filter too.
  RemovalReport Run(std::function<bool()> cancelled = nullptr) {
    const Bytes program = {4, 0, 1, 0, 5, 0, 2, 0, AF_INET, 0, 0, 0, 12, 0, 7, 0, 1, 0, 0, 0, 1, 0, 0, 0};
    const auto filter = std::make_shared<const FlowFilter>(*FlowFilter::Parse(program));
    return RemoveFlows(*socket_, FlowQuery{filter}, BatchOptions{In(5'000), false, std::move(cancelled)});
  }

  ScriptedIo io_;
  std::unique_ptr<Socket> socket_;
  std::function<int(uint32_t id)> refuse_ = [](uint32_t) { return 0; };
  uint8_t flows_ = 10;
  std::vector<int> dump_errors_;
  int done_code_ = 0;
  size_t dumps_ = 0;
  bool is_filtered_ = false;
  std::set<uint32_t> deleted_;
};

TEST_F(ConntrackRemovalTest, DeletesWhatMatchesAlthoughTheKernelGivesMore) {
  const RemovalReport report = Run();
  EXPECT_FALSE(report.stopped);
  EXPECT_EQ(report.scanned, 10U);
  EXPECT_EQ(report.matched, 5U);
  EXPECT_EQ(report.deleted, 5U);
  EXPECT_EQ(deleted_, (std::set<uint32_t>{1, 3, 5, 7, 9}));
  EXPECT_TRUE(is_filtered_);
  EXPECT_FALSE(report.kernel_filtered) << "nothing says so (NLM_F_DUMP_FILTERED)";
}

TEST_F(ConntrackRemovalTest, VanishedFlowsAreCountedAndRefusalsKept) {
  refuse_ = [](uint32_t id) { return id == 3 ? ENOENT : id == 5 ? EBUSY : 0; };
  const RemovalReport report = Run();
  EXPECT_FALSE(report.stopped);
  EXPECT_EQ(report.matched, 5U);
  EXPECT_EQ(report.deleted, 3U);
  EXPECT_EQ(report.vanished, 1U);
  EXPECT_EQ(report.refused, 1U);
  ASSERT_TRUE(report.refusal);
  EXPECT_EQ(report.refusal->code, EBUSY);
}

TEST_F(ConntrackRemovalTest, AKernelThatRefusesTheFilterIsAskedWithoutIt) {
  for (const int code : {EINVAL, EOPNOTSUPP, ERANGE}) {
    dump_errors_ = {code};
    dumps_ = 0;
    deleted_.clear();
    const RemovalReport report = Run();
    EXPECT_FALSE(report.stopped) << code;
    EXPECT_EQ(dumps_, 2U);
    EXPECT_FALSE(is_filtered_);
    EXPECT_EQ(report.deleted, 5U);
  }
  dump_errors_ = {EINVAL, EINVAL};
  dumps_ = 0;
  const RemovalReport twice = Run();
  ASSERT_TRUE(twice.stopped);
  EXPECT_EQ(twice.stopped->code, EINVAL);
  EXPECT_EQ(dumps_, 2U);
}

TEST_F(ConntrackRemovalTest, OtherErrorsOfTheDumpEndIt) {
  dump_errors_ = {EPERM};
  const RemovalReport report = Run();
  ASSERT_TRUE(report.stopped);
  EXPECT_EQ(report.stopped->code, EPERM);
  EXPECT_EQ(dumps_, 1U);
  EXPECT_TRUE(deleted_.empty());
}

TEST_F(ConntrackRemovalTest, AnswersThatAreLostLeaveTheOutcomeUnknown) {
  refuse_ = [this](uint32_t id) {
    if (id == 1) io_.QueueError(ENOBUFS);
    return 0;
  };
  const RemovalReport report = Run();
  EXPECT_TRUE(report.stopped);
  EXPECT_EQ(report.deleted + report.unknown, 5U);
  EXPECT_GT(report.unknown, 0U);
  EXPECT_EQ(deleted_.size(), 5U);
}

TEST_F(ConntrackRemovalTest, InterruptedSystemCallsAreRepeated) {
  for (unsigned call = 0; call < 12; ++call) {
    io_.interrupted_call = io_.calls + call;
    deleted_.clear();
    const RemovalReport report = Run();
    EXPECT_FALSE(report.stopped) << call;
    EXPECT_EQ(report.deleted, 5U) << call;
  }
}

TEST_F(ConntrackRemovalTest, StopsBeforeTheNextReadWhenCancelled) {
  const RemovalReport report = Run([] { return true; });
  ASSERT_TRUE(report.stopped);
  EXPECT_EQ(report.stopped->code, ECANCELED);
  EXPECT_EQ(dumps_, 0U);
  EXPECT_TRUE(deleted_.empty());
}

TEST_F(ConntrackRemovalTest, BytesThatAreNoFlowEndIt) {
  io_.on_send = [this](ByteView datagram) {
    const Message message = MessagesOf(datagram)[0];
    io_.Queue(MakeMessage(FlowMessage(IPCTNL_MSG_CT_NEW), NLM_F_MULTI, message.sequence, Bytes{AF_INET, 0, 0, 0, 9, 9}));
  };
  const RemovalReport report = Run();
  ASSERT_TRUE(report.stopped);
  EXPECT_EQ(report.stopped->code, EPROTO);
}

}  // namespace
}  // namespace netplane::conntrack
