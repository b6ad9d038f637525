// Links and addresses: bytes written, bytes read, and bytes that are not what they say they are.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "route/addresses.h"
#include "route/events.h"
#include "route/links.h"
#include "route/routes.h"
#include "route/schemas.h"

namespace netplane::route {
namespace {

using std::string_literals::operator""s;

Bytes Parse(int family, const std::string& text) {
  uint8_t bytes[16] = {};
  EXPECT_EQ(inet_pton(family, text.c_str(), bytes), 1) << text;
  return Bytes(bytes, bytes + (family == AF_INET ? 4 : 16));
}

struct Row {
  std::string address;
  uint8_t prefix_length = 32;
  uint32_t flags = 0;
};

ColumnSet MakeColumns(const std::vector<Row>& rows) {
  ColumnSet columns(kAddressColumns);
  for (const Row& row : rows) {
    const int family = row.address.find(':') == std::string::npos ? AF_INET : AF_INET6;
    columns.Add<uint8_t>(kFamily, static_cast<uint8_t>(family));
    columns.AddFixed(kAddress, Parse(family, row.address));
    columns.Add<uint8_t>(kPrefixLength, row.prefix_length);
    columns.Add<uint32_t>(kFlags, row.flags);
    columns.EndRow();
  }
  return columns;
}

Bytes Encode(const AddressChange& change, const ColumnSet& columns, size_t row = 0) {
  Bytes bytes;
  MessageWriter writer(bytes);
  EncodeAddress(change, columns, row, 0, 7, writer);
  return bytes;
}

/// A message that a test writes attribute by attribute, as the kernel would.
struct Built {
  Bytes bytes;
  Built(const Built&) = delete;
  Built& operator=(const Built&) = delete;
  explicit Built(uint16_t type, uint32_t port_id = 0) : writer_(bytes) {
    writer_.Begin(type, 0, 1);
    Store<uint32_t>(bytes.data() + 12, port_id);
  }
  Built& Address(uint8_t family, uint8_t prefix_length, uint32_t index, uint8_t flags = 0) {
    ifaddrmsg header = {};
    header.ifa_family = family;
    header.ifa_prefixlen = prefix_length;
    header.ifa_flags = flags;
    header.ifa_index = index;
    PutHeader(writer_, header);
    return *this;
  }
  Built& Link(uint8_t family, int index, uint32_t flags) {
    ifinfomsg header = {};
    header.ifi_family = family;
    header.ifi_index = index;
    header.ifi_flags = flags;
    header.ifi_type = 1;
    PutHeader(writer_, header);
    return *this;
  }
  Built& Put(uint16_t attribute, const Bytes& payload) {
    writer_.Put(attribute, payload);
    return *this;
  }
  Built& PutText(uint16_t attribute, const std::string& text) {
    writer_.PutString(attribute, text);
    return *this;
  }
  template <typename T>
  Built& PutNumber(uint16_t attribute, T number) {
    writer_.PutInteger<T>(attribute, number);
    return *this;
  }
  Message End() {
    writer_.End();
    return *MessageReader(bytes).Next();
  }

