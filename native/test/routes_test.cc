// Routes: the request that is written, answers as the kernel writes them, and bytes that are not what they say they are.
#include "route/routes.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <string>

#include "route/events.h"
#include "route/schemas.h"

namespace netplane::route {
namespace {

Bytes Parse(const std::string& text) {
  const int family = text.find(':') == std::string::npos ? AF_INET : AF_INET6;
  uint8_t bytes[16] = {};
  EXPECT_EQ(inet_pton(family, text.c_str(), bytes), 1) << text;
  return Bytes(bytes, bytes + (family == AF_INET ? 4 : 16));
}

rtmsg HeaderOf(uint8_t family, uint8_t destination_length, uint8_t table = RT_TABLE_MAIN) {
  rtmsg header = {};
  header.rtm_family = family;
  header.rtm_dst_len = destination_length;
  header.rtm_table = table;
  header.rtm_protocol = RTPROT_BOOT;
  header.rtm_type = RTN_UNICAST;
  return header;
}

// A message as the kernel would write it.
Bytes Build(const rtmsg& header, const std::function<void(MessageWriter&)>& attributes, uint16_t type = RTM_NEWROUTE) {
  Bytes bytes;
  MessageWriter writer(bytes);
  writer.Begin(type, 0, 1);
  PutHeader(writer, header);
  attributes(writer);
  writer.End();
  return bytes;
}

std::optional<Route> Decode(const Bytes& bytes) { return DecodeRoute(*MessageReader(bytes).Next()); }

// One struct rtnexthop with attributes; `length` stands in it in place of its own.
Bytes Hop(int link, uint8_t hops, const Bytes& attributes, std::optional<uint16_t> length = std::nullopt) {
  rtnexthop header = {};
  header.rtnh_len = length.value_or(static_cast<uint16_t>(sizeof header + attributes.size()));
  header.rtnh_hops = hops;
  header.rtnh_ifindex = link;
  Bytes bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes.insert(bytes.end(), attributes.begin(), attributes.end());
  return bytes;
}

Bytes Attribute(uint16_t type, const Bytes& payload) {
  Bytes bytes(4);
  Store<uint16_t>(bytes.data(), static_cast<uint16_t>(4 + payload.size()));
  Store<uint16_t>(bytes.data() + 2, type);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

Bytes Joined(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// The attributes of `ip route get 1.1.1.1 from 192.0.2.5 oif 3 mark 3 uid 0 fibmatch`.
TEST(Routes, ALookupOfIpv4AsksForTheTable) {
  RouteLookup lookup;
  lookup.family = AF_INET;
  lookup.destination = Parse("1.1.1.1");
  lookup.source = Parse("192.0.2.5");
  lookup.output_link = 3;
  lookup.mark = 3;
  lookup.user_id = 0;
  lookup.match = true;
  EXPECT_TRUE(IsLookup(lookup));
  Bytes bytes;
  MessageWriter writer(bytes);
  EncodeLookup(lookup, NLM_F_REQUEST, 9, writer);
  const Message message = *MessageReader(bytes).Next();
  EXPECT_EQ(message.type, RTM_GETROUTE);
  const auto header = ReadHeader<rtmsg>(message);
  EXPECT_EQ(header->rtm_dst_len, 32);
  EXPECT_EQ(header->rtm_src_len, 32);
  EXPECT_EQ(header->rtm_flags, static_cast<unsigned>(RTM_F_LOOKUP_TABLE | RTM_F_FIB_MATCH));
  std::vector<uint16_t> types;
  AttributeReader reader = message.Attributes(sizeof(rtmsg));
  while (const auto attribute = reader.Next()) types.push_back(attribute->type);
  EXPECT_EQ(types, (std::vector<uint16_t>{RTA_DST, RTA_SRC, RTA_OIF, RTA_MARK, RTA_UID}));
}

TEST(Routes, ALookupOfIpv6HasNoFlagThatTheKernelRefuses) {
  RouteLookup lookup;
  lookup.family = AF_INET6;
  lookup.destination = Parse("fd00::1");
  lookup.input_link = 7;
  Bytes bytes;
  MessageWriter writer(bytes);
  EncodeLookup(lookup, NLM_F_REQUEST, 9, writer);
  const Message message = *MessageReader(bytes).Next();
  EXPECT_EQ(ReadHeader<rtmsg>(message)->rtm_flags, 0U);
  EXPECT_EQ(ReadHeader<rtmsg>(message)->rtm_dst_len, 128);
  std::vector<uint16_t> types;
  AttributeReader reader = message.Attributes(sizeof(rtmsg));
  while (const auto attribute = reader.Next()) types.push_back(attribute->type);
  EXPECT_EQ(types, (std::vector<uint16_t>{RTA_DST, RTA_IIF}));
}

TEST(Routes, AddressesOfAnotherFamilyAreNoLookup) {
  RouteLookup lookup;
  EXPECT_FALSE(IsLookup(lookup));
  lookup.family = AF_INET;
  lookup.destination = Parse("fd00::1");
  EXPECT_FALSE(IsLookup(lookup));
  lookup.destination = Parse("10.0.0.1");
  lookup.source = Parse("fd00::1");
  EXPECT_FALSE(IsLookup(lookup));
}

TEST(Routes, ADefaultRouteIsRead) {
  const auto route = Decode(Build(HeaderOf(AF_INET, 0), [](MessageWriter& writer) {
    writer.PutInteger<uint32_t>(RTA_TABLE, 1000);
    writer.PutInteger<uint32_t>(RTA_PRIORITY, 50);
    writer.Put(RTA_PREFSRC, Parse("192.0.2.5"));
    writer.Put(RTA_GATEWAY, Parse("192.0.2.1"));
    writer.PutInteger<uint32_t>(RTA_OIF, 3);
    writer.Put(RTA_CACHEINFO, Bytes(32));
  }));
  ASSERT_TRUE(route);
  EXPECT_EQ(route->destination, Bytes(4));
  EXPECT_EQ(route->destination_length, 0);
  EXPECT_EQ(route->table, 1000U);
  EXPECT_EQ(route->metric, 50U);
  EXPECT_EQ(route->link_index, 3U);
  EXPECT_EQ(route->source, Parse("192.0.2.5"));
  EXPECT_EQ(route->gateway, Parse("192.0.2.1"));
  EXPECT_EQ(route->nexthop_id, std::nullopt);
  EXPECT_EQ(route->protocol, RTPROT_BOOT);
  EXPECT_TRUE(route->hops.empty());
}

TEST(Routes, AGatewayMayBeOfAnotherFamily) {
  const auto via = [](uint16_t family, const Bytes& address) {
    Bytes payload(2);
    Store<uint16_t>(payload.data(), family);
    return Build(HeaderOf(AF_INET, 8), [&](MessageWriter& writer) { writer.Put(RTA_VIA, Joined(payload, address)); });
  };
  EXPECT_EQ(Decode(via(AF_INET6, Parse("fe80::1")))->gateway, Parse("fe80::1"));
  EXPECT_TRUE(Decode(via(AF_PACKET, Bytes(6)))->gateway.empty());
  EXPECT_FALSE(Decode(via(AF_INET6, Bytes(4))));
  EXPECT_FALSE(Decode(Build(HeaderOf(AF_INET, 8), [](MessageWriter& writer) { writer.Put(RTA_VIA, Bytes(1)); })));
}

TEST(Routes, WaysOfAMultipathRouteAreRead) {
  const Bytes hops = Joined(Hop(3, 0, Attribute(RTA_GATEWAY, Parse("fd00::3"))), Hop(4, 1, {}));
  const auto route = Decode(Build(HeaderOf(AF_INET6, 16), [&](MessageWriter& writer) { writer.Put(RTA_MULTIPATH, hops); }));
  ASSERT_TRUE(route);
  ASSERT_EQ(route->hops.size(), 2U);
  EXPECT_EQ(route->hops[0].link_index, 3U);
  EXPECT_EQ(route->hops[0].weight, 1U);
  EXPECT_EQ(route->hops[0].gateway, Parse("fd00::3"));
  EXPECT_EQ(route->hops[1].weight, 2U);
  EXPECT_TRUE(route->hops[1].gateway.empty());
  EXPECT_EQ(route->link_index, std::nullopt);
}

TEST(Routes, WaysThatAreNoneAreMalformed) {
  const std::vector<Bytes> faults = {
      Bytes(3),                                     // Shorter than its header.
      Hop(3, 0, {}, 0),                             // Would never end.
      Hop(3, 0, {}, 9),                             // Longer than there are bytes.
      Hop(3, 0, Attribute(RTA_GATEWAY, Bytes(4))),  // An address of IPv4 in a route of IPv6.
      Joined(Hop(3, 0, {}), Bytes(2)),              // Something left over.
      Hop(3, 0, Bytes{3, 0, RTA_GATEWAY, 0}),       // An attribute shorter than its header.
  };
  for (const Bytes& fault : faults) {
    EXPECT_FALSE(Decode(Build(HeaderOf(AF_INET6, 16), [&](MessageWriter& writer) { writer.Put(RTA_MULTIPATH, fault); })));
  }
}

TEST(Routes, WhatIsNoRouteIsMalformed) {
  const auto nothing = [](MessageWriter&) {};
  EXPECT_FALSE(Decode(Build(HeaderOf(AF_INET, 33), nothing)));
  EXPECT_FALSE(Decode(Build(HeaderOf(AF_UNIX, 0), nothing)));
  for (const uint16_t attribute : {RTA_DST, RTA_GATEWAY, RTA_PREFSRC, RTA_OIF, RTA_TABLE, RTA_PRIORITY}) {
    EXPECT_FALSE(Decode(Build(HeaderOf(AF_INET, 8), [&](MessageWriter& writer) { writer.Put(attribute, Bytes(3)); }))) << attribute;
  }
  EXPECT_EQ(Decode(Build(HeaderOf(AF_INET, 0, RT_TABLE_LOCAL), nothing))->table, uint32_t{RT_TABLE_LOCAL});
}

TEST(RouteEvents, OnlyDefaultRoutesAreCollected) {
  const auto nothing = [](MessageWriter&) {};
  const Bytes whole = Build(HeaderOf(AF_INET, 0), nothing, RTM_DELROUTE);
  const Bytes part = Build(HeaderOf(AF_INET6, 64), nothing);
  rtmsg cached = HeaderOf(AF_INET6, 0);
  cached.rtm_flags = RTM_F_CLONED;
  const Bytes clone = Build(cached, nothing);
  const Bytes foreign = Build(HeaderOf(AF_UNIX, 0), nothing);
  std::vector<Event> events;
  for (const Bytes* other : {&part, &clone, &foreign}) {
    EXPECT_EQ(CollectEvent(*MessageReader(*other).Next(), events), EventEnd::kIgnored);
  }
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(CollectEvent(*MessageReader(whole).Next(), events), EventEnd::kTaken);
  EXPECT_EQ(events[0].type, RTM_DELROUTE);
  EXPECT_TRUE(events[0].route);
  EXPECT_EQ(EventGroups(false, false, true), (std::vector<int>{RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE}));
}

// Every prefix of a real message, in memory that ends where the message does: AddressSanitizer sees a read past it.
TEST(Routes, TruncatedMessagesAreNeverReadPastTheirEnd) {
  const Bytes hops = Joined(Hop(3, 0, Attribute(RTA_GATEWAY, Parse("10.0.0.1"))), Hop(4, 1, Attribute(RTA_GATEWAY, Parse("10.0.0.2"))));
  const Bytes bytes = Build(HeaderOf(AF_INET, 0), [&](MessageWriter& writer) {
    writer.Put(RTA_DST, Parse("10.0.0.0"));
    writer.Put(RTA_MULTIPATH, hops);
    writer.PutInteger<uint32_t>(RTA_PRIORITY, 5);
  });
  const Message whole = *MessageReader(bytes).Next();
  ASSERT_TRUE(DecodeRoute(whole));
  for (size_t length = 0; length < whole.body.size(); ++length) {
    const Bytes cut(whole.body.begin(), whole.body.begin() + static_cast<ptrdiff_t>(length));
    Message message = whole;
    message.body = cut;
    const auto route = DecodeRoute(message);
    EXPECT_LE(route ? route->hops.size() : 0, 2U);
    std::vector<Event> events;
    const EventEnd end = CollectEvent(message, events);
    EXPECT_EQ(end == EventEnd::kTaken, events.size() == 1) << length;
  }
}

}  // namespace
}  // namespace netplane::route
