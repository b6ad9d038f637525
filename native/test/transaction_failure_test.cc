// Transactions that fail as a whole, and those whose verdict is lost.
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "test/scripted_transaction.h"

namespace netplane {
namespace {

using TransactionFailureTest = TransactionTest;

TEST_F(TransactionFailureTest, SilenceIsNotSuccess) {
  for (const bool acknowledges_end : {true, false}) {
    acknowledges_end_ = acknowledges_end;
    io_.on_send = [this](ByteView datagram) { Answer(datagram); };
    Reopen();
    EXPECT_TRUE(Run(1).applied);
    io_.on_send = nullptr;
    const TransactionReport report = Run(3);
    EXPECT_FALSE(report.applied);
    ASSERT_TRUE(report.failure);
    EXPECT_EQ(report.failure->code, EPROTO);
    EXPECT_TRUE(report.failure->outcome_unknown);
  }
}

TEST_F(TransactionFailureTest, FailedCommitIsNotTheFirstOperationsFault) {
  EXPECT_TRUE(Run(1).applied);
  for (const int code : {EINVAL, ENOMEM}) {
    commit_error_ = code;
    const TransactionReport report = Run(3);
    EXPECT_FALSE(report.applied);
    EXPECT_TRUE(report.errors.empty());
    ASSERT_TRUE(report.failure);
    EXPECT_EQ(report.failure->code, code);
    EXPECT_FALSE(report.failure->outcome_unknown);
  }
}

TEST_F(TransactionFailureTest, FailureOfTheWholeIsKnown) {
  for (const int code : {EPERM, ERESTART, EOPNOTSUPP}) {
    whole_error_ = code;
    const TransactionReport report = Run(3);
    EXPECT_FALSE(report.applied);
    ASSERT_TRUE(report.failure);
    EXPECT_EQ(report.failure->code, code);
    EXPECT_FALSE(report.failure->outcome_unknown);
    EXPECT_TRUE(report.errors.empty());
  }
  EXPECT_EQ(batches_, 3) << "nothing is sent after a probe that failed";
}

TEST_F(TransactionFailureTest, OverrunWithARefusalIsARefusal) {
  EXPECT_TRUE(Run(1).applied);
  refuse_ = [this](uint32_t position) {
    if (position == 0) io_.QueueError(ENOBUFS);
    return position == 2 ? EEXIST : 0;
  };
  const TransactionReport report = Run(4);
  EXPECT_FALSE(report.applied);
  EXPECT_FALSE(report.failure);
  EXPECT_TRUE(report.replies_lost);
  ASSERT_EQ(report.errors.size(), 1u);
  EXPECT_EQ(report.errors[0].index, 2u);
}

TEST_F(TransactionFailureTest, OverrunWithTheAckOfEndIsSuccess) {
  EXPECT_TRUE(Run(1).applied);
  refuse_ = [this](uint32_t position) {
    if (position == 0) io_.QueueError(ENOBUFS);
    return 0;
  };
  const TransactionReport report = Run(4);
  EXPECT_TRUE(report.applied);
  EXPECT_TRUE(report.replies_lost);
  EXPECT_FALSE(report.failure);
}

TEST_F(TransactionFailureTest, OverrunWithoutAVerdictIsUnknown) {
  acknowledges_end_ = false;
  for (const bool dry_run : {false, true}) {
    options_.dry_run = dry_run;
    refuse_ = [this](uint32_t position) {
      if (position == 0) io_.QueueError(ENOBUFS);
      return 0;
    };
    const TransactionReport report = Run(4);
    EXPECT_FALSE(report.applied);
    ASSERT_TRUE(report.failure);
    EXPECT_EQ(report.failure->code, ENOBUFS);
    EXPECT_EQ(report.failure->outcome_unknown, !dry_run);
  }
}

TEST_F(TransactionFailureTest, FailedReadIsUnknown) {
  EXPECT_TRUE(Run(1).applied);
  io_.on_send = [this](ByteView) { io_.QueueError(EIO); };
  const TransactionReport report = Run(4);
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(report.failure->code, EIO);
  EXPECT_TRUE(report.failure->outcome_unknown);
}

TEST_F(TransactionFailureTest, TruncatedVerdictIsNeverSuccess) {
  EXPECT_TRUE(Run(1).applied);
  const size_t whole = MakeAnswer(0, 0).size();
  for (size_t length = 0; length < whole; ++length) {
    io_.on_send = [&](ByteView datagram) {
      Bytes answer = MakeAnswer(MessagesOf(datagram).back().sequence, 0);
      answer.resize(length);
      io_.Queue(answer);
    };
    const TransactionReport report = Run(2);
    EXPECT_FALSE(report.applied) << length;
    ASSERT_TRUE(report.failure) << length;
    EXPECT_EQ(report.failure->code, EPROTO);
    EXPECT_TRUE(report.failure->outcome_unknown);
  }
}

TEST_F(TransactionFailureTest, ForeignVerdictIsNone) {
  EXPECT_TRUE(Run(1).applied);
  io_.on_send = [this](ByteView datagram) {
    io_.queue.push_back({MakeAnswer(MessagesOf(datagram).back().sequence, 0), 99, false, 0});
    io_.queue.push_back({MakeAnswer(MessagesOf(datagram)[1].sequence, EEXIST), 99, false, 0});
  };
  const TransactionReport report = Run(2);
  EXPECT_FALSE(report.applied);
  EXPECT_TRUE(report.errors.empty());
  EXPECT_TRUE(report.failure->outcome_unknown);
}

TEST_F(TransactionFailureTest, InterruptedCallIsRepeatedWhicheverItIs) {
  for (unsigned call = 0; call < 10; ++call) {
    Reopen();
    io_.calls = 0;
    io_.interrupted_call = call;
    commits_ = 0;
    EXPECT_TRUE(Run(3).applied) << call;
    EXPECT_EQ(commits_, 2) << "probe and transaction, once each";
  }
}

TEST_F(TransactionFailureTest, NothingIsSentAfterTheDeadline) {
  EXPECT_TRUE(Run(1).applied);
  options_.deadline = In(-1);
  const TransactionReport report = Run(1);
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(report.failure->code, ETIMEDOUT);
  EXPECT_FALSE(report.failure->outcome_unknown);
  EXPECT_EQ(batches_, 2);
}

TEST_F(TransactionFailureTest, FailedSendIsKnownToHaveDoneNothing) {
  EXPECT_TRUE(Run(1).applied);
  io_.send_error = ENOBUFS;
  const TransactionReport report = Run(1);
  EXPECT_FALSE(report.applied);
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(report.failure->code, ENOBUFS);
  EXPECT_FALSE(report.failure->outcome_unknown);
}

}  // namespace
}  // namespace netplane
