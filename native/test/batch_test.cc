// Batches against a scripted kernel that works as netlink_rcv_skb does: goes on after an error, and answers errors that nobody asked for.
#include "netlink/batch.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>

#include "test/scripted_io.h"

namespace netplane {
namespace {

constexpr uint16_t kType = 100;

void EncodeIndex(uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
  writer.Begin(kType, flags, sequence);
  writer.PutInteger<uint32_t>(1, index);
  writer.End();
}

class BatchTest : public testing::Test {
 protected:
  BatchTest() {
    io_.on_send = [this](ByteView datagram) { Answer(datagram); };
    socket_ = OpenScripted(io_);
  }

  // What the kernel would do with the operation of that index.
  std::function<int(uint32_t index)> refuse_ = [](uint32_t) { return 0; };
  bool acknowledges_ = true;

  void Answer(ByteView datagram) {
    for (const Message& message : MessagesOf(datagram)) {
      const uint32_t index = *message.Attributes(0).Next()->Integer<uint32_t>();
      indexes_.push_back(index);
      const int code = refuse_(index);
      const bool is_last = (message.flags & NLM_F_ACK) != 0;
      if (code != 0) io_.Queue(MakeAnswer(message.sequence, code, "no", index));
      if (code == 0 && is_last && acknowledges_) io_.Queue(MakeAnswer(message.sequence, 0));
    }
  }

  BatchReport Run(uint32_t count, const MessageEncoder& encode = EncodeIndex) { return RunBatch(*socket_, count, encode, options_); }

