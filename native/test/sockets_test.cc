// Listening sockets: bytes written, bytes read, and bytes that are not what they say they are.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <cstring>

#include "sockets/listeners.h"

namespace netplane::sockets {
namespace {

Bytes BodyOf(uint8_t family, uint16_t port, const char* address) {
  inet_diag_msg header = {};
  header.idiag_family = family;
  header.idiag_uid = 1000;
  header.id.idiag_sport = htons(port);
  EXPECT_EQ(inet_pton(family, address, header.id.idiag_src), 1);
  // What is behind an IPv4 address is none of it.
  if (family == AF_INET) header.id.idiag_src[1] = UINT32_MAX;
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  return {bytes, bytes + sizeof header};
}

Message MessageOf(ByteView body) {
  Message message;
  message.type = SOCK_DIAG_BY_FAMILY;
  message.body = body;
  return message;
}

TEST(Listeners, RequestAsksForSocketsThatWait) {
  for (const auto& [protocol, states] : {std::pair{IPPROTO_TCP, 1U << 10}, std::pair{IPPROTO_UDP, 1U << 7}}) {
    Bytes bytes;
    MessageWriter writer(bytes);
    ListenerRequest request;
    request.family = AF_INET6;
    request.protocol = static_cast<uint8_t>(protocol);
    EncodeListenerRequest(request, NLM_F_REQUEST | NLM_F_DUMP, 7, writer);
    ASSERT_EQ(bytes.size(), sizeof(nlmsghdr) + sizeof(inet_diag_req_v2));
    inet_diag_req_v2 header;
    std::memcpy(&header, bytes.data() + sizeof(nlmsghdr), sizeof header);
    EXPECT_EQ(header.sdiag_family, AF_INET6);
    EXPECT_EQ(header.sdiag_protocol, protocol);
    EXPECT_EQ(header.idiag_states, states);
  }
}

TEST(Listeners, ReadsBothFamilies) {
  ColumnSet listeners(kListenerColumns);
  const Bytes four = BodyOf(AF_INET, 8080, "10.0.0.1");
  const Bytes six = BodyOf(AF_INET6, 443, "fd00::1");
  ASSERT_TRUE(DecodeListener(MessageOf(four), listeners));
  ASSERT_TRUE(DecodeListener(MessageOf(six), listeners));
  ASSERT_EQ(listeners.rows(), 2U);
  EXPECT_EQ(listeners.At<uint16_t>(kPort, 0), 8080);
  EXPECT_EQ(listeners.At<uint8_t>(kFamily, 1), AF_INET6);
  EXPECT_EQ(listeners.At<uint32_t>(kUser, 1), 1000U);
  const ByteView address = listeners.Fixed(kAddress, 0);
  EXPECT_EQ(Bytes(address.begin(), address.end()), (Bytes{10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(listeners.Check());
}

TEST(Listeners, PassesOverWhatIsNone) {
  ColumnSet listeners(kListenerColumns);
  const Bytes unbound = BodyOf(AF_INET, 0, "0.0.0.0");
  EXPECT_TRUE(DecodeListener(MessageOf(unbound), listeners));
  Bytes other = BodyOf(AF_INET, 80, "0.0.0.0");
  other[0] = AF_UNIX;
  EXPECT_TRUE(DecodeListener(MessageOf(other), listeners));
  EXPECT_EQ(listeners.rows(), 0U);
}

TEST(Listeners, RefusesWhatIsTooShort) {
  ColumnSet listeners(kListenerColumns);
  const Bytes whole = BodyOf(AF_INET, 80, "0.0.0.0");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(DecodeListener(MessageOf(ByteView(whole).first(length)), listeners)) << length;
  }
  EXPECT_EQ(listeners.rows(), 0U);
}

}  // namespace
}  // namespace netplane::sockets
