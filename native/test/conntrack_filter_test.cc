// Flows: what is read out of bytes, and which of them a filter means.
#include <gtest/gtest.h>
#include <linux/netlink.h>

#include "conntrack/events.h"
#include "conntrack/filter.h"
#include "conntrack/flow_columns.h"
#include "test/conntrack_flows.h"
#include "test/scripted_io.h"

namespace netplane::conntrack {
namespace {

/// A filter's program, condition by condition; begins with a clause.
class Program {
 public:
  Program() { Add(Condition::kClause, {}); }
  Program& Add(Condition condition, const Bytes& payload) {
    const auto length = static_cast<uint16_t>(sizeof(nlattr) + payload.size());
    const nlattr header = {length, static_cast<uint16_t>(condition)};
    const auto* from = reinterpret_cast<const uint8_t*>(&header);
    bytes_.insert(bytes_.end(), from, from + sizeof header);
    bytes_.insert(bytes_.end(), payload.begin(), payload.end());
    bytes_.resize((bytes_.size() + 3) & ~size_t{3});
    return *this;
  }
  Program& Words(Condition condition, uint32_t first, uint32_t second) {
    Bytes payload(8);
    Store<uint32_t>(payload.data(), first);
    Store<uint32_t>(payload.data() + 4, second);
    return Add(condition, payload);
  }
  Program& Address(uint8_t direction, uint8_t side, uint8_t family, uint8_t length, Bytes address) {
    address.resize(16);
    address.insert(address.begin(), {direction, side, family, length});
    return Add(Condition::kAddress, address);
  }
  Program& Ports(uint8_t direction, uint8_t side, uint16_t first, uint16_t last) {
    Bytes payload = {direction, side, 0, 0, 0, 0, 0, 0};
    Store<uint16_t>(payload.data() + 4, first);
    Store<uint16_t>(payload.data() + 6, last);
    return Add(Condition::kPorts, payload);
  }
  Program& Endpoint(uint8_t inverted, uint16_t port, Bytes address) {
    Bytes payload = {1, 0, inverted, 1, AF_INET, 0, 0, 0};
    Store<uint16_t>(payload.data() + 6, port);
    address.resize(16);
    payload.insert(payload.end(), address.begin(), address.end());
    return Add(Condition::kEndpoints, payload);
  }
  const Bytes& bytes() const { return bytes_; }
  bool Matches(const Flow& flow) const {
    const auto filter = FlowFilter::Parse(bytes_);
    EXPECT_TRUE(filter);
    return filter && filter->Matches(flow);
  }

