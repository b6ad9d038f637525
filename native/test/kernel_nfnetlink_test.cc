// Transactions against nf_tables of this machine's kernel, in the test's own network namespace.
#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>

#include "netlink/dump.h"
#include "netlink/transaction.h"
#include "test/namespaces.h"
#include "test/scripted_io.h"

namespace netplane {
namespace {

// NFPROTO_IPV4; NFPROTO_BRIDGE on kernels whose nf_tables has no other family, as User-Mode Linux.
uint8_t g_family = 2;

void Begin(MessageWriter& writer, int message, int flags, uint32_t sequence) {
  nfgenmsg header{};
  header.nfgen_family = g_family;
  writer.Begin(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message), static_cast<uint16_t>(flags), sequence);
  writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
}

void PutTable(MessageWriter& writer, int message, int flags, uint32_t sequence, const std::string& name) {
  Begin(writer, message, NLM_F_REQUEST | flags, sequence);
  writer.PutString(NFTA_TABLE_NAME, name);
  writer.End();
}

OperationEncoder Creating(std::string prefix, int flags = NLM_F_CREATE | NLM_F_EXCL) {
  return [prefix = std::move(prefix), flags](uint32_t index, const SequenceSource& next, MessageWriter& writer) -> Status {
    PutTable(writer, NFT_MSG_NEWTABLE, flags, next(), prefix + std::to_string(index));
    return std::nullopt;
  };
}

OperationEncoder Deleting(std::string prefix) {
  return [prefix = std::move(prefix)](uint32_t index, const SequenceSource& next, MessageWriter& writer) -> Status {
    PutTable(writer, NFT_MSG_DELTABLE, 0, next(), prefix + std::to_string(index));
    return std::nullopt;
  };
}

// Whether FORCE socket options are permitted here.
bool MayForce(const Socket& socket) {
  int bytes = 0;
  socklen_t length = sizeof bytes;
  getsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUF, &bytes, &length);
  bytes /= 2;
  return setsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) == 0;
}