 private:
  MessageWriter writer_;
};

// Captured from `ip addr add 10.1.2.3/32 dev lo` (iproute2 6.1) in a little-endian machine; lo is link 1.
TEST(RouteAddresses, AnIpv4AddIsWhatIpWrites) {
  if constexpr (std::endian::native != std::endian::little) return;
  const Bytes expected = {40, 0, 0, 0, 20, 0, 1, 6, 7,  0, 0, 0, 0, 0, 0, 0, 2,  32, 0, 0,
                          1,  0, 0, 0, 8,  0, 2, 0, 10, 1, 2, 3, 8, 0, 1, 0, 10, 1,  2, 3};
  EXPECT_EQ(Encode({AddressVerb::kAdd, 1}, MakeColumns({{"10.1.2.3"}})), expected);
}

TEST(RouteAddresses, AReplacementDiffersFromAnAddInItsFlagsAlone) {
  Bytes added = Encode({AddressVerb::kAdd, 1}, MakeColumns({{"10.1.2.3"}}));
  const Bytes replaced = Encode({AddressVerb::kReplace, 1}, MakeColumns({{"10.1.2.3"}}));
  nlmsghdr header = {};
  std::memcpy(&header, replaced.data(), sizeof header);
  EXPECT_EQ(header.nlmsg_flags, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE);
  std::copy_n(replaced.begin(), sizeof header, added.begin());
  EXPECT_EQ(replaced, added);
}

TEST(RouteAddresses, AnIpv4DeleteIsWhatIpWrites) {
  if constexpr (std::endian::native != std::endian::little) return;
  const Bytes expected = {40, 0, 0, 0, 21, 0, 1, 0, 7,  0, 0, 0, 0, 0, 0, 0, 2,  32, 0, 0,
                          1,  0, 0, 0, 8,  0, 2, 0, 10, 1, 2, 3, 8, 0, 1, 0, 10, 1,  2, 3};
  EXPECT_EQ(Encode({AddressVerb::kDelete, 1}, MakeColumns({{"10.1.2.3"}})), expected);
}

TEST(RouteAddresses, FlagsAboveEightBitsGoIntoTheirAttribute) {
  const Bytes bytes = Encode({AddressVerb::kAdd, 3}, MakeColumns({{"fd00::1", 128, IFA_F_NODAD | IFA_F_NOPREFIXROUTE}}));
  const Message message = *MessageReader(bytes).Next();
  EXPECT_EQ(ReadHeader<ifaddrmsg>(message)->ifa_index, 3U);
  AttributeReader reader = message.Attributes(sizeof(ifaddrmsg));
  std::vector<uint16_t> types;
  while (const auto attribute = reader.Next()) {
    types.push_back(attribute->type);
    if (attribute->type != IFA_FLAGS) continue;
    EXPECT_EQ(attribute->Integer<uint32_t>(), IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
  }
  EXPECT_EQ(types, (std::vector<uint16_t>{IFA_LOCAL, IFA_ADDRESS, IFA_FLAGS}));
}

TEST(RouteAddresses, AWrittenRowIsReadAgain) {
  ColumnSet columns(kAddressColumns);
  columns.Add<uint32_t>(kLinkIndex, 9);
  columns.Add<uint8_t>(kFamily, AF_INET);
  columns.AddFixed(kAddress, Parse(AF_INET, "10.9.0.1"));
  columns.Add<uint8_t>(kPrefixLength, 24);
  columns.Add<uint8_t>(kScope, 253);
  columns.Add<uint32_t>(kFlags, IFA_F_NOPREFIXROUTE);
  columns.Add<uint8_t>(kProtocol, 77);
  columns.AddBlob(kPeer, Parse(AF_INET, "10.9.0.2"));
  columns.AddBlob(kBroadcast, Parse(AF_INET, "10.9.0.255"));
  columns.AddSymbol(kLabel, "lo:x");
  columns.Add<uint32_t>(kValidLifetime, 100);
  columns.Add<uint32_t>(kPreferredLifetime, 50);
  columns.EndRow();
  const Bytes bytes = Encode({AddressVerb::kAdd, 1}, columns);
  ColumnSet read(kAddressColumns);
  ASSERT_TRUE(DecodeAddress(*MessageReader(bytes).Next(), read));
  ASSERT_EQ(read.rows(), 1U);
  EXPECT_EQ(read.Check(), std::nullopt);
  EXPECT_EQ(read.At<uint32_t>(kLinkIndex, 0), 9U);
  EXPECT_EQ(read.Symbol(kLabel, 0), "lo:x");
  EXPECT_TRUE(std::ranges::equal(read.Blob(kPeer, 0), Parse(AF_INET, "10.9.0.2")));
  EXPECT_EQ(Encode({AddressVerb::kAdd, 1}, read), bytes);
}

TEST(RouteAddresses, AnIpv6AddressWithoutLocalIsItsOwn) {
  Built built(RTM_NEWADDR);
  built.Address(AF_INET6, 64, 4).Put(IFA_ADDRESS, Parse(AF_INET6, "fe80::1")).PutNumber<uint32_t>(IFA_FLAGS, 0x880);
  ColumnSet rows(kAddressColumns);
  ASSERT_TRUE(DecodeAddress(built.End(), rows));
  EXPECT_TRUE(std::ranges::equal(rows.Fixed(kAddress, 0), Parse(AF_INET6, "fe80::1")));
  EXPECT_TRUE(rows.Blob(kPeer, 0).empty());
  EXPECT_EQ(rows.At<uint32_t>(kFlags, 0), 0x880U);
  EXPECT_EQ(rows.At<uint32_t>(kValidLifetime, 0), UINT32_MAX);
  EXPECT_EQ(rows.Symbol(kLabel, 0), std::nullopt);
}

TEST(RouteAddresses, OfAnAttributeThatComesTwiceTheLastCounts) {
  Built built(RTM_NEWADDR);
  built.Address(AF_INET6, 64, 4).Put(IFA_ADDRESS, Parse(AF_INET6, "fe80::1")).Put(IFA_ADDRESS, Parse(AF_INET6, "fe80::2"));
  built.PutNumber<uint32_t>(IFA_FLAGS, 0x880).Put(IFA_FLAGS, Bytes(2));
  built.Put(IFA_CACHEINFO, Bytes(sizeof(ifa_cacheinfo))).Put(IFA_CACHEINFO, Bytes(4));
  ColumnSet rows(kAddressColumns);
  ASSERT_TRUE(DecodeAddress(built.End(), rows));
  EXPECT_TRUE(std::ranges::equal(rows.Fixed(kAddress, 0), Parse(AF_INET6, "fe80::2")));
  EXPECT_NE(rows.At<uint32_t>(kFlags, 0), 0x880U);
  EXPECT_EQ(rows.At<uint32_t>(kValidLifetime, 0), UINT32_MAX);
}

TEST(RouteAddresses, AnAddressOfTheWrongLengthIsMalformed) {
  for (const uint16_t attribute : {IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST}) {
    Built built(RTM_NEWADDR);
    built.Address(AF_INET, 32, 1).Put(IFA_ADDRESS, Parse(AF_INET, "10.0.0.1")).Put(attribute, Bytes(3));
    ColumnSet rows(kAddressColumns);
    EXPECT_FALSE(DecodeAddress(built.End(), rows)) << attribute;
    EXPECT_EQ(rows.rows(), 0U);
  }
}

TEST(RouteAddresses, OtherFamiliesAreNoRows) {
  Built built(RTM_NEWADDR);
  built.Address(AF_PHONET, 0, 1).Put(IFA_LOCAL, Bytes(1));
  ColumnSet rows(kAddressColumns);
  EXPECT_TRUE(DecodeAddress(built.End(), rows));
  EXPECT_EQ(rows.rows(), 0U);
}

TEST(RouteAddresses, WhatCannotBeWrittenIsNamed) {
  ColumnSet family = MakeColumns({{"10.0.0.1"}, {"10.0.0.2"}});
  family[kFamily].data[1] = AF_UNIX;
  EXPECT_EQ(CheckAddresses(family), "family of row 1");
  EXPECT_EQ(CheckAddresses(MakeColumns({{"10.0.0.1", 33}})), "prefixLength of row 0");
  EXPECT_EQ(CheckAddresses(MakeColumns({{"fd00::1", 128}, {"fd00::1", 129}})), "prefixLength of row 1");
  ColumnSet peer = MakeColumns({{"10.0.0.1"}});
  peer[kPeer].present = true;
  peer[kPeer].data = Bytes(16);
  peer[kPeer].offsets = {0, 16};
  EXPECT_EQ(CheckAddresses(peer), "peer of row 0");
  EXPECT_EQ(CheckAddresses(MakeColumns({{"10.0.0.1"}, {"fd00::1", 0}})), std::nullopt);
}

const Value* FieldOf(const Link& link, const char* name) { return link.value.Find(kLinkSchema.FindName(name)); }

void FillLink(Built& built, uint8_t family) {
  built.Link(family, 7, IFF_UP).PutText(IFLA_IFNAME, "veth0").PutNumber<uint32_t>(IFLA_MTU, 1400).PutNumber<uint8_t>(IFLA_OPERSTATE, 6);
  built.Put(IFLA_STATS64, Bytes(200)).Put(0x0123, Bytes(4));
}

TEST(RouteLinks, ALinkIsReadWithoutWhatNobodyAskedFor) {
  Built built(RTM_NEWLINK);
  FillLink(built, AF_UNSPEC);
  const auto link = DecodeLink(built.End());
  ASSERT_TRUE(link);
  EXPECT_EQ(link->index, 7U);
  EXPECT_EQ(link->flags, static_cast<uint32_t>(IFF_UP));
  EXPECT_EQ(link->hardware_type, 1);
  EXPECT_EQ(*FieldOf(*link, "name")->As<std::string>(), "veth0");
  EXPECT_EQ(*FieldOf(*link, "mtu")->As<uint64_t>(), 1400U);
  EXPECT_EQ(*FieldOf(*link, "operationalState")->As<std::string>(), "up");
  EXPECT_EQ(FieldOf(*link, "statistics64"), nullptr);
  EXPECT_TRUE(link->value.opaque.empty());
}

TEST(RouteEvents, ABridgePortLeavingItsBridgeIsNotALinkThatIsGone) {
  std::vector<Event> events;
  Built left_bridge(RTM_DELLINK);
  FillLink(left_bridge, AF_BRIDGE);
  EXPECT_EQ(CollectEvent(left_bridge.End(), events), EventEnd::kIgnored);
  EXPECT_TRUE(events.empty());
  Built gone(RTM_DELLINK);
  FillLink(gone, AF_UNSPEC);
  EXPECT_EQ(CollectEvent(gone.End(), events), EventEnd::kTaken);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].type, RTM_DELLINK);
}

void Collect(uint16_t type, uint32_t port_id, const std::string& address, std::vector<Event>& events) {
  Built built(type, port_id);
  built.Address(AF_INET, 32, 1).Put(IFA_LOCAL, Parse(AF_INET, address));
  EXPECT_EQ(CollectEvent(built.End(), events), EventEnd::kTaken);
}

TEST(RouteEvents, ARunOfAddressesIsOneEvent) {
  std::vector<Event> events;
  Collect(RTM_NEWADDR, 5, "10.0.0.1", events);
  Collect(RTM_NEWADDR, 5, "10.0.0.2", events);
  Collect(RTM_DELADDR, 5, "10.0.0.1", events);
  Collect(RTM_DELADDR, 6, "10.0.0.2", events);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].addresses.rows(), 2U);
  EXPECT_EQ(events[0].port_id, 5U);
  EXPECT_EQ(events[1].type, RTM_DELADDR);
  EXPECT_EQ(events[2].port_id, 6U);
}