  ScriptedIo io_;
  std::unique_ptr<Socket> socket_;
  BatchOptions options_{In(10'000), false, nullptr};
  std::vector<uint32_t> indexes_;
};

TEST_F(BatchTest, AsksForAnAckOfTheLastOnly) {
  const BatchReport report = Run(5);
  EXPECT_FALSE(report.stopped);
  EXPECT_TRUE(report.errors.empty());
  EXPECT_EQ(report.sent, 5u);
  EXPECT_EQ(report.unknown_from, 5u);
  ASSERT_EQ(io_.sent.size(), 1u);
  const auto messages = MessagesOf(io_.sent[0]);
  ASSERT_EQ(messages.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(messages[i].flags, i == 4 ? NLM_F_REQUEST | NLM_F_ACK : NLM_F_REQUEST);
    EXPECT_EQ(messages[i].sequence, messages[0].sequence + i);
    EXPECT_NE(messages[i].sequence, 0u);
  }
}

TEST_F(BatchTest, NothingToDoSendsNothing) {
  const BatchReport report = Run(0);
  EXPECT_FALSE(report.stopped);
  EXPECT_EQ(report.sent, 0u);
  EXPECT_TRUE(io_.sent.empty());
}

TEST_F(BatchTest, RefusalAtEveryPositionIsReportedAtThatPosition) {
  for (uint32_t refused = 0; refused < 20; ++refused) {
    refuse_ = [refused](uint32_t index) { return index == refused ? EEXIST : 0; };
    const BatchReport report = Run(20);
    ASSERT_EQ(report.errors.size(), 1u) << refused;
    EXPECT_EQ(report.errors[0].index, refused);
    EXPECT_EQ(report.errors[0].code, EEXIST);
    EXPECT_EQ(report.errors[0].message, "no");
    EXPECT_EQ(report.errors[0].offset, refused);
    EXPECT_EQ(report.sent, 20u);
    EXPECT_EQ(report.unknown_from, 20u);
    EXPECT_FALSE(report.stopped);
  }
}

TEST_F(BatchTest, EveryOneOfManyRefusalsIsReported) {
  socket_ = OpenScripted(io_, 4096);
  refuse_ = [](uint32_t) { return ENODEV; };
  const BatchReport report = Run(10'000);
  EXPECT_FALSE(report.stopped);
  ASSERT_EQ(report.errors.size(), 10'000u);
  for (uint32_t i = 0; i < 10'000; ++i) ASSERT_EQ(report.errors[i].index, i);
  for (const Bytes& datagram : io_.sent) EXPECT_LT(MessagesOf(datagram).size(), socket_->max_replies());
}

TEST_F(BatchTest, InterruptedCallIsRepeatedWhicheverItIs) {
  refuse_ = [](uint32_t index) { return index % 3 == 0 ? EINVAL : 0; };
  for (unsigned call = 0; call < 8; ++call) {
    io_.calls = 0;
    io_.interrupted_call = call;
    indexes_.clear();
    const BatchReport report = Run(10);
    EXPECT_EQ(report.errors.size(), 4u) << call;
    EXPECT_EQ(report.unknown_from, 10u) << call;
    EXPECT_FALSE(report.stopped) << call;
    EXPECT_EQ(indexes_.size(), 10u) << "operations were sent twice, or not at all";
  }
}

TEST_F(BatchTest, OverrunMakesTheRunUnknownAndStops) {
  socket_ = OpenScripted(io_, 8192);
  const uint32_t first_run = static_cast<uint32_t>(socket_->max_replies()) - 2;
  refuse_ = [&](uint32_t index) {
    if (index == first_run) io_.queue.push_front({{}, 0, false, ENOBUFS});
    return index == first_run + 1 ? EEXIST : 0;
  };
  const BatchReport report = Run(first_run * 3);
  ASSERT_TRUE(report.stopped);
  EXPECT_EQ(report.stopped->code, ENOBUFS);
  EXPECT_TRUE(report.stopped->outcome_unknown);
  EXPECT_EQ(report.unknown_from, first_run);
  EXPECT_EQ(report.sent, first_run * 2);
  ASSERT_EQ(report.errors.size(), 1u) << "what was read after the overrun is known";
  EXPECT_EQ(report.errors[0].index, first_run + 1);
}

TEST_F(BatchTest, LostAckLeavesOnlyTheLastUnknownAndDoesNotWait) {
  acknowledges_ = false;
  const auto start = Clock::now();
  const BatchReport report = Run(10);
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
  ASSERT_TRUE(report.stopped);
  EXPECT_EQ(report.stopped->code, EINTR);
  EXPECT_TRUE(report.stopped->outcome_unknown);
  EXPECT_EQ(report.unknown_from, 9u);
  EXPECT_EQ(report.sent, 10u);
}

TEST_F(BatchTest, RefusalOfTheLastIsItsAnswer) {
  acknowledges_ = false;
  refuse_ = [](uint32_t index) { return index == 9 ? EEXIST : 0; };
  const BatchReport report = Run(10);
  EXPECT_FALSE(report.stopped);
  EXPECT_EQ(report.unknown_from, 10u);
}

TEST_F(BatchTest, FailedReadLeavesTheRunUnknown) {
  io_.on_send = [this](ByteView) { io_.QueueError(EIO); };
  const BatchReport report = Run(10);
  ASSERT_TRUE(report.stopped);
  EXPECT_EQ(report.stopped->code, EIO);
  EXPECT_TRUE(report.stopped->outcome_unknown);
  EXPECT_EQ(report.unknown_from, 0u);
  EXPECT_EQ(report.sent, 10u);
}

TEST_F(BatchTest, FailedSendLeavesNothingUnknown) {
  io_.send_error = ENOBUFS;
  const BatchReport report = Run(10);
  ASSERT_TRUE(report.stopped);
  EXPECT_EQ(report.stopped->code, ENOBUFS);
  EXPECT_FALSE(report.stopped->outcome_unknown);
  EXPECT_EQ(report.sent, 0u);
  EXPECT_EQ(report.unknown_from, 0u);
}

TEST_F(BatchTest, WhatWasLeftOutOfARunThatWasNotSentIsNoRefusal) {
  io_.send_error = ENOMEM;
  const auto encode = [](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    EncodeIndex(index, flags, sequence, writer);
    if (index == 1) writer.Put(2, Bytes(70'000));
  };
  const BatchReport report = Run(3, encode);
  EXPECT_EQ(report.stopped->code, ENOMEM);
  EXPECT_EQ(report.sent, 0u);
  EXPECT_TRUE(report.errors.empty());
}

TEST_F(BatchTest, LateAnswerOfAnEarlierRunIsIgnored) {
  socket_ = OpenScripted(io_, 4096);
  const uint32_t run = static_cast<uint32_t>(socket_->max_replies()) - 2;
  io_.on_send = [this](ByteView datagram) {
    io_.Queue(MakeAnswer(MessagesOf(datagram)[0].sequence - 1, EEXIST));
    Answer(datagram);
  };
  const BatchReport report = Run(run * 3);
  EXPECT_FALSE(report.stopped);
  EXPECT_TRUE(report.errors.empty());
}

TEST_F(BatchTest, MalformedRepliesNeverCountAsSuccess) {
  const Bytes whole = MakeAnswer(0, 0, "text", 4u);
  for (size_t length = 1; length < whole.size(); ++length) {
    io_.on_send = [&](ByteView datagram) {
      Bytes answer = MakeAnswer(MessagesOf(datagram).back().sequence, 0, "text", 4u);
      answer.resize(length);
      io_.Queue(answer);
    };
    const BatchReport report = Run(3);
    ASSERT_TRUE(report.stopped) << length;
    EXPECT_EQ(report.stopped->code, EPROTO);
    EXPECT_TRUE(report.stopped->outcome_unknown);
    EXPECT_EQ(report.unknown_from, 0u);
  }
}

TEST_F(BatchTest, ForeignAndStaleAnswersAreIgnored) {
  io_.Queue(MakeAnswer(1, EEXIST));
  io_.on_send = [this](ByteView datagram) {
    const uint32_t first = MessagesOf(datagram)[0].sequence;
    io_.queue.push_back({MakeAnswer(first, EPERM), 4711, false, 0});
    io_.Queue(MakeAnswer(first - 1, EEXIST));
    io_.Queue(MakeAnswer(first + 3, EEXIST));
    io_.Queue(MakeAnswer(first + 2, 0));
  };
  const BatchReport report = Run(3);
  EXPECT_FALSE(report.stopped);
  EXPECT_TRUE(report.errors.empty());
}

TEST_F(BatchTest, StopsWhenCancelledOrLateOrAtARefusal) {
  socket_ = OpenScripted(io_, 4096);
  const uint32_t run = static_cast<uint32_t>(socket_->max_replies()) - 2;
  int asked = 0;
  options_.cancelled = [&] { return ++asked == 3; };
  BatchReport report = Run(run * 5);
  EXPECT_EQ(report.stopped->code, ECANCELED);
  EXPECT_FALSE(report.stopped->outcome_unknown);
  EXPECT_EQ(report.sent, run * 2);
  EXPECT_EQ(report.unknown_from, run * 2);

  options_ = {In(-1), false, nullptr};
  report = Run(3);
  EXPECT_EQ(report.stopped->code, ETIMEDOUT);
  EXPECT_EQ(report.sent, 0u);

  options_ = {In(10'000), true, nullptr};
  refuse_ = [](uint32_t index) { return index == 1 ? EEXIST : 0; };
  report = Run(run * 5);
  EXPECT_EQ(report.stopped->code, ECANCELED);
  EXPECT_EQ(report.sent, run);
  EXPECT_EQ(report.errors.size(), 1u);
}

TEST_F(BatchTest, WhatCannotBeSentIsRefusedAndTheOthersGoOn) {
  const Bytes too_long(70'000);
  const auto encode = [&](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(kType, flags, sequence);
    writer.PutInteger<uint32_t>(1, index);
    if (index % 4 == 3) writer.Put(2, too_long);
    writer.End();
  };
  const BatchReport report = Run(12, encode);
  EXPECT_FALSE(report.stopped);
  EXPECT_EQ(report.sent, 12u);
  ASSERT_EQ(report.errors.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(report.errors[i].index, i * 4 + 3);
    EXPECT_EQ(report.errors[i].code, EMSGSIZE);
  }
  EXPECT_EQ(indexes_, (std::vector<uint32_t>{0, 1, 2, 4, 5, 6, 8, 9, 10}));
}

TEST_F(BatchTest, SplitsAtTheSendBuffer) {
  const Bytes padding(60'000);
  const auto encode = [&](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(kType, flags, sequence);
    writer.PutInteger<uint32_t>(1, index);
    writer.Put(2, padding);
    writer.End();
  };
  refuse_ = [](uint32_t index) { return index % 50 == 7 ? EEXIST : 0; };
  const BatchReport report = Run(200, encode);
  EXPECT_FALSE(report.stopped);
  EXPECT_GT(io_.sent.size(), 1u);
  for (const Bytes& datagram : io_.sent) EXPECT_LE(datagram.size(), socket_->max_send_bytes());
  EXPECT_EQ(indexes_.size(), 200u);
  ASSERT_EQ(report.errors.size(), 4u);
  EXPECT_EQ(report.errors[3].index, 157u);
}

TEST_F(BatchTest, RefusesToSendWhatTheKernelWouldSilentlyDiscard) {
  const std::vector<MessageEncoder> wrong = {
      [](uint32_t, uint16_t flags, uint32_t sequence, MessageWriter& writer) { writer.Begin(kType, flags, sequence); },
      [](uint32_t, uint16_t, uint32_t, MessageWriter&) {},
      [](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) { EncodeIndex(index, flags, sequence + 1, writer); },
      [](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
        EncodeIndex(index, flags, sequence, writer);
        EncodeIndex(index, flags, sequence, writer);
      },
  };
  for (const MessageEncoder& encode : wrong) {
    const BatchReport report = Run(2, encode);
    ASSERT_TRUE(report.stopped);
    EXPECT_EQ(report.stopped->code, EINVAL);
    EXPECT_TRUE(io_.sent.empty());
  }
}

}  // namespace
}  // namespace netplane
