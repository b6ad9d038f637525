// IPVS: bytes written, bytes read, bytes that are not what they say they are, and listings of what changes meanwhile.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>

#include "ipvs/commands.h"
#include "ipvs/connections.h"
#include "ipvs/list.h"
#include "ipvs/schemas.h"
#include "records.h"
#include "scripted_io.h"

namespace netplane::ipvs {
namespace {

constexpr uint16_t kFamily = 0x1c;

Bytes Parse(int family, const char* text) {
  uint8_t bytes[16] = {};
  EXPECT_EQ(inet_pton(family, text, bytes), 1) << text;
  return Bytes(bytes, bytes + (family == AF_INET ? 4 : 16));
}

void AddService(ColumnSet& columns, uint8_t family, const char* address, uint16_t port) {
  columns.Add<uint8_t>(kServiceFamily, family);
  columns.Add<uint8_t>(kServiceProtocol, 6);
  columns.AddFixed(kServiceAddress, Parse(family, address));
  columns.Add<uint16_t>(kServicePort, port);
  columns.Add<uint32_t>(kServiceFwmark, 0);
  columns.AddSymbol(kServiceScheduler, "wrr");
  columns.Add<uint32_t>(kServiceFlags, IP_VS_SVC_F_PERSISTENT);
  columns.Add<uint32_t>(kServiceTimeout, 300);
  columns.Add<uint32_t>(kServiceNetmask, family == AF_INET ? 0xffffff00 : 64);
  columns.AddSymbol(kServiceEngine, std::nullopt);
  columns.EndRow();
}

void AddServer(ColumnSet& columns, uint8_t family, const char* address, uint16_t port) {
  columns.Add<uint32_t>(kServerService, 0);
  columns.Add<uint8_t>(kServerFamily, family);
  columns.AddFixed(kServerAddress, Parse(family, address));
  columns.Add<uint16_t>(kServerPort, port);
  columns.Add<uint8_t>(kServerForwarding, IP_VS_CONN_F_TUNNEL);
  columns.Add<uint32_t>(kServerWeight, 5);
  columns.Add<uint32_t>(kServerUpper, 100);
  columns.Add<uint32_t>(kServerLower, 50);
  columns.Add<uint8_t>(kServerTunnelType, 1);
  columns.Add<uint16_t>(kServerTunnelPort, 6080);
  columns.Add<uint16_t>(kServerTunnelFlags, 1);
  columns.EndRow();
}

ColumnSet OneService(uint8_t family = AF_INET, const char* address = "10.96.0.1") {
  ColumnSet columns(kServiceColumns);
  AddService(columns, family, address, 80);
  return columns;
}

// The message that the kernel would answer with: what was written, under the command of the answer.
Bytes AsAnswer(Bytes message, uint8_t command, uint32_t sequence) {
  message[sizeof(nlmsghdr)] = command;
  Store<uint16_t>(message.data() + offsetof(nlmsghdr, nlmsg_flags), NLM_F_MULTI);
  Store<uint32_t>(message.data() + offsetof(nlmsghdr, nlmsg_seq), sequence);
  return message;
}

Bytes Written(const ColumnSet& services, Verb verb = Verb::kAdd) {
  Bytes bytes;
  MessageWriter writer(bytes);
  EncodeService(kFamily, verb, services, 0, 0, 7, writer);
  return bytes;
}

Bytes Written(const ColumnSet& services, const ColumnSet& servers, Verb verb = Verb::kAdd) {
  Bytes bytes;
  MessageWriter writer(bytes);
  EncodeServer(kFamily, verb, services, servers, 0, 0, 7, writer);
  return bytes;
}

TEST(IpvsService, IsWrittenInTheByteOrderOfEachAttribute) {
  // family u16, protocol u16, address, port big-endian, scheduler, timeout, flags and mask, netmask big-endian.
  EXPECT_EQ(ToHex(ByteView(Written(OneService())).subspan(sizeof(nlmsghdr))),
            "01010000480001800600010002000000060002000600000008000300"
            "0a6000010600040000500000080006007772720008000800"
            "2c0100000c000700010000003d000000"
            "08000900ffffff00");
}

TEST(IpvsService, RemovalCarriesTheKeyOnly) {
  const Bytes bytes = Written(OneService(), Verb::kRemove);
  EXPECT_EQ(bytes[sizeof(nlmsghdr)], IPVS_CMD_DEL_SERVICE);
  EXPECT_EQ(bytes.size(), sizeof(nlmsghdr) + 4 + 4 + 8 + 8 + 8 + 8);
}

TEST(IpvsService, ComesBackAsItWasWritten) {
  for (const auto& [family, address] : {std::pair<uint8_t, const char*>{AF_INET, "10.96.0.1"}, {AF_INET6, "fd00::1"}}) {
    const ColumnSet services = OneService(family, address);
    const Bytes bytes = Written(services);
    ColumnSet read(kServiceColumns);
    ASSERT_TRUE(DecodeService(MessagesOf(bytes)[0], false, read));
    EXPECT_EQ(Written(read), bytes);
    EXPECT_FALSE(read.has(kServiceStatistics));
  }
}

TEST(IpvsService, CutAnywhereIsMalformedAndAddsNothing) {
  const Bytes bytes = Written(OneService());
  for (size_t length = 0; length + sizeof(nlmsghdr) < bytes.size(); ++length) {
    Message message;
    message.body = ByteView(bytes).subspan(sizeof(nlmsghdr), length);
    ColumnSet read(kServiceColumns);
    EXPECT_FALSE(DecodeService(message, true, read)) << length;
    EXPECT_EQ(read.rows(), 0u);
  }
}

TEST(IpvsServer, NamesItsFamilyOnlyWhereTheServiceHasAnother) {
  ColumnSet same(kServerColumns), other(kServerColumns);
  AddServer(same, AF_INET, "10.0.0.1", 8080);
  AddServer(other, AF_INET6, "fd00::1", 8080);
  const auto family_of = [](const Bytes& bytes) {
    const Message message = MessagesOf(bytes)[0];
    AttributeReader top = message.Attributes(sizeof(genlmsghdr));
    std::optional<uint16_t> family;
    while (const auto outer = top.Next()) {
      AttributeReader reader(outer->payload);
      while (const auto attribute = reader.Next()) {
        if (outer->type == IPVS_CMD_ATTR_DEST && attribute->type == IPVS_DEST_ATTR_ADDR_FAMILY) family = attribute->Integer<uint16_t>();
      }
    }
    return family;
  };
  EXPECT_EQ(family_of(Written(OneService(), same)), std::nullopt);
  EXPECT_EQ(family_of(Written(OneService(), other)), AF_INET6);
}

TEST(IpvsServer, ComesBackAsItWasWritten) {
  ColumnSet servers(kServerColumns);
  AddServer(servers, AF_INET6, "fd00::1", 8080);
  const Bytes bytes = Written(OneService(), servers);
  ColumnSet read(kServerColumns);
  ASSERT_TRUE(DecodeServer(MessagesOf(bytes)[0], {0, AF_INET, true}, read));
  EXPECT_EQ(Written(OneService(), read), bytes);
  EXPECT_EQ(read.At<uint16_t>(kServerTunnelPort, 0), 6080);
  EXPECT_FALSE(read.has(kServerStatistics));
}

TEST(IpvsStatistics, ColumnsAreThereFromTheFirstNumberThatIsNotZero) {
  ColumnSet servers(kServerColumns);
  Bytes counted(sizeof(nlattr) + sizeof(uint64_t));
  Store<uint16_t>(counted.data(), static_cast<uint16_t>(counted.size()));
  Store<uint16_t>(counted.data() + sizeof(uint16_t), IPVS_STATS_ATTR_INPKTS);
  Store<uint64_t>(counted.data() + sizeof(nlattr), 7);
  constexpr size_t kIncomingPackets = kServerStatistics + 1;
  for (const Bytes& wide : {Bytes(), Bytes(), counted, Bytes()}) {
    AppendStatistics(wide, {}, kServerStatistics, servers);
    servers.EndRow();
    EXPECT_EQ(servers.has(kServerStatistics), servers.rows() > 2);
  }
  for (size_t column = kServerStatistics; column < kServerColumnCount; ++column) {
    ASSERT_EQ(servers[column].data.size(), 4 * sizeof(uint64_t));
    for (size_t row = 0; row < 4; ++row) EXPECT_EQ(servers.At<uint64_t>(column, row), row == 2 && column == kIncomingPackets ? 7u : 0u);
  }
}

// The nests of both messages behind the header of the first.
Bytes Joined(const Bytes& first, const Bytes& second) {
  constexpr size_t kHeaders = sizeof(nlmsghdr) + sizeof(genlmsghdr);
  Bytes joined = first;
  joined.insert(joined.end(), second.begin() + kHeaders, second.end());
  Store<uint32_t>(joined.data(), static_cast<uint32_t>(joined.size()));
  return joined;
}

TEST(IpvsService, OfANestThatComesTwiceTheLastCounts) {
  const ColumnSet last = OneService(AF_INET6, "fd00::1");
  ColumnSet with_engine = OneService();
  with_engine[kServiceEngine] = {};
  with_engine.AddSymbol(kServiceEngine, "sip");
  const Bytes bytes = Joined(Written(with_engine), Written(last));
  ColumnSet read(kServiceColumns);
  ASSERT_TRUE(DecodeService(MessagesOf(bytes)[0], false, read));
  EXPECT_EQ(Written(read), Written(last));
}

TEST(IpvsServer, OfANestThatComesTwiceTheLastCounts) {
  const ColumnSet service = OneService();
  ColumnSet first(kServerColumns);
  AddServer(first, AF_INET6, "fd00::2", 8080);
  ColumnSet last(kServerColumns);
  AddServer(last, AF_INET, "10.0.0.2", 80);
  const Bytes bytes = Joined(Written(service, first), Written(service, last));
  ColumnSet read(kServerColumns);
  ASSERT_TRUE(DecodeServer(MessagesOf(bytes)[0], {0, AF_INET, true}, read));
  EXPECT_EQ(Written(service, read), Written(service, last));
}

TEST(IpvsChange, RefusesColumnsThatNameNoService) {
  ScriptedIo io;
  const auto socket = OpenScripted(io);
  ColumnSet servers(kServerColumns);
  AddServer(servers, AF_INET, "10.0.0.1", 80);
  const BatchReport report = ChangeServers(*socket, kFamily, Verb::kAdd, ColumnSet(kServiceColumns), servers, {In(1000), false, {}});
  ASSERT_TRUE(report.stopped);
  EXPECT_EQ(report.stopped->message, "service of row 0");
  EXPECT_TRUE(io.sent.empty());
}

// Answers a dump of services with those of `rounds`, one after the other, and a dump of real servers with one.
class Listed : public testing::Test {
 protected:
  void SetUp() override {
    io_.on_send = [this](ByteView datagram) {
      const Message request = MessagesOf(datagram)[0];
      if (request.body[0] == IPVS_CMD_GET_DEST) {
        ++server_dumps_;
        ColumnSet servers(kServerColumns);
        AddServer(servers, AF_INET, "10.0.0.1", 80);
        for (int i = 0; i < datagrams_; ++i) {
          io_.Queue(AsAnswer(Written(OneService(), servers), IPVS_CMD_NEW_DEST, request.sequence));
        }
      } else if (round_ < rounds_.size()) {
        for (const char* address : rounds_[round_++]) {
          io_.Queue(AsAnswer(Written(OneService(AF_INET, address)), IPVS_CMD_NEW_SERVICE, request.sequence));
        }
      }
      io_.Queue(MakeDone(request.sequence));
    };
  }
  Result<Listing> Read() {
    ListRequest request;
    request.servers = true;
    request.deadline = In(1000);
    return List(*socket_, kFamily, request);
  }

