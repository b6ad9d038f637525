// Transactions that a scripted kernel commits or refuses.
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "test/scripted_transaction.h"

namespace netplane {
namespace {

TEST_F(TransactionTest, OneBatchBetweenBeginAndEndAfterOneProbe) {
  options_.generation = 7;
  for (int i = 0; i < 3; ++i) {
    const TransactionReport report = Run(3);
    EXPECT_TRUE(report.applied);
    EXPECT_FALSE(report.failure);
    EXPECT_FALSE(report.replies_lost);
  }
  ASSERT_EQ(io_.sent.size(), 4u);
  EXPECT_EQ(MessagesOf(io_.sent[0]).size(), 2u) << "the probe is empty";
  EXPECT_EQ(messages_, io_.sent[3]);
  const auto messages = MessagesOf(messages_);
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[0].type, NFNL_MSG_BATCH_BEGIN);
  EXPECT_EQ(messages[4].type, NFNL_MSG_BATCH_END);
  const Bytes header = {0, 0, 0, 10};
  EXPECT_TRUE(std::equal(header.begin(), header.end(), messages[0].body.begin()));
  auto generation = messages[0].Attributes(sizeof(nfgenmsg)).Next();
  ASSERT_TRUE(generation);
  EXPECT_EQ(generation->type, 1);
  EXPECT_EQ(generation->Integer<uint32_t>(ByteOrder::kBig), 7u);
  for (size_t i = 1; i < 5; ++i) EXPECT_EQ(messages[i].sequence, messages[0].sequence + i);
}

TEST_F(TransactionTest, OlderKernelIsBelievedWithoutTheAckOfEnd) {
  acknowledges_end_ = false;
  EXPECT_TRUE(Run(3).applied);
  EXPECT_TRUE(Run(0).applied);
  EXPECT_EQ(answers_.acknowledges_end, false);
  EXPECT_EQ(commits_, 3);
}

TEST_F(TransactionTest, RefusalAtEveryPositionIsReportedAtThatPosition) {
  for (const bool acknowledges_end : {true, false}) {
    acknowledges_end_ = acknowledges_end;
    Reopen();
    for (uint32_t refused = 0; refused < 12; ++refused) {
      refuse_ = [refused](uint32_t position) { return position == refused ? ENOENT : 0; };
      const TransactionReport report = Run(12);
      EXPECT_FALSE(report.applied);
      EXPECT_FALSE(report.failure);
      ASSERT_EQ(report.errors.size(), 1u);
      EXPECT_EQ(report.errors[0].index, refused);
      EXPECT_EQ(report.errors[0].code, ENOENT);
      EXPECT_EQ(report.errors[0].offset, 20u);
    }
  }
}

TEST_F(TransactionTest, EveryRefusalIsReportedLowestFirst) {
  refuse_ = [](uint32_t) { return EEXIST; };
  const TransactionReport report = Run(5'000);
  ASSERT_EQ(report.errors.size(), 5'000u);
  for (uint32_t i = 0; i < 5'000; ++i) ASSERT_EQ(report.errors[i].index, i);
  EXPECT_FALSE(report.applied);
  EXPECT_FALSE(report.replies_lost);
}

TEST_F(TransactionTest, RefusalNamesThePartOfAnOperation) {
  // Operation i is i messages.
  const auto encode = [](uint32_t index, const SequenceSource& next, MessageWriter& writer) -> Status {
    for (uint32_t part = 0; part < index; ++part) EXPECT_FALSE(EncodeTestOperation(part, next, writer));
    return std::nullopt;
  };
  refuse_ = [](uint32_t position) { return position == 4 || position == 9 ? EINVAL : 0; };
  const TransactionReport report = Run(5, encode);
  ASSERT_EQ(report.errors.size(), 2u);
  EXPECT_EQ(report.errors[0].index, 3u);
  EXPECT_EQ(report.errors[0].part, 1u);
  EXPECT_EQ(report.errors[1].index, 4u);
  EXPECT_EQ(report.errors[1].part, 3u);
}

TEST_F(TransactionTest, EchoesAreHandedOverAndAreNoAnswers) {
  EXPECT_TRUE(Run(1).applied);
  uint32_t first = 0;
  const auto encode = [&](uint32_t index, const SequenceSource& next, MessageWriter& writer) -> Status {
    const SequenceSource record = [&] {
      const uint32_t sequence = next();
      if (index == 0) first = sequence;
      if (index == 2) echoes_ = {Join({MakeMessage(kTestType, 0, first, Bytes(4)), MakeMessage(kTestType, 0, first + 2, Bytes(4))})};
      return sequence;
    };
    return EncodeTestOperation(index, record, writer);
  };
  std::vector<uint32_t> echoed;
  options_.echo = [&](uint32_t index, const Message& message) {
    EXPECT_EQ(message.type, kTestType);
    echoed.push_back(index);
  };
  EXPECT_TRUE(Run(3, encode).applied);
  EXPECT_EQ(echoed, (std::vector<uint32_t>{0, 2}));
}

TEST_F(TransactionTest, DryRunHasNoEndAndNeedsNoProbe) {
  options_.dry_run = true;
  EXPECT_TRUE(Run(3).applied);
  EXPECT_EQ(commits_, 0);
  ASSERT_EQ(io_.sent.size(), 1u);
  EXPECT_EQ(MessagesOf(io_.sent[0]).back().type, kTestType);
  refuse_ = [](uint32_t position) { return position == 1 ? ENOENT : 0; };
  const TransactionReport report = Run(3);
  EXPECT_FALSE(report.applied);
  ASSERT_EQ(report.errors.size(), 1u);
  EXPECT_EQ(report.errors[0].index, 1u);
}

TEST_F(TransactionTest, WhatCannotBeWrittenIsNotSent) {
  const std::vector<std::pair<OperationEncoder, int>> wrong = {
      {[](uint32_t, const SequenceSource&, MessageWriter&) -> Status {
         return Error{ERANGE, "encode", "out of range"};
       },
       ERANGE},
      {[](uint32_t index, const SequenceSource& next, MessageWriter& writer) -> Status {
         EXPECT_FALSE(EncodeTestOperation(index, next, writer));
         writer.Put(1, Bytes(65'536));
         return std::nullopt;
       },
       EMSGSIZE},
      {[](uint32_t, const SequenceSource& next, MessageWriter& writer) -> Status {
         writer.Begin(kTestType, NLM_F_REQUEST, next());
         writer.End();
         return std::nullopt;
       },
       EINVAL},
      {[](uint32_t, const SequenceSource& next, MessageWriter&) -> Status {
         next();
         return std::nullopt;
       },
       EINVAL},
  };
  for (const auto& [encode, code] : wrong) {
    const auto second = [&encode = encode](uint32_t index, const SequenceSource& next, MessageWriter& writer) {
      return index == 1 ? encode(index, next, writer) : EncodeTestOperation(index, next, writer);
    };
    const TransactionReport report = Run(3, second);
    EXPECT_FALSE(report.applied);
    ASSERT_EQ(report.errors.size(), 1u);
    EXPECT_EQ(report.errors[0].index, 1u);
    EXPECT_EQ(report.errors[0].code, code);
    EXPECT_TRUE(io_.sent.empty());
  }
}

TEST_F(TransactionTest, SequenceNumbersOfOneBatchStayConsecutiveAtTheEndOfTheRange) {
  socket_->TakeSequences(UINT32_MAX - 4);
  refuse_ = [](uint32_t position) { return position == 8 ? EEXIST : 0; };
  const TransactionReport report = Run(10);
  ASSERT_EQ(report.errors.size(), 1u);
  EXPECT_EQ(report.errors[0].index, 8u);
}

}  // namespace
}  // namespace netplane