class KernelNfnetlinkTest : public testing::Test {
 protected:
  std::unique_ptr<Socket> socket_ = OpenReal(NETLINK_NETFILTER);
  BatchAnswers answers_;
  TransactionOptions options_{In(60'000), NFNL_SUBSYS_NFTABLES, std::nullopt, false, nullptr, &answers_};

  void SetUp() override {
    options_.dry_run = true;
    const TransactionReport report = Run(1, Creating("t"));
    if (!report.applied && !report.errors.empty() && report.errors[0].code == EOPNOTSUPP) g_family = 7;
    options_.dry_run = false;
  }

  TransactionReport Run(uint32_t count, const OperationEncoder& encode) { return RunTransaction(*socket_, count, encode, options_); }

  void TearDown() override {
    options_ = {In(60'000), NFNL_SUBSYS_NFTABLES, std::nullopt, false, nullptr};
    const auto tables = Tables();
    const auto encode = [&](uint32_t index, const SequenceSource& next, MessageWriter& writer) -> Status {
      PutTable(writer, NFT_MSG_DELTABLE, 0, next(), tables[index]);
      return std::nullopt;
    };
    EXPECT_TRUE(Run(static_cast<uint32_t>(tables.size()), encode).applied);
  }

  std::vector<std::string> Tables() {
    std::vector<std::string> names;
    DumpOptions options;
    options.deadline = In(10'000);
    options.restart = [&] { names.clear(); };
    const auto encode = [](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
      Begin(writer, NFT_MSG_GETTABLE, flags, sequence);
      writer.End();
    };
    const auto take = [&](const Message& message) -> Status {
      names.emplace_back(message.Attributes(sizeof(nfgenmsg)).Next()->Text());
      return std::nullopt;
    };
    EXPECT_FALSE(RunDump(*socket_, encode, take, options));
    return names;
  }

  uint32_t Generation() {
    uint32_t generation = 0;
    const auto encode = [](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
      Begin(writer, NFT_MSG_GETGEN, flags, sequence);
      writer.End();
    };
    const auto take = [&](const Message& message) -> Status {
      generation = *message.Attributes(sizeof(nfgenmsg)).Next()->Integer<uint32_t>(ByteOrder::kBig);
      return std::nullopt;
    };
    EXPECT_FALSE(RunRequest(*socket_, encode, take, In(10'000)));
    return generation;
  }
};

TEST_F(KernelNfnetlinkTest, CommitsAllAndFewSystemCallsSuffice) {
  EXPECT_TRUE(Run(0, Creating("t")).applied);
  const uint32_t generation = Generation();
  const TransactionReport report = Run(100, Creating("t"));
  EXPECT_TRUE(report.applied);
  EXPECT_FALSE(report.failure);
  // Drain, send, receive; and a second read, to see that there is nothing more, where END's ACK does not say so (before 6.10).
  EXPECT_EQ(report.system_calls, *answers_.acknowledges_end ? 3u : 4u);
  EXPECT_EQ(Tables().size(), 100u);
  EXPECT_EQ(Generation(), generation + 1);
}

TEST_F(KernelNfnetlinkTest, RefusalAtEveryPositionChangesNothing) {
  ASSERT_TRUE(Run(1, Creating("there")).applied);
  const uint32_t generation = Generation();
  for (uint32_t refused = 0; refused < 8; ++refused) {
    const auto encode = [refused](uint32_t index, const SequenceSource& next, MessageWriter& writer) -> Status {
      if (index != refused) return Creating("t")(index, next, writer);
      return Creating("there")(0, next, writer);
    };
    const TransactionReport report = Run(8, encode);
    EXPECT_FALSE(report.applied);
    EXPECT_FALSE(report.failure);
    ASSERT_EQ(report.errors.size(), 1u);
    EXPECT_EQ(report.errors[0].index, refused);
    EXPECT_EQ(report.errors[0].code, EEXIST);
    EXPECT_EQ(report.errors[0].offset, 20u) << "NFTA_TABLE_NAME";
  }
  EXPECT_EQ(Tables(), std::vector<std::string>{"there0"});
  EXPECT_EQ(Generation(), generation);
}

TEST_F(KernelNfnetlinkTest, EveryOneOfTenThousandRefusalsIsReported) {
  const TransactionReport report = Run(10'000, Deleting("absent"));
  EXPECT_FALSE(report.applied);
  // Where the receive buffer may not grow that far, refusals are missing, and the report says so.
  const bool may_lose = !MayForce(*socket_) && socket_->max_replies() < 10'000;
  EXPECT_TRUE(may_lose || !report.replies_lost);
  if (report.replies_lost) {
    EXPECT_GT(report.errors.size(), 200u);
  } else {
    EXPECT_EQ(report.errors.size(), 10'000u);
  }
  for (uint32_t i = 0; i < report.errors.size(); ++i) {
    ASSERT_EQ(report.errors[i].index, i);
    ASSERT_EQ(report.errors[i].code, ENOENT);
  }
}

TEST_F(KernelNfnetlinkTest, RefusedBatchIsKnownToBeRefusedWhenTheReceiveBufferOverruns) {
  EXPECT_TRUE(PassesInUserNamespace([] {
    auto socket = OpenReal(NETLINK_NETFILTER);
    const TransactionOptions options{In(60'000), NFNL_SUBSYS_NFTABLES, std::nullopt, false, nullptr, nullptr};
    const TransactionReport report = RunTransaction(*socket, 11'000, Deleting("absent"), options);
    // A net.core.rmem_max that holds them all would be unusual.
    const bool is_complete = socket->max_replies() >= 11'000 && report.errors.size() == 11'000;
    return !report.applied && !report.failure && report.replies_lost != is_complete && !report.errors.empty() &&
           report.errors[0].index == 0;
  }));
}

TEST_F(KernelNfnetlinkTest, AnotherGenerationIsRefused) {
  ASSERT_TRUE(Run(1, Creating("t")).applied);
  options_.generation = Generation();
  EXPECT_TRUE(Run(1, Creating("u")).applied);
  const TransactionReport report = Run(1, Creating("v"));
  EXPECT_FALSE(report.applied);
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(report.failure->code, ERESTART);
  EXPECT_FALSE(report.failure->outcome_unknown);
  EXPECT_EQ(Tables().size(), 2u);
}

TEST_F(KernelNfnetlinkTest, DryRunChangesNothingAndRefusesAsACommitWould) {
  options_.dry_run = true;
  EXPECT_TRUE(Run(3, Creating("t")).applied);
  EXPECT_TRUE(Tables().empty());
  const TransactionReport report = Run(3, Deleting("t"));
  EXPECT_FALSE(report.applied);
  ASSERT_EQ(report.errors.size(), 3u);
  EXPECT_EQ(report.errors[2].index, 2u);
  EXPECT_EQ(report.errors[2].code, ENOENT);
}

TEST_F(KernelNfnetlinkTest, FailedCommitIsNotTheFirstOperationsFault) {
  // An anonymous set that no rule uses is refused by the commit (nf_tables_commit), not by its own message.
  const auto encode = [](uint32_t index, const SequenceSource& next, MessageWriter& writer) -> Status {
    if (index == 0) return Creating("t")(index, next, writer);
    Begin(writer, NFT_MSG_NEWSET, NLM_F_REQUEST | NLM_F_CREATE, next());
    writer.PutString(NFTA_SET_TABLE, "t0");
    writer.PutString(NFTA_SET_NAME, "__set%d");
    writer.PutInteger<uint32_t>(NFTA_SET_FLAGS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT, ByteOrder::kBig);
    writer.PutInteger<uint32_t>(NFTA_SET_KEY_LEN, 4, ByteOrder::kBig);
    writer.PutInteger<uint32_t>(NFTA_SET_ID, 1, ByteOrder::kBig);
    writer.End();
    return std::nullopt;
  };
  const TransactionReport report = Run(2, encode);
  EXPECT_FALSE(report.applied);
  EXPECT_TRUE(report.errors.empty());
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(report.failure->code, EINVAL);
  EXPECT_TRUE(Tables().empty());
}

TEST_F(KernelNfnetlinkTest, EchoesComeWithTheirOperation) {
  std::vector<uint32_t> echoed;
  options_.echo = [&](uint32_t index, const Message& message) {
    if ((message.type & 0xff) == NFT_MSG_NEWTABLE) echoed.push_back(index);
  };
  EXPECT_TRUE(Run(500, Creating("t", NLM_F_CREATE | NLM_F_ECHO)).applied);
  ASSERT_EQ(echoed.size(), 500u);
  EXPECT_TRUE(std::is_sorted(echoed.begin(), echoed.end()));
}

TEST_F(KernelNfnetlinkTest, WithoutCapabilityItIsPermissionDenied) {
  // The child's user namespace does not own the network namespace that this socket belongs to.
  EXPECT_TRUE(PassesInUserNamespace([this] {
    const TransactionReport report = Run(2, Creating("t"));
    return !report.applied && report.errors.empty() && report.failure && report.failure->code == EPERM && !report.failure->outcome_unknown;
  }));
  EXPECT_TRUE(PassesInUserNamespace([] {
    SocketOptions options;
    options.protocol = NETLINK_NETFILTER;
    options.network_namespace.path = "/proc/" + std::to_string(getppid()) + "/ns/net";
    auto socket = Socket::Open(options);
    return !socket.ok() && (socket.error().code == EPERM || socket.error().code == EACCES);
  }));
}

// `bytes` in one transaction: 60 KB a message, in an attribute that the kernel does not know and ignores.
TransactionReport SendLong(Socket& socket, size_t bytes) {
  const Bytes padding(60'000);
  const auto encode = [&](uint32_t index, const SequenceSource& next, MessageWriter& writer) -> Status {
    Begin(writer, NFT_MSG_NEWTABLE, NLM_F_REQUEST | NLM_F_CREATE, next());
    writer.PutString(NFTA_TABLE_NAME, "long" + std::to_string(index));
    writer.Put(200, padding);
    writer.End();
    return std::nullopt;
  };
  return RunTransaction(socket, static_cast<uint32_t>(bytes / padding.size()), encode,
                        {In(60'000), NFNL_SUBSYS_NFTABLES, std::nullopt, false, nullptr, nullptr});
}

bool IsNamedAsTooLong(const TransactionReport& report) {
  return !report.applied && report.failure && report.failure->code == EMSGSIZE && !report.failure->outcome_unknown &&
         report.failure->message.find("net.core.wmem_max") != std::string::npos &&
         report.failure->message.find(std::to_string(report.bytes)) != std::string::npos;
}

TEST_F(KernelNfnetlinkTest, OneTransactionMayHaveTensOfMegabytesWherePermitted) {
  const TransactionReport report = SendLong(*socket_, 24'000'000);
  EXPECT_TRUE(MayForce(*socket_) ? report.applied : IsNamedAsTooLong(report));
}

TEST_F(KernelNfnetlinkTest, TooLongATransactionSaysWhatIsMissing) {
  EXPECT_TRUE(PassesInUserNamespace([] {
    auto socket = OpenReal(NETLINK_NETFILTER);
    return SendLong(*socket, 120'000).applied && IsNamedAsTooLong(SendLong(*socket, 24'000'000));
  }));
}

TEST_F(KernelNfnetlinkTest, RefusedRequestOutsideABatchIsNamed) {
  const auto encode = [](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    Begin(writer, NFT_MSG_GETTABLE, flags, sequence);
    writer.PutString(NFTA_TABLE_NAME, "absent");
    writer.End();
  };
  const Status status = RunRequest(
      *socket_, encode, [](const Message&) -> Status { return std::nullopt; }, In(10'000));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, ENOENT);
  EXPECT_FALSE(status->outcome_unknown);
}

}  // namespace
}  // namespace netplane
