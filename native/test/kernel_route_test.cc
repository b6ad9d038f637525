// The transport against rtnetlink of this machine's kernel, in the test's own network namespace.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "netlink/batch.h"
#include "netlink/dump.h"
#include "netlink/subscription.h"
#include "test/namespaces.h"
#include "test/scripted_io.h"

namespace netplane {
namespace {

constexpr uint32_t kLoopback = 1;

// Adds or deletes 127.x.y.z/32, numbered by `index`.
void EncodeAddress(uint16_t type, uint16_t flags, uint32_t index, uint32_t interface, uint32_t sequence, MessageWriter& writer) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = 32;
  header.ifa_index = interface;
  writer.Begin(type, flags, sequence);
  writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
  writer.PutInteger<uint32_t>(IFA_LOCAL, 0x7f010000 + index, ByteOrder::kBig);
  writer.End();
}

MessageEncoder Adding(uint32_t interface) {
  return [interface](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    EncodeAddress(RTM_NEWADDR, static_cast<uint16_t>(flags | NLM_F_CREATE | NLM_F_EXCL), index, interface, sequence, writer);
  };
}

MessageEncoder Deleting() {
  return [](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    EncodeAddress(RTM_DELADDR, flags, index, kLoopback, sequence, writer);
  };
}

BatchOptions Options() { return {In(60'000), false, nullptr}; }

size_t CountAddresses(Socket& socket) {
  size_t count = 0;
  DumpOptions options;
  options.deadline = In(10'000);
  options.restart = [&] { count = 0; };
  const auto encode = [](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    ifaddrmsg header{};
    header.ifa_family = AF_INET;
    writer.Begin(RTM_GETADDR, flags, sequence);
    writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
    writer.End();
  };
  const Status status = RunDump(
      socket, encode,
      [&](const Message& message) -> Status {
        count += message.type == RTM_NEWADDR ? 1 : 0;
        return std::nullopt;
      },
      options);
  EXPECT_FALSE(status);
  return count;
}

// Tens of thousands of refusals, each reported, whatever the receive buffer.
bool ReportsEveryRefusal(int receive_buffer_bytes) {
  auto socket = OpenReal(NETLINK_ROUTE, receive_buffer_bytes);
  const BatchReport report = RunBatch(*socket, 10'000, Adding(99'999), Options());
  bool exact = !report.stopped && report.errors.size() == 10'000 && report.sent == 10'000 && report.unknown_from == 10'000;
  for (uint32_t i = 0; exact && i < 10'000; ++i) exact = report.errors[i].index == i && report.errors[i].code == ENODEV;
  return exact;
}

TEST(KernelRouteTest, EveryOneOfTenThousandRefusalsIsReported) {
  EXPECT_TRUE(ReportsEveryRefusal(1 << 20));
  EXPECT_TRUE(ReportsEveryRefusal(1));
  EXPECT_TRUE(PassesInUserNamespace([] { return ReportsEveryRefusal(1 << 20) && ReportsEveryRefusal(1); }));
}

TEST(KernelRouteTest, AddsListsAndDeletesExactlyWhatWasAskedFor) {
  auto socket = OpenReal(NETLINK_ROUTE);
  const size_t before = CountAddresses(*socket);
  const auto every_third_twice = [](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    Adding(kLoopback)(index % 3 == 2 ? index - 1 : index, flags, sequence, writer);
  };
  BatchReport report = RunBatch(*socket, 3'000, every_third_twice, Options());
  EXPECT_FALSE(report.stopped);
  ASSERT_EQ(report.errors.size(), 1'000u);
  for (uint32_t i = 0; i < 1'000; ++i) {
    EXPECT_EQ(report.errors[i].index, i * 3 + 2);
    EXPECT_EQ(report.errors[i].code, EEXIST);
  }
  EXPECT_EQ(CountAddresses(*socket), before + 2'000);
  report = RunBatch(*socket, 3'000, Deleting(), Options());
  EXPECT_EQ(report.errors.size(), 1'000u);
  EXPECT_EQ(CountAddresses(*socket), before);
}

TEST(KernelRouteTest, ExtendedAcknowledgementIsRead) {
  auto socket = OpenReal(NETLINK_ROUTE);
  const auto encode = [](uint32_t, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    ifaddrmsg header{};
    header.ifa_family = AF_INET;
    header.ifa_prefixlen = 77;
    header.ifa_index = kLoopback;
    writer.Begin(RTM_NEWADDR, flags, sequence);
    writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
    writer.PutInteger<uint16_t>(IFA_LOCAL, 0);
    writer.End();
  };
  const BatchReport report = RunBatch(*socket, 1, encode, Options());
  ASSERT_EQ(report.errors.size(), 1u);
  EXPECT_NE(report.errors[0].code, 0);
  EXPECT_FALSE(report.errors[0].message.empty());
}

// Gives the loopback link so many alternative names that a message about it is longer than 32 KiB.
TEST(KernelRouteTest, MessageOfMoreThan32KiBIsRead) {
  auto socket = OpenReal(NETLINK_ROUTE);
  const auto encode_names = [](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    ifinfomsg header{};
    header.ifi_index = kLoopback;
    writer.Begin(RTM_NEWLINKPROP, static_cast<uint16_t>(flags | NLM_F_CREATE | NLM_F_EXCL), sequence);
    writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
    const size_t nest = writer.BeginNest(IFLA_PROP_LIST);
    writer.PutString(IFLA_ALT_IFNAME, std::to_string(index) + std::string(120, 'n'));
    writer.EndNest(nest);
    writer.End();
  };
  const BatchReport added = RunBatch(*socket, 400, encode_names, Options());
  ASSERT_FALSE(added.stopped);
  ASSERT_TRUE(added.errors.empty()) << added.errors[0].code << added.errors[0].message;
  const auto encode = [](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    ifinfomsg header{};
    header.ifi_index = kLoopback;
    writer.Begin(RTM_GETLINK, flags, sequence);
    writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
    writer.End();
  };
  size_t length = 0;
  const Status status = RunRequest(
      *socket, encode,
      [&](const Message& message) -> Status {
        length = message.body.size();
        return std::nullopt;
      },
      In(10'000));
  EXPECT_FALSE(status) << status->code;
  EXPECT_GT(length, 48'000u);
}

TEST(KernelRouteTest, ManyReadsOfADumpAreFewSystemCalls) {
  auto socket = OpenReal(NETLINK_ROUTE);
  ASSERT_TRUE(RunBatch(*socket, 5'000, Adding(kLoopback), Options()).errors.empty());
  const uint32_t before = socket->system_calls();
  EXPECT_GE(CountAddresses(*socket), 5'000u);
  EXPECT_LE(socket->system_calls() - before, 5u) << "5,000 addresses are about 400 KB";
  EXPECT_TRUE(RunBatch(*socket, 5'000, Deleting(), Options()).errors.empty());
}

Result<std::unique_ptr<Socket>> OpenListener(int receive_buffer_bytes) {
  SocketOptions options;
  options.protocol = NETLINK_ROUTE;
  options.groups = {RTNLGRP_IPV4_IFADDR};
  options.receive_buffer_bytes = receive_buffer_bytes;
  options.non_blocking = true;
  return Socket::Open(options);
}

TEST(KernelRouteTest, WhatIsLostBehindAnOverrunIsTold) {
  auto listener = OpenListener(64 << 10);
  ASSERT_TRUE(listener.ok());
  EventReader reader(*listener.value());
  auto socket = OpenReal(NETLINK_ROUTE);
  ASSERT_TRUE(RunBatch(*socket, 500, Adding(kLoopback), Options()).errors.empty());
  size_t events = 0;
  int lost = 0;
  const auto drain = [&](size_t max_bytes) {
    return reader.Drain(
        max_bytes, [&](const Message&) { ++events; }, [&] { ++lost; });
  };
  while (events == 0) ASSERT_EQ(drain(1).end, DrainEnd::kBudget);
  EXPECT_EQ(lost, 0) << "the kernel still holds events, and drops what comes";
  const size_t before = events;
  ASSERT_TRUE(RunBatch(*socket, 500, Deleting(), Options()).errors.empty());
  EXPECT_EQ(drain(SIZE_MAX).end, DrainEnd::kEmpty);
  EXPECT_EQ(lost, 1);
  EXPECT_GT(events, before);
  EXPECT_LT(events, 500u) << "no deletion was told";
}

TEST(KernelRouteTest, SubscriptionSurvivesTwoOverruns) {
  auto listener = OpenListener(1);
  ASSERT_TRUE(listener.ok());
  EventReader reader(*listener.value());
  auto socket = OpenReal(NETLINK_ROUTE);
  for (int overrun = 0; overrun < 2; ++overrun) {
    ASSERT_TRUE(RunBatch(*socket, 500, overrun == 0 ? Adding(kLoopback) : Deleting(), Options()).errors.empty());
    size_t events = 0;
    int lost = 0;
    const DrainResult result = reader.Drain(
        SIZE_MAX, [&](const Message&) { ++events; }, [&] { ++lost; });
    EXPECT_EQ(result.end, DrainEnd::kEmpty);
    EXPECT_EQ(result.lost, 1);
    EXPECT_EQ(lost, 1);
    EXPECT_GT(events, 0u);
    EXPECT_LT(events, 500u);
  }
  ASSERT_TRUE(RunBatch(*socket, 1, Adding(kLoopback), Options()).errors.empty());
  size_t events = 0;
  const DrainResult result = reader.Drain(
      SIZE_MAX, [&](const Message&) { ++events; }, [] {});
  EXPECT_EQ(result.lost, 0);
  EXPECT_EQ(events, 1u);
  EXPECT_TRUE(RunBatch(*socket, 1, Deleting(), Options()).errors.empty());
}

TEST(KernelRouteTest, AbandonedDumpDoesNotDisturbTheNext) {
  auto socket = OpenReal(NETLINK_ROUTE);
  ASSERT_TRUE(RunBatch(*socket, 5'000, Adding(kLoopback), Options()).errors.empty());
  DumpOptions options;
  options.deadline = In(10'000);
  const auto encode = [](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    ifaddrmsg header{};
    writer.Begin(RTM_GETADDR, flags, sequence);
    writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
    writer.End();
  };
  const Status status = RunDump(
      *socket, encode,
      [](const Message&) -> Status {
        return Error{EDOM, "decode", ""};
      },
      options);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, EDOM);
  EXPECT_GE(CountAddresses(*socket), 5'000u);
  EXPECT_TRUE(RunBatch(*socket, 5'000, Deleting(), Options()).errors.empty());
}

}  // namespace
}  // namespace netplane