TEST(RouteEvents, ALongRunIsDivided) {
  std::vector<Event> events;
  for (int i = 0; i < 1025; ++i) Collect(RTM_NEWADDR, 5, "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256), events);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].addresses.rows(), 1024U);
  EXPECT_EQ(events[1].addresses.rows(), 1U);
}

TEST(RouteEvents, AMalformedMessageInARunLeavesTheRunWhole) {
  std::vector<Event> events;
  Collect(RTM_NEWADDR, 5, "10.0.0.1", events);
  Built built(RTM_NEWADDR, 5);
  built.Address(AF_INET, 32, 1).Put(IFA_LOCAL, Bytes(5));
  EXPECT_EQ(CollectEvent(built.End(), events), EventEnd::kMalformed);
  std::vector<Event> none;
  EXPECT_EQ(CollectEvent(*MessageReader(built.bytes).Next(), none), EventEnd::kMalformed);
  EXPECT_TRUE(none.empty());
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].addresses.rows(), 1U);
  EXPECT_EQ(events[0].addresses.Check(), std::nullopt);
}

// Every prefix of real messages, in memory that ends where the message does: AddressSanitizer sees a read past it.
TEST(RouteEvents, TruncatedMessagesAreNeverReadPastTheirEnd) {
  Built link(RTM_NEWLINK);
  FillLink(link, AF_UNSPEC);
  Built address(RTM_NEWADDR);
  address.Address(AF_INET, 24, 1).Put(IFA_LOCAL, Parse(AF_INET, "10.0.0.1")).PutText(IFA_LABEL, "lo").Put(IFA_CACHEINFO, Bytes(16));
  for (const Message& whole : {link.End(), address.End()}) {
    for (size_t length = 0; length < whole.body.size(); ++length) {
      const Bytes cut(whole.body.begin(), whole.body.begin() + static_cast<ptrdiff_t>(length));
      Message message = whole;
      message.body = cut;
      std::vector<Event> events;
      const EventEnd end = CollectEvent(message, events);
      EXPECT_EQ(end == EventEnd::kTaken, events.size() == 1) << length;
      for (const Event& event : events) EXPECT_EQ(event.addresses.Check(), std::nullopt);
    }
  }
}

TEST(RouteTrace, MessagesAndAttributesHaveTheirKernelNames) {
  const Bytes bytes = Encode({AddressVerb::kAdd, 1}, MakeColumns({{"10.1.2.3"}}));
  const Message message = *MessageReader(bytes).Next();
  const MessageDescription description = Describe(message.type);
  ASSERT_NE(description.name, nullptr);
  EXPECT_EQ(description.name, "RTM_NEWADDR"s);
  const std::string text = DescribeAttributes(description.schema, message.body.subspan(description.header_length));
  EXPECT_NE(text.find("IFA_LOCAL="), std::string::npos) << text;
  EXPECT_EQ(Describe(RTM_GETLINK).name, "RTM_GETLINK"s);
  EXPECT_EQ(Describe(RTM_NEWROUTE).name, "RTM_NEWROUTE"s);
  EXPECT_EQ(Describe(RTM_NEWRULE).name, nullptr);
}

}  // namespace
}  // namespace netplane::route
