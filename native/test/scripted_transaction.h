// A scripted kernel that works as nfnetlink_rcv_batch does: evaluates all messages, then commits or aborts, then answers.
#ifndef NETPLANE_TEST_SCRIPTED_TRANSACTION_H_
#define NETPLANE_TEST_SCRIPTED_TRANSACTION_H_

#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "netlink/transaction.h"
#include "test/scripted_io.h"

namespace netplane {

inline constexpr uint16_t kTestType = 10 << 8;

inline Status EncodeTestOperation(uint32_t index, const SequenceSource& next, MessageWriter& writer) {
  const nfgenmsg header{};
  writer.Begin(kTestType, NLM_F_REQUEST, next());
  writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
  writer.PutInteger<uint32_t>(1, index);
  writer.End();
  return std::nullopt;
}

class TransactionTest : public testing::Test {
 protected:
  TransactionTest() {
    io_.on_send = [this](ByteView datagram) { Answer(datagram); };
    socket_ = OpenScripted(io_);
  }

  // The scripted kernel's behaviour, by the position of the message between BEGIN and END.
  bool acknowledges_end_ = true;
  int whole_error_ = 0;
  int commit_error_ = 0;
  std::function<int(uint32_t position)> refuse_ = [](uint32_t) { return 0; };
  std::vector<Bytes> echoes_;
  int batches_ = 0;
  int commits_ = 0;

  void Answer(ByteView datagram) {
    const auto messages = MessagesOf(datagram);
    ++batches_;
    ASSERT_EQ(messages[0].type, NFNL_MSG_BATCH_BEGIN);
    if (whole_error_ != 0) return io_.Queue(MakeAnswer(messages[0].sequence, whole_error_));
    std::vector<Bytes> answers;
    bool failed = false, ended = false;
    for (uint32_t i = 1; i < messages.size() && !ended; ++i) {
      const Message& message = messages[i];
      ended = message.type == NFNL_MSG_BATCH_END;
      const int code = ended ? 0 : refuse_(i - 1);
      failed |= code != 0;
      const bool wants_ack = (message.flags & NLM_F_ACK) && (!ended || (acknowledges_end_ && !failed && commit_error_ == 0));
      if (code != 0 || wants_ack) answers.push_back(MakeAnswer(message.sequence, code, "", code == 0 ? std::nullopt : std::optional(20u)));
    }
    if (ended && !failed && commit_error_ != 0 && messages.size() > 2) io_.Queue(MakeAnswer(messages[1].sequence, commit_error_));
    if (ended && !failed && commit_error_ == 0) {
      ++commits_;
      for (const Bytes& echo : echoes_) io_.Queue(echo);
    }
    for (Bytes& answer : answers) io_.Queue(std::move(answer));
  }

  // As another client: nothing is known of the kernel.
  void Reopen() {
    socket_ = OpenScripted(io_);
    answers_ = {};
  }

  TransactionReport Run(uint32_t count, const OperationEncoder& encode = EncodeTestOperation) {
    return RunTransaction(*socket_, count, encode, options_, &messages_);
  }

  ScriptedIo io_;
  std::unique_ptr<Socket> socket_;
  BatchAnswers answers_;
  TransactionOptions options_{In(10'000), 10, std::nullopt, false, nullptr, &answers_};
  Bytes messages_;
};

}  // namespace netplane

#endif  // NETPLANE_TEST_SCRIPTED_TRANSACTION_H_
