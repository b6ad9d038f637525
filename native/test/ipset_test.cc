// Names of sets against a scripted kernel: what is asked, and what answers are taken for.
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink.h>

#include "ipset/sets.h"
#include "test/records.h"
#include "test/scripted_io.h"

namespace netplane::ipset {
namespace {

constexpr uint16_t kGetByName = 0x060e;
constexpr uint16_t kGetByIndex = 0x060f;

// An answer: struct nfgenmsg, the protocol, and one attribute.
Bytes Answer(uint16_t type, uint32_t sequence, uint16_t attribute, ByteView payload) {
  Bytes out;
  MessageWriter writer(out);
  writer.Begin(type, 0, sequence);
  writer.PutHeader(Bytes(sizeof(nfgenmsg)));
  writer.PutInteger<uint8_t>(1, 7);
  writer.Put(attribute, payload);
  writer.End();
  return out;
}

class IpsetTest : public testing::Test {
 protected:
  IpsetTest() {
    socket_ = OpenScripted(io_);
    io_.on_send = [this](ByteView datagram) {
      for (const Message& message : MessagesOf(datagram)) {
        type_ = message.type;
        body_ = Bytes(message.body.begin(), message.body.end());
        if (code_ == 0 && is_answered_) io_.Queue(Answer(message.type, message.sequence, attribute_, payload_));
        io_.Queue(MakeAnswer(message.sequence, code_));
      }
    };
  }

  ScriptedIo io_;
  std::unique_ptr<Socket> socket_;
  int code_ = 0;
  bool is_answered_ = true;
  uint16_t attribute_ = 11;
  Bytes payload_ = {1, 2};
  uint16_t type_ = 0;
  Bytes body_;
};

TEST_F(IpsetTest, AsksForAnIndexByName) {
  const auto index = FindIndex(*socket_, "web", In(5'000));
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(index.value(), 0x0102) << "in network order";
  EXPECT_EQ(type_, kGetByName);
  EXPECT_EQ(ToHex(body_),
            "00000000"
            "0500010007000000"
            "0800020077656200");
}

TEST_F(IpsetTest, AsksForANameByIndex) {
  attribute_ = 2;
  payload_ = {'b', 'a', 'd', ' ', 'o', 'n', 'e', 's', 0, 'x'};
  const auto name = FindName(*socket_, 0x0102, In(5'000));
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name.value(), "bad ones");
  EXPECT_EQ(type_, kGetByIndex);
  EXPECT_EQ(ToHex(body_),
            "00000000"
            "0500010007000000"
            "06000b0001020000");
}

TEST_F(IpsetTest, SaysWhatWasRefused) {
  code_ = ENOENT;
  const auto index = FindIndex(*socket_, "none", In(5'000));
  ASSERT_FALSE(index.ok());
  EXPECT_EQ(index.error().code, ENOENT);
  EXPECT_EQ(index.error().operation, "IPSET_CMD_GET_BYNAME");
  const auto name = FindName(*socket_, 7, In(5'000));
  ASSERT_FALSE(name.ok());
  EXPECT_EQ(name.error().operation, "IPSET_CMD_GET_BYINDEX");
}

TEST_F(IpsetTest, TakesNoAnswerForAnError) {
  is_answered_ = false;
  EXPECT_EQ(FindIndex(*socket_, "web", In(5'000)).error().code, EPROTO);
  EXPECT_EQ(FindName(*socket_, 1, In(5'000)).error().code, EPROTO);
}

TEST_F(IpsetTest, RefusesMalformedIndices) {
  for (const Bytes& payload : {Bytes{}, Bytes{1}, Bytes{1, 2, 3}}) {
    payload_ = payload;
    EXPECT_EQ(FindIndex(*socket_, "web", In(5'000)).error().code, EPROTO);
  }
  attribute_ = 2;
  payload_ = {1, 2};
  EXPECT_EQ(FindIndex(*socket_, "web", In(5'000)).error().code, EPROTO) << "an attribute of another type";
}

TEST_F(IpsetTest, RefusesMalformedNames) {
  attribute_ = 2;
  for (const Bytes& payload : {Bytes{}, Bytes{0}, Bytes(32, 'x')}) {
    payload_ = payload;
    EXPECT_EQ(FindName(*socket_, 1, In(5'000)).error().code, EPROTO);
  }
  payload_ = Bytes(31, 'x');
  EXPECT_EQ(FindName(*socket_, 1, In(5'000)).value(), std::string(31, 'x'));
}

TEST(IpsetDecodeTest, RefusesWhatIsCut) {
  const Bytes payload = {0, 5};
  const Bytes answer = Answer(kGetByName, 1, 11, payload);
  for (size_t length = 16; length < answer.size() - 2; ++length) {
    Bytes cut(answer.begin(), answer.begin() + static_cast<ptrdiff_t>(length));
    Store(cut.data(), static_cast<uint32_t>(length), ByteOrder::kHost);
    for (const Message& message : MessagesOf(cut)) EXPECT_EQ(DecodeIndex(message), std::nullopt) << length;
  }
  EXPECT_EQ(DecodeIndex(MessagesOf(answer)[0]), 5);
  EXPECT_EQ(DecodeName(MessagesOf(answer)[0]), std::nullopt) << "the answer to the other question";
}

}  // namespace
}  // namespace netplane::ipset
