// Expectations against a scripted kernel: what is written, and with which flags.
#include <gtest/gtest.h>
#include <linux/netlink.h>

#include "conntrack/kernel.h"
#include "conntrack/records.h"
#include "conntrack/schemas.h"
#include "test/records.h"
#include "test/scripted_io.h"

namespace netplane::conntrack {
namespace {

HeaderedRecord Expected() {
  Record record = Make(kExpectationSchema, {{"timeoutSeconds", Num(77)},
                                            {"helper", Str("ftp")},
                                            {"zone", Num(3)},
                                            {"flags", Names({"permanent", "inactive"})},
                                            {"class", Num(1)},
                                            {"function", Str("nat-follow-master")}});
  return {AF_INET, 0, std::move(record)};
}

class ConntrackRecordsTest : public testing::Test {
 protected:
  ConntrackRecordsTest() {
    socket_ = OpenScripted(io_);
    io_.on_send = [this](ByteView datagram) {
      for (const Message& message : MessagesOf(datagram)) {
        type_ = message.type;
        flags_ = message.flags;
        body_ = Bytes(message.body.begin(), message.body.end());
        io_.Queue(MakeAnswer(message.sequence, code_));
      }
    };
  }

  ScriptedIo io_;
  std::unique_ptr<Socket> socket_;
  int code_ = 0;
  uint16_t type_ = 0;
  uint16_t flags_ = 0;
  Bytes body_;
};

TEST_F(ConntrackRecordsTest, MakesAnExpectationOnlyWhereThereIsNone) {
  EXPECT_EQ(ChangeExpectation(*socket_, ExpectationVerb::kCreate, Expected(), In(5'000)), std::nullopt);
  EXPECT_EQ(type_, ExpectationMessage(IPCTNL_MSG_EXP_NEW));
  EXPECT_EQ(flags_ & (NLM_F_CREATE | NLM_F_EXCL), NLM_F_CREATE | NLM_F_EXCL);
  ASSERT_GE(body_.size(), sizeof(nfgenmsg));
  EXPECT_EQ(body_[0], AF_INET);
  // Attributes by number, each with its length, in network order.
  EXPECT_EQ(ToHex(ByteView(body_).subspan(sizeof(nfgenmsg))),
            "080004000000004d"
            "0800060066747000"
            "0600070000030000"
            "0800080000000003"
            "0800090000000001"
            "16000b006e61742d666f6c6c6f772d6d61737465720000"
            "00");
}

TEST_F(ConntrackRecordsTest, ChangesAndDeletesWhatIsThere) {
  EXPECT_EQ(ChangeExpectation(*socket_, ExpectationVerb::kUpdate, Expected(), In(5'000)), std::nullopt);
  EXPECT_EQ(type_, ExpectationMessage(IPCTNL_MSG_EXP_NEW));
  EXPECT_EQ(flags_ & (NLM_F_CREATE | NLM_F_EXCL), 0);
  EXPECT_EQ(ChangeExpectation(*socket_, ExpectationVerb::kDelete, Expected(), In(5'000)), std::nullopt);
  EXPECT_EQ(type_, ExpectationMessage(IPCTNL_MSG_EXP_DELETE));
  EXPECT_EQ(flags_ & (NLM_F_CREATE | NLM_F_EXCL), 0);
}

TEST_F(ConntrackRecordsTest, NamesWhatWasRefused) {
  code_ = ENOENT;
  const Status refused = ChangeExpectation(*socket_, ExpectationVerb::kCreate, Expected(), In(5'000));
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->code, ENOENT);
  EXPECT_EQ(refused->operation, "IPCTNL_MSG_EXP_NEW");
}

}  // namespace
}  // namespace netplane::conntrack
