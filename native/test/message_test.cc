// Messages and attributes: written, read back, cut, and lied about.
#include <gtest/gtest.h>
#include <linux/netlink.h>

#include "netlink/attribute_reader.h"
#include "netlink/batch.h"
#include "netlink/message_writer.h"
#include "test/scripted_io.h"

namespace netplane {
namespace {

TEST(MessageWriterTest, WritesWhatTheReaderReads) {
  Bytes bytes;
  MessageWriter writer(bytes);
  writer.Begin(7, NLM_F_REQUEST, 42);
  const uint8_t header[3] = {1, 2, 3};
  writer.PutHeader(header);
  writer.PutString(1, "text");
  writer.PutInteger<uint32_t>(2, 0x01020304, ByteOrder::kBig);
  const size_t nest = writer.BeginNest(3);
  writer.PutFlag(4);
  writer.Put(5, Bytes{9});
  EXPECT_EQ(writer.NestLength(nest), 12u);
  writer.EndNest(nest);
  writer.End();
  ASSERT_FALSE(writer.overflowed());
  EXPECT_EQ(bytes.size() % 4, 0u);

  const auto messages = MessagesOf(bytes);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].type, 7);
  EXPECT_EQ(messages[0].sequence, 42u);
  auto reader = messages[0].Attributes(3);
  auto attribute = reader.Next();
  EXPECT_EQ(attribute->Text(), "text");
  EXPECT_EQ(attribute->payload.size(), 5u) << "with its NUL";
  attribute = reader.Next();
  EXPECT_EQ(attribute->Integer<uint32_t>(ByteOrder::kBig), 0x01020304u);
  EXPECT_FALSE(attribute->Integer<uint64_t>());
  attribute = reader.Next();
  EXPECT_EQ(attribute->type, 3) << "without NLA_F_NESTED";
  AttributeReader nested(attribute->payload);
  EXPECT_EQ(nested.Next()->type, 4);
  EXPECT_EQ(nested.Next()->payload[0], 9);
  EXPECT_FALSE(nested.Next());
  EXPECT_FALSE(nested.malformed());
  EXPECT_FALSE(reader.Next());
  EXPECT_FALSE(reader.malformed());
}