 private:
  Bytes bytes_;
};

Flow Decoded(const Bytes& body) {
  Flow flow;
  EXPECT_TRUE(DecodeFlow(body[0], AttributesOf(body), &flow));
  return flow;
}

TEST(ConntrackDecode, AFlowIsReadWithWhatItHas) {
  const Bytes body = MakeFlow(9, 0x80000001);
  const Flow flow = Decoded(body);
  EXPECT_EQ(flow.family, AF_INET);
  EXPECT_EQ(flow.original.source[3], 9);
  EXPECT_EQ(flow.original.destination_port, 53);
  EXPECT_EQ(flow.reply.source_port, 53);
  EXPECT_EQ(flow.mark, 0x80000001U);
  EXPECT_EQ(flow.id, 9U);
  EXPECT_EQ(flow.ZoneOf(false), 3);
  EXPECT_EQ(flow.ZoneOf(true), 7);
  EXPECT_EQ(flow.counters[0].bytes, 500U);
  EXPECT_EQ(flow.helper, "ftp");
  EXPECT_EQ(flow.state, 3);
  EXPECT_EQ(flow.present & (kHasReplyCounters | kHasStart | kHasStop | kHasTags | kHasUse | kHasOriginalZone), 0U);
  EXPECT_FALSE(flow.has_details);
}

// Every prefix, in memory that ends where it does, so that AddressSanitizer sees a read past it.
TEST(ConntrackDecode, OfAnAttributeThatComesTwiceTheLastCounts) {
  const auto write = [](std::initializer_list<uint8_t> sources) {
    Bytes message;
    MessageWriter writer(message);
    writer.Begin(FlowMessage(IPCTNL_MSG_CT_NEW), 0, 0);
    writer.PutHeader(FamilyHeader(AF_INET));
    for (const uint8_t last : sources) EncodeTuple(CTA_TUPLE_ORIG, AF_INET, MakeTuple(last, last), std::nullopt, writer);
    // A second tuple that says less than the first.
    const size_t tuple = writer.BeginNest(CTA_TUPLE_REPLY);
    writer.EndNest(tuple);
    for (const char* name : {"ftp", "sip"}) {
      const size_t help = writer.BeginNest(CTA_HELP);
      writer.PutString(CTA_HELP_NAME, "tftp");
      writer.PutString(CTA_HELP_NAME, name);
      writer.EndNest(help);
    }
    writer.End();
    return message;
  };
  const Bytes once = write({9});
  const Bytes twice = write({200, 9});
  constexpr size_t kHeaders = sizeof(nlmsghdr) + 4;
  Flow flow, same;
  ASSERT_TRUE(DecodeFlow(AF_INET, ByteView(twice).subspan(kHeaders), &flow));
  ASSERT_TRUE(DecodeFlow(AF_INET, ByteView(once).subspan(kHeaders), &same));
  EXPECT_EQ(flow.original.source, same.original.source);
  EXPECT_EQ(flow.original.source_port, same.original.source_port);
  EXPECT_EQ(flow.helper, "sip");
  // A reply before an empty one leaves nothing behind.
  Bytes reply;
  MessageWriter writer(reply);
  EncodeTuple(CTA_TUPLE_REPLY, AF_INET, MakeTuple(77, 77), std::nullopt, writer);
  reply.insert(reply.end(), twice.begin() + kHeaders, twice.end());
  ASSERT_TRUE(DecodeFlow(AF_INET, reply, &flow));
  EXPECT_EQ(flow.reply.source, Address{});
  EXPECT_EQ(flow.reply.source_port, 0);
}

TEST(ConntrackDecode, TruncatedFlowsAreNeverReadPastTheirEnd) {
  const Bytes whole = MakeFlow(9);
  size_t taken = 0;
  for (size_t length = sizeof(nfgenmsg); length < whole.size(); ++length) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    Message message;
    message.type = FlowMessage(IPCTNL_MSG_CT_NEW);
    message.body = cut;
    std::vector<EventRun> runs;
    const EventEnd end = CollectEvent(message, FlowFilter(), runs);
    EXPECT_EQ(end == EventEnd::kTaken, runs.size() == 1) << length;
    for (const EventRun& run : runs) EXPECT_EQ(run.piece.columns.Check(), std::nullopt);
    taken += runs.size();
  }
  EXPECT_GT(taken, 0U) << "a message that ends between two attributes is a whole one";
}

TEST(ConntrackDecode, BytesTurnedOverAreReadOrRefused) {
  const Bytes whole = MakeFlow(9);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const uint8_t mask : Bytes{0x01, 0x80, 0xff}) {
      Bytes changed = whole;
      changed[at] ^= mask;
      Flow flow;
      if (!DecodeFlow(changed[0], AttributesOf(changed), &flow)) continue;
      FlowPiece piece;
      AppendTo(piece, flow, AttributesOf(changed));
      EXPECT_EQ(piece.columns.Check(), std::nullopt) << at;
    }
  }
}

TEST(ConntrackDecode, AFlowWithoutItsTupleIsNone) {
  Flow flow;
  EXPECT_FALSE(DecodeFlow(AF_INET, {}, &flow));
  EXPECT_FALSE(DecodeFlow(AF_INET, Bytes{8, 0, CTA_MARK, 0, 0, 0, 0, 1}, &flow));
}

TEST(ConntrackFilter, ConditionsOfOneKindAreAlternativesAndKindsMustAllHold) {
  const Bytes body = MakeFlow(9, 5);
  const Flow flow = Decoded(body);
  EXPECT_TRUE(Program().Matches(flow));
  EXPECT_TRUE(Program().Address(0, 0, AF_INET, 32, {10, 0, 0, 8}).Address(0, 0, AF_INET, 31, {10, 0, 0, 8}).Matches(flow));
  EXPECT_FALSE(Program().Address(0, 0, AF_INET, 32, {10, 0, 0, 8}).Matches(flow));
  EXPECT_FALSE(Program().Address(0, 0, AF_INET6, 8, {10}).Matches(flow));
  EXPECT_TRUE(Program().Ports(0, 1, 50, 53).Words(Condition::kMark, 4, 6).Matches(flow));
  EXPECT_FALSE(Program().Ports(0, 1, 50, 53).Words(Condition::kMark, 2, 6).Matches(flow));
  EXPECT_TRUE(Program().Words(Condition::kMark, 2, 6).Add(Condition::kClause, {}).Add(Condition::kHelper, {'f', 't', 'p'}).Matches(flow));
  EXPECT_TRUE(Program().Add(Condition::kZone, {1, 0, 7, 0}).Add(Condition::kLabels, {2, 0, 0, 0, 0, 0, 0, 0, 1}).Matches(flow) ||
              std::endian::native != std::endian::little);
  EXPECT_FALSE(Program().Add(Condition::kLabels, {3}).Matches(flow));
  EXPECT_TRUE(Program().Add(Condition::kStates, {1, 3}).Matches(flow));
  EXPECT_FALSE(Program().Add(Condition::kProtocols, {IPPROTO_TCP}).Matches(flow));
}