  ScriptedIo io_;
  std::unique_ptr<Socket> socket_ = OpenScripted(io_);
  std::vector<std::vector<const char*>> rounds_;
  size_t round_ = 0;
  int datagrams_ = 1;
  int server_dumps_ = 0;
};

TEST_F(Listed, IsReadOnceWhereNothingChanges) {
  rounds_ = {{"10.0.0.1", "10.0.0.2"}, {"10.0.0.1", "10.0.0.2"}};
  auto listing = Read();
  ASSERT_TRUE(listing.ok());
  EXPECT_EQ(listing.value().services.at(0).rows(), 2u);
  EXPECT_EQ(listing.value().servers.at(0).rows(), 2u);
  EXPECT_EQ(listing.value().servers.at(0).At<uint32_t>(kServerService, 1), 1u);
  EXPECT_EQ(server_dumps_, 2);
}

TEST_F(Listed, IsReadAgainWhereAServiceWentMeanwhile) {
  rounds_ = {{"10.0.0.1", "10.0.0.2"}, {"10.0.0.2"}, {"10.0.0.2"}, {"10.0.0.2"}};
  auto listing = Read();
  ASSERT_TRUE(listing.ok());
  EXPECT_EQ(listing.value().services.at(0).rows(), 1u);
  EXPECT_EQ(server_dumps_, 3);
}

TEST_F(Listed, IsNoResultWhereARealServerIsListedTwice) {
  rounds_.assign(64, {"10.0.0.1"});
  datagrams_ = 2;
  const auto listing = Read();
  ASSERT_FALSE(listing.ok());
  EXPECT_EQ(listing.error().code, EINTR);
}

// The answer to the second message is the last: the first one's may be missing for ever (IPVS_CMD_DEL_DAEMON).
TEST(IpvsOrder, IsDoneWhenTheQuestionAfterItIsAnswered) {
  for (const int code : {0, ESRCH}) {
    ScriptedIo io;
    const auto socket = OpenScripted(io);
    io.on_send = [&](ByteView datagram) {
      const auto messages = MessagesOf(datagram);
      ASSERT_EQ(messages.size(), 2u);
      EXPECT_EQ(messages[0].body[0], IPVS_CMD_DEL_DAEMON);
      EXPECT_EQ(messages[1].body[0], IPVS_CMD_GET_INFO);
      if (code != 0) io.Queue(MakeAnswer(messages[0].sequence, code));
      io.Queue(MakeAnswer(messages[1].sequence, 0));
    };
    Command command;
    command.command = IPVS_CMD_DEL_DAEMON;
    command.value.schema = &kCommandSchema;
    const Status failure = ipvs::Run(*socket, kFamily, command, In(1000));
    EXPECT_EQ(failure ? failure->code : 0, code);
  }
}

TEST(IpvsConnection, IsReadFromALineOfEitherFamily) {
  ColumnSet rows(kConnectionColumns);
  EXPECT_TRUE(DecodeConnection("Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData", rows));
  EXPECT_EQ(rows.rows(), 0u);
  EXPECT_TRUE(DecodeConnection("TCP 0A000001 C350 0A600001 0050 0A000002 1F90 ESTABLISHED     899", rows));
  EXPECT_TRUE(
      DecodeConnection("UDP fd00:0000:0000:0000:0000:0000:0000:0001 0035 fd00:0000:0000:0000:0000:0000:0000:0002 0035 "
                       "fd00:0000:0000:0000:0000:0000:0000:0003 0035 UDP               3 sip a call id",
                       rows));
  EXPECT_EQ(rows.At<uint16_t>(kClientPort, 0), 50000);
  EXPECT_EQ(ToHex(rows.Fixed(kVirtualAddress, 0).first(4)), "0a600001");
  EXPECT_EQ(rows.At<uint32_t>(kConnectionExpires, 0), 899u);
  EXPECT_EQ(rows.At<uint8_t>(kRealLength, 1), 16);
  EXPECT_EQ(rows.Symbol(kConnectionData, 1), "a call id");
  for (const char* line :
       {"", "TCP", "TCP 0A000001 C350 0A600001 0050 0A000002 1F90 NONE", "TCP 0A00000G C350 0A600001 0050 0A000002 1F90 A 1"}) {
    EXPECT_FALSE(DecodeConnection(line, rows)) << line;
  }
  EXPECT_EQ(rows.rows(), 2u);
}

TEST(IpvsTrace, NamesCommandsOfTheFamilyOnceItIsKnown) {
  RememberFamily(kFamily);
  RegisterDescriber(NETLINK_GENERIC, Describe);
  const std::string text = DescribeDatagram(NETLINK_GENERIC, Written(OneService()), true);
  EXPECT_NE(text.find("IPVS_CMD_NEW_SERVICE"), std::string::npos) << text;
  EXPECT_NE(text.find("IPVS_SVC_ATTR_SCHED_NAME=\"wrr\""), std::string::npos) << text;
}

}  // namespace
}  // namespace netplane::ipvs