TEST(MessageWriterTest, LengthOf16BitsNeverWraps) {
  for (const size_t length : {65'531u, 65'532u}) {
    const bool fits = length == 65'531u;
    Bytes bytes;
    MessageWriter writer(bytes);
    writer.Begin(1, 0, 1);
    writer.Put(1, Bytes(length));
    EXPECT_EQ(writer.overflowed(), !fits);
    MessageWriter text(bytes);
    text.PutString(1, std::string(length - 1, 'x'));
    EXPECT_EQ(text.overflowed(), !fits);
  }
  Bytes bytes;
  MessageWriter writer(bytes);
  const size_t nest = writer.BeginNest(1);
  writer.Put(2, Bytes(40'000));
  writer.Put(2, Bytes(40'000));
  EXPECT_FALSE(writer.overflowed());
  writer.EndNest(nest);
  EXPECT_TRUE(writer.overflowed());
}

TEST(AttributeReaderTest, EveryTruncationIsMalformedOrShorter) {
  Bytes whole;
  MessageWriter writer(whole);
  writer.Put(1, Bytes(5));
  writer.Put(2, Bytes(8));
  for (size_t length = 0; length < whole.size(); ++length) {
    // A copy of its own, so that AddressSanitizer sees a read past its end.
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    AttributeReader reader(cut);
    size_t count = 0;
    while (auto attribute = reader.Next()) ++count;
    EXPECT_EQ(count, length < 9 ? 0u : 1u) << length;
    // Padding after the last attribute may be missing.
    EXPECT_EQ(reader.malformed(), length != 0 && (length < 9 || length > 12)) << length;
  }
}

TEST(AttributeReaderTest, ImpossibleLengthsEndTheWalk) {
  for (const uint16_t length : std::initializer_list<uint16_t>{0, 1, 3, 9, 65'535}) {
    Bytes bytes(8);
    Store(bytes.data(), length);
    AttributeReader reader(bytes);
    EXPECT_FALSE(reader.Next());
    EXPECT_TRUE(reader.malformed());
    EXPECT_FALSE(reader.Next()) << "and stays ended";
  }
}

TEST(MessageReaderTest, ImpossibleLengthsEndTheWalk) {
  for (const uint32_t length : {0u, 4u, 15u, 17u, 0x7fffffffu, 0xffffffffu}) {
    Bytes bytes = MakeMessage(1, 0, 1);
    Store(bytes.data(), length);
    MessageReader reader(bytes);
    EXPECT_FALSE(reader.Next());
    EXPECT_TRUE(reader.malformed());
  }
  EXPECT_FALSE(Message{}.Attributes(16).Next()) << "a header that is not there";
}

TEST(AcknowledgementTest, ReadsTextAndOffset) {
  const Bytes bytes = MakeAnswer(5, EINVAL, "no such thing", 28u);
  const auto answer = ReadAcknowledgement(MessagesOf(bytes)[0]);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->code, EINVAL);
  EXPECT_EQ(answer->message, "no such thing");
  EXPECT_EQ(answer->offset, 28u);
}

TEST(AcknowledgementTest, SkipsARequestThatIsEchoedWhole) {
  Bytes body(sizeof(nlmsgerr) + 8);
  Store<uint32_t>(body.data(), static_cast<uint32_t>(-EINVAL));
  Store<uint32_t>(body.data() + 4, sizeof(nlmsghdr) + 8);
  MessageWriter writer(body);
  writer.PutString(NLMSGERR_ATTR_MSG, "text");
  const Bytes bytes = MakeMessage(NLMSG_ERROR, NLM_F_ACK_TLVS, 1, body);
  EXPECT_EQ(ReadAcknowledgement(MessagesOf(bytes)[0])->message, "text");
  for (const uint32_t lie : {0u, 15u, 4'000u, 0xffffffffu}) {
    Store<uint32_t>(body.data() + 4, lie);
    const Bytes lying = MakeMessage(NLMSG_ERROR, NLM_F_ACK_TLVS, 1, body);
    const auto answer = ReadAcknowledgement(MessagesOf(lying)[0]);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->code, EINVAL);
    EXPECT_TRUE(answer->message.empty());
  }
}

TEST(AcknowledgementTest, WhatIsNoErrnoIsNoAcknowledgement) {
  for (const int32_t code : {1, INT32_MAX, INT32_MIN}) {
    Bytes body(sizeof(nlmsgerr));
    Store<uint32_t>(body.data(), static_cast<uint32_t>(code));
    const Bytes bytes = MakeMessage(NLMSG_ERROR, 0, 1, body);
    EXPECT_FALSE(ReadAcknowledgement(MessagesOf(bytes)[0]));
  }
  for (size_t length = 0; length < sizeof(nlmsgerr); length += 4) {
    const Bytes bytes = MakeMessage(NLMSG_ERROR, 0, 1, Bytes(length));
    EXPECT_FALSE(ReadAcknowledgement(MessagesOf(bytes)[0])) << length;
  }
}

TEST(CountMessagesTest, CountsWhatTheKernelWouldRead) {
  const Bytes two = Join({MakeMessage(1, 0, 1, Bytes(4)), MakeMessage(1, 0, 2, Bytes(8))});
  EXPECT_EQ(CountMessages(two, 4), 2u);
  EXPECT_FALSE(CountMessages(two, 8)) << "the first is shorter than its header";
  EXPECT_EQ(CountMessages({}, 4), 0u);
  for (size_t length = 1; length < two.size(); ++length) {
    if (length == 20) continue;
    EXPECT_FALSE(CountMessages(ByteView(two).first(length), 4)) << length;
  }
}

}  // namespace
}  // namespace netplane