TEST(ConntrackFilter, BothSetsOfEndpointsCount) {
  const Bytes body = MakeFlow(9);
  const Flow flow = Decoded(body);
  const Bytes answers = {10, 96, 0, 10};
  EXPECT_TRUE(Program().Endpoint(0, 53, answers).Matches(flow));
  EXPECT_FALSE(Program().Endpoint(0, 54, answers).Matches(flow));
  EXPECT_FALSE(Program().Endpoint(1, 53, answers).Matches(flow));
  EXPECT_TRUE(Program().Endpoint(1, 54, answers).Matches(flow));
  EXPECT_FALSE(Program().Endpoint(0, 53, answers).Endpoint(1, 53, answers).Matches(flow));
  EXPECT_TRUE(Program().Endpoint(0, 53, answers).Endpoint(1, 54, answers).Matches(flow));
}

TEST(ConntrackFilter, KeysAndIdentifiersAreNoPorts) {
  const Bytes body = MakeFlow(9);
  Flow flow = Decoded(body);
  for (const uint8_t protocol : Bytes{IPPROTO_GRE, IPPROTO_ICMP}) {
    flow.original.protocol = protocol;
    EXPECT_FALSE(Program().Ports(0, 1, 0, 65535).Matches(flow));
    EXPECT_FALSE(Program().Endpoint(0, 53, {10, 96, 0, 10}).Matches(flow));
    EXPECT_TRUE(Program().Endpoint(1, 53, {10, 96, 0, 10}).Matches(flow));
  }
}

TEST(ConntrackFilter, ManyExactDestinationsAreFoundByOneLookUp) {
  const Bytes body = MakeFlow(9);
  const Flow flow = Decoded(body);
  Program program;
  for (uint8_t last = 0; last < 200; ++last) {
    if (last > 0) program.Add(Condition::kClause, {});
    program.Add(Condition::kProtocols, {IPPROTO_UDP}).Address(0, 1, AF_INET, 32, {10, 96, 0, last}).Ports(0, 1, 53, 53);
    if (last == 10) program.Words(Condition::kMark, 1, 1);
  }
  EXPECT_FALSE(program.Matches(flow)) << "the clause of that destination asks for a mark";
  program.Add(Condition::kClause, {})
      .Add(Condition::kProtocols, {IPPROTO_UDP})
      .Address(0, 1, AF_INET, 32, {10, 96, 0, 10})
      .Ports(0, 1, 53, 53);
  EXPECT_TRUE(program.Matches(flow));
}

TEST(ConntrackFilter, TheKernelIsNeverAskedForAnIpv6Address) {
  const auto part = FlowFilter::Parse(Program().Add(Condition::kFamily, {AF_INET6}).Address(0, 0, AF_INET6, 128, {1}).bytes())->ForKernel();
  EXPECT_EQ(part.family, AF_INET6);
  EXPECT_EQ(part.tuple_flags[0] & (kFilterSource | kFilterDestination), 0U);
  const auto four = FlowFilter::Parse(Program().Add(Condition::kFamily, {AF_INET}).Address(0, 0, AF_INET, 32, {1}).bytes())->ForKernel();
  EXPECT_EQ(four.tuple_flags[0], kFilterSource);
  const auto prefix = FlowFilter::Parse(Program().Add(Condition::kFamily, {AF_INET}).Address(0, 0, AF_INET, 24, {1}).bytes())->ForKernel();
  EXPECT_EQ(prefix.tuple_flags[0], 0U);
}

TEST(ConntrackFilter, WhatIsNoProgramIsRefused) {
  const Bytes conditions[] = {
      Program().Add(Condition::kFamily, {AF_UNIX}).bytes(),
      Program().Add(Condition::kFamily, {}).bytes(),
      Program().Add(Condition::kAddress, {0, 0, AF_INET, 33}).bytes(),
      Program().Address(0, 0, AF_INET, 33, {}).bytes(),
      Program().Address(2, 0, AF_INET, 32, {}).bytes(),
      Program().Address(0, 2, AF_INET, 32, {}).bytes(),
      Program().Add(Condition::kPorts, {0, 0, 0, 0, 1}).bytes(),
      Program().Add(Condition::kZone, {0, 0, 1}).bytes(),
      Program().Add(Condition::kMark, Bytes(7)).bytes(),
      Program().Add(Condition::kStarted, Bytes(8)).bytes(),
      Program().Add(Condition::kLabels, Bytes(17)).bytes(),
      Program().Add(Condition::kId, Bytes(3)).bytes(),
      Program().Add(Condition::kEndpoints, Bytes(23)).bytes(),
      Program().Add(static_cast<Condition>(99), {}).bytes(),
      Bytes{8, 0, 2, 0, AF_INET, 0, 0, 0},
      Bytes{4, 0, 1},
  };
  for (size_t i = 0; i < std::size(conditions); ++i) EXPECT_FALSE(FlowFilter::Parse(conditions[i])) << i;
}

}  // namespace
}  // namespace netplane::conntrack
