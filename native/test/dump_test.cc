// Dumps and requests against scripted replies.
#include "netlink/dump.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>

#include "test/scripted_io.h"

namespace netplane {
namespace {

constexpr uint16_t kType = 100;

class DumpTest : public testing::Test {
 protected:
  DumpTest() {
    socket_ = OpenScripted(io_);
    io_.on_send = [this](ByteView datagram) {
      const auto messages = MessagesOf(datagram);
      ASSERT_EQ(messages.size(), 1u);
      flags_ = messages[0].flags;
      sequence_ = messages[0].sequence;
      ++requests_;
      answer_();
    };
  }

  Bytes Item(uint8_t value, uint16_t flags = 0) const {
    return MakeMessage(kType, static_cast<uint16_t>(NLM_F_MULTI | flags), sequence_, Bytes{value, 0, 0, 0});
  }

  Status Dump(int retries = 3, int milliseconds = 10'000) {
    DumpOptions options;
    options.deadline = In(milliseconds);
    options.retries = retries;
    options.restart = [this] { values_.clear(); };
    return RunDump(*socket_, Encode, Take(), options);
  }
  Status Request(int milliseconds = 10'000) { return RunRequest(*socket_, Encode, Take(), In(milliseconds)); }

  static void Encode(uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(kType, flags, sequence);
    writer.End();
  }
  ReplyHandler Take() {
    return [this](const Message& message) -> Status {
      values_.push_back(message.body[0]);
      if (message.body[0] == 99) return Error{EDOM, "decode", ""};
      return std::nullopt;
    };
  }

  ScriptedIo io_;
  std::unique_ptr<Socket> socket_;
  std::function<void()> answer_ = [] {};
  uint16_t flags_ = 0;
  uint32_t sequence_ = 0;
  int requests_ = 0;
  std::vector<int> values_;
};

TEST_F(DumpTest, HandsOverEverythingUntilDone) {
  answer_ = [this] {
    io_.Queue(Join({Item(1), Item(2)}));
    io_.queue.push_back({Item(66), 4711, false, 0});
    io_.Queue(MakeMessage(kType, 0, sequence_ + 1, Bytes(4)));
    io_.Queue(MakeMessage(NLMSG_NOOP, 0, sequence_));
    io_.Queue(Join({Item(3), MakeDone(sequence_), Item(67)}));
  };
  EXPECT_FALSE(Dump());
  EXPECT_EQ(values_, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(flags_, NLM_F_REQUEST | NLM_F_DUMP);
}

TEST_F(DumpTest, ReadsDatagramsOfUpTo64KiB) {
  answer_ = [this] {
    Bytes body(65'000);
    body[0] = 7;
    io_.Queue(MakeMessage(kType, NLM_F_MULTI, sequence_, body));
    for (int i = 0; i < 200; ++i) io_.Queue(Item(1));
    io_.Queue(MakeDone(sequence_));
  };
  EXPECT_FALSE(Dump());
  EXPECT_EQ(values_.size(), 201u);
  EXPECT_EQ(values_[0], 7);
}

TEST_F(DumpTest, InterruptedDumpIsRepeated) {
  for (const int where : {0, 1, 2}) {
    requests_ = 0;
    answer_ = [this, where] {
      const bool is_first = requests_ == 1;
      const uint16_t flag = is_first ? NLM_F_DUMP_INTR : 0;
      io_.Queue(Item(1, where == 0 ? flag : 0));
      if (is_first) io_.Queue(Item(2));
      io_.Queue(MakeDone(sequence_, where == 2 && is_first ? EINTR : 0, where == 1 ? flag : 0));
    };
    EXPECT_FALSE(Dump());
    EXPECT_EQ(requests_, 2);
    EXPECT_EQ(values_, (std::vector<int>{1})) << "what the first attempt collected must be gone";
  }
}

TEST_F(DumpTest, DumpThatIsAlwaysInterruptedIsAnError) {
  answer_ = [this] { io_.Queue(Join({Item(1, NLM_F_DUMP_INTR), MakeDone(sequence_)})); };
  const Status status = Dump(3);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, EINTR);
  EXPECT_EQ(requests_, 4);
}

TEST_F(DumpTest, IncompleteDumpIsAnError) {
  const std::vector<std::pair<std::function<void()>, int>> cases = {
      {[this] { io_.QueueError(ENOBUFS); }, ENOBUFS},
      {[this] { io_.QueueError(EIO); }, EIO},
      {[this] {
         io_.queue.push_back({Item(2), 0, true, 0});
       },
       EMSGSIZE},
      {[this] { io_.Queue(MakeMessage(NLMSG_OVERRUN, 0, sequence_)); }, ENOBUFS},
      {[this] { io_.Queue(MakeAnswer(sequence_, EBUSY)); }, EBUSY},
      {[this] { io_.Queue(MakeDone(sequence_, ENOENT)); }, ENOENT},
      {[this] { io_.Queue(MakeMessage(NLMSG_DONE, NLM_F_MULTI, sequence_)); }, EPROTO},
      {[this] { io_.Queue(MakeMessage(NLMSG_ERROR, 0, sequence_, Bytes(4))); }, EPROTO},
      {[this] { io_.Queue(Item(99)); }, EDOM},
      {[] {}, ETIMEDOUT},
  };
  for (const auto& [bad, code] : cases) {
    answer_ = [this, &bad = bad] {
      io_.Queue(Item(1));
      bad();
    };
    const Status status = Dump(3, 20);
    ASSERT_TRUE(status) << code;
    EXPECT_EQ(status->code, code);
    EXPECT_FALSE(status->outcome_unknown);
  }
}

TEST_F(DumpTest, LeftoversOfAFailedDumpAreNotTheNextOnes) {
  answer_ = [this] { io_.Queue(Join({Item(99), Item(5), MakeDone(sequence_)})); };
  EXPECT_TRUE(Dump());
  for (int i = 0; i < 100; ++i) io_.Queue(Item(6));
  answer_ = [this] {
    EXPECT_TRUE(io_.queue.empty()) << "the kernel would refuse a second dump beside the first with EBUSY";
    io_.Queue(Join({Item(1), MakeDone(sequence_)}));
  };
  EXPECT_FALSE(Dump());
  EXPECT_EQ(values_, (std::vector<int>{1}));
}

TEST_F(DumpTest, EveryTruncationOfAReplyIsAnError) {
  sequence_ = 0;
  const size_t whole = Join({Item(1), Item(2), MakeDone(0)}).size();
  for (size_t length = 0; length < whole; ++length) {
    answer_ = [this, length] {
      Bytes reply = Join({Item(1), Item(2), MakeDone(sequence_)});
      reply.resize(length);
      io_.Queue(reply);
    };
    const Status status = Dump(3, 2);
    ASSERT_TRUE(status) << length;
    EXPECT_TRUE(status->code == EPROTO || status->code == ETIMEDOUT) << status->code;
  }
}

TEST_F(DumpTest, InterruptedCallIsRepeatedWhicheverItIs) {
  answer_ = [this] {
    io_.Queue(Item(1));
    io_.Queue(MakeDone(sequence_));
  };
  for (unsigned call = 0; call < 6; ++call) {
    io_.calls = 0;
    io_.interrupted_call = call;
    EXPECT_FALSE(Dump()) << call;
    EXPECT_EQ(values_, (std::vector<int>{1}));
  }
}

TEST_F(DumpTest, RequestEndsAtItsAck) {
  answer_ = [this] {
    // As ctnetlink answers: NLM_F_MULTI, but no DONE.
    io_.Queue(Item(4));
    io_.Queue(MakeAnswer(sequence_, 0));
  };
  EXPECT_FALSE(Request());
  EXPECT_EQ(flags_, NLM_F_REQUEST | NLM_F_ACK);
  EXPECT_EQ(values_, (std::vector<int>{4}));
}

TEST_F(DumpTest, RefusedRequestSaysWhatTheKernelSaid) {
  answer_ = [this] { io_.Queue(MakeAnswer(sequence_, EINVAL, "bad attribute")); };
  const Status status = Request();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, EINVAL);
  EXPECT_EQ(status->message, "bad attribute");
  EXPECT_FALSE(status->outcome_unknown);
}

TEST_F(DumpTest, RequestWithoutAnAckHasAnUnknownOutcome) {
  const std::vector<std::pair<std::function<void()>, int>> cases = {
      {[] {}, ETIMEDOUT}, {[this] { io_.QueueError(ENOBUFS); }, ENOBUFS}, {[this] { io_.Queue(Bytes(5)); }, EPROTO}};
  for (const auto& [answer, code] : cases) {
    answer_ = answer;
    const auto start = Clock::now();
    const Status status = Request(30);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->code, code);
    EXPECT_TRUE(status->outcome_unknown);
    EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
    if (code == ETIMEDOUT) {
      EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(30));
    }
  }
}

TEST_F(DumpTest, FailedSendIsKnownToHaveDoneNothing) {
  io_.send_error = ECONNREFUSED;
  const Status status = Request();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, ECONNREFUSED);
  EXPECT_FALSE(status->outcome_unknown);
}

}  // namespace
}  // namespace netplane
