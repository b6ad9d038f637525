// Sockets: what is read, what is dropped, where they live.
#include "netlink/socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "test/namespaces.h"
#include "test/scripted_io.h"

namespace netplane {
namespace {

TEST(SocketReadTest, InterruptedCallIsRepeatedWhicheverItIs) {
  for (unsigned call = 0; call < 4; ++call) {
    ScriptedIo io;
    auto socket = OpenScripted(io);
    io.interrupted_call = call;
    io.on_send = [&](ByteView) { io.Queue({1, 2, 3}); };
    EXPECT_FALSE(socket->Send(Bytes(16)));
    EXPECT_EQ(io.sent.size(), 1u);
    ByteView datagram;
    ASSERT_EQ(socket->Receive(In(1'000), &datagram), Received::kData);
    EXPECT_EQ(Bytes(datagram.begin(), datagram.end()), (Bytes{1, 2, 3}));
    EXPECT_EQ(socket->Receive(In(5), &datagram), Received::kNothing);
    EXPECT_EQ(socket->system_calls(), io.calls);
  }
}

TEST(SocketReadTest, DropsWhatTheKernelDidNotSend) {
  ScriptedIo io;
  auto socket = OpenScripted(io);
  for (uint32_t sender = 1; sender < 200; ++sender) io.queue.push_back({{9}, sender, false, 0});
  io.Queue({1});
  ByteView datagram;
  ASSERT_EQ(socket->ReceiveNow(&datagram), Received::kData);
  EXPECT_EQ(datagram[0], 1);
  EXPECT_EQ(socket->ReceiveNow(&datagram), Received::kNothing);
}

// Another process that never ceases to send.
class FloodedIo : public ScriptedIo {
 public:
  int ReceiveMany(int, mmsghdr* messages, unsigned count, int) override {
    for (unsigned i = 0; i < count; ++i) {
      messages[i].msg_len = 1;
      static_cast<sockaddr_nl*>(messages[i].msg_hdr.msg_name)->nl_pid = 4711;
    }
    return static_cast<int>(count);
  }
};

TEST(SocketReadTest, AFloodOfOthersEndsAtTheDeadlineAndIsNotSilence) {
  FloodedIo io;
  auto socket = OpenScripted(io);
  ByteView datagram;
  const auto began = Clock::now();
  EXPECT_EQ(socket->Receive(In(20), &datagram), Received::kError);
  EXPECT_EQ(socket->last_error().code, EBUSY);
  EXPECT_LT(Clock::now() - began, std::chrono::seconds(5));
  EXPECT_EQ(socket->ReceiveNow(&datagram), Received::kError);
  EXPECT_EQ(socket->last_error().code, EBUSY);
}

TEST(SocketReadTest, CutDatagramIsAnErrorAndTheNextIsRead) {
  ScriptedIo io;
  auto socket = OpenScripted(io);
  io.queue.push_back({{9}, 0, true, 0});
  io.Queue(Bytes(65'536 + 4'096, 7));
  io.Queue(Bytes(65'536 + 4'097, 8));
  ByteView datagram;
  EXPECT_EQ(socket->ReceiveNow(&datagram), Received::kError);
  EXPECT_EQ(socket->last_error().code, EMSGSIZE);
  ASSERT_EQ(socket->ReceiveNow(&datagram), Received::kData);
  EXPECT_EQ(datagram.size(), 65'536u + 4'096u);
  EXPECT_EQ(socket->ReceiveNow(&datagram), Received::kError);
  EXPECT_EQ(socket->ReceiveNow(&datagram), Received::kNothing);
}

TEST(SocketReadTest, OverrunIsReportedAndReadingGoesOn) {
  ScriptedIo io;
  auto socket = OpenScripted(io);
  io.QueueError(ENOBUFS);
  io.Queue({1});
  ByteView datagram;
  EXPECT_EQ(socket->Receive(In(1'000), &datagram), Received::kOverrun);
  EXPECT_EQ(socket->last_error().code, ENOBUFS);
  EXPECT_EQ(socket->Receive(In(1'000), &datagram), Received::kData);
}

TEST(SocketReadTest, DrainForgetsEverythingButABrokenSocket) {
  ScriptedIo io;
  auto socket = OpenScripted(io);
  for (int i = 0; i < 150; ++i) io.Queue({1});
  io.QueueError(ENOBUFS);
  io.queue.push_back({{9}, 0, true, 0});
  io.Queue({1});
  EXPECT_EQ(socket->Drain(), 153u);
  ByteView datagram;
  EXPECT_EQ(socket->ReceiveNow(&datagram), Received::kNothing);
  for (int i = 0; i < 1'000'000; ++i) io.QueueError(EBADF);
  EXPECT_EQ(socket->Drain(), 0u);
}

TEST(SocketReadTest, SequenceNumbersAreNeverZeroNorOverlap) {
  ScriptedIo io;
  auto socket = OpenScripted(io);
  std::set<uint32_t> taken;
  for (uint32_t count : {1u, 5u, 1'000u, 1u}) {
    const uint32_t first = socket->TakeSequences(count);
    for (uint32_t i = 0; i < count; ++i) EXPECT_TRUE(taken.insert(first + i).second);
  }
  socket->TakeSequences(UINT32_MAX - 2'000);
  for (int i = 0; i < 10; ++i) {
    const uint32_t first = socket->TakeSequences(300);
    EXPECT_NE(first, 0u);
    EXPECT_LE(first, UINT32_MAX - 300) << "the run must not wrap to 0";
  }
}

Status OpenStatus(const SocketOptions& options) {
  auto socket = Socket::Open(options);
  return socket.ok() ? Status() : socket.error();
}

TEST(SocketOpenTest, IsClosedOnExecAndKnowsItsPort) {
  auto socket = OpenReal(NETLINK_ROUTE);
  EXPECT_TRUE(fcntl(socket->fd(), F_GETFD) & FD_CLOEXEC);
  EXPECT_NE(socket->port_id(), 0u);
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
    int value = 0;
    socklen_t length = sizeof value;
    EXPECT_EQ(getsockopt(socket->fd(), SOL_NETLINK, option, &value, &length), 0);
    EXPECT_EQ(value, 1);
  }
  EXPECT_GT(socket->max_send_bytes(), 100'000u);
  EXPECT_GE(socket->max_replies(), 200u);
}

TEST(SocketOpenTest, SaysWhichCallFailed) {
  SocketOptions options;
  options.protocol = 31;
  Status status = OpenStatus(options);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, EPROTONOSUPPORT);
  EXPECT_EQ(status->operation, "socket(AF_NETLINK)");
  options.protocol = NETLINK_ROUTE;
  options.groups = {100'000};
  status = OpenStatus(options);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, EINVAL);
  EXPECT_EQ(status->operation, "setsockopt(NETLINK_ADD_MEMBERSHIP)");
}

ino_t NamespaceOf(int socket) {
  const int fd = ioctl(socket, SIOCGSKNS);
  struct stat info {};
  EXPECT_EQ(fstat(fd, &info), 0);
  close(fd);
  return info.st_ino;
}

ino_t InodeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  return info.st_ino;
}

TEST(NetworkNamespaceTest, SocketLivesThereAndTheCallerStaysWhereItWas) {
  const int fd = NewNetworkNamespace();
  ASSERT_GE(fd, 0);
  const ino_t own = InodeOf("/proc/thread-self/ns/net");
  SocketOptions options;
  options.network_namespace.path = "/proc/self/fd/" + std::to_string(fd);
  auto socket = Socket::Open(options);
  ASSERT_TRUE(socket.ok()) << socket.error().operation;
  EXPECT_EQ(NamespaceOf(socket.value()->fd()), InodeOf(options.network_namespace.path));
  EXPECT_NE(NamespaceOf(socket.value()->fd()), own);
  EXPECT_EQ(InodeOf("/proc/thread-self/ns/net"), own);
  close(fd);
}

TEST(NetworkNamespaceTest, WhatIsOpenedBySocketOptionsLaterIsInTheSameOne) {
  const int first = NewNetworkNamespace();
  const int second = NewNetworkNamespace();
  ASSERT_GE(first, 0);
  ASSERT_GE(second, 0);
  SocketOptions options;
  options.network_namespace.path = "/proc/self/fd/" + std::to_string(first);
  auto socket = Socket::Open(options);
  ASSERT_TRUE(socket.ok());
  const ino_t here = NamespaceOf(socket.value()->fd());
  // From here on the path stands for another one.
  ASSERT_EQ(dup2(second, first), first);
  ASSERT_NE(InodeOf(options.network_namespace.path), here);
  auto later = Socket::Open(socket.value()->options());
  ASSERT_TRUE(later.ok());
  EXPECT_EQ(NamespaceOf(later.value()->fd()), here);
  auto companion = socket.value()->Companion();
  ASSERT_TRUE(companion.ok());
  EXPECT_EQ(NamespaceOf(companion.value()->fd()), here);
  ino_t seen = 0;
  EXPECT_FALSE(RunInNamespace(socket.value()->options().network_namespace, [&]() -> Status {
    seen = InodeOf("/proc/thread-self/ns/net");
    return std::nullopt;
  }));
  EXPECT_EQ(seen, here);
  close(first);
  close(second);
}

TEST(NetworkNamespaceTest, NamesWhatIsWrongWithThePath) {
  const std::string fifo = testing::TempDir() + "netplane-fifo-" + std::to_string(getpid());
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const std::vector<std::tuple<std::string, int, std::string>> cases = {{"/does/not/exist", ENOENT, "open /does/not/exist"},
                                                                        {"/proc/self/status", EINVAL, "setns"},
                                                                        {"/proc/self/ns/uts", EINVAL, "setns"},
                                                                        {fifo, EINVAL, "setns"}};
  for (const auto& [path, code, operation] : cases) {
    bool worked = false;
    const Status status = RunInNamespace({path, nullptr}, [&]() -> Status {
      worked = true;
      return std::nullopt;
    });
    ASSERT_TRUE(status) << path;
    EXPECT_EQ(status->code, code) << path;
    EXPECT_EQ(status->operation, operation);
    EXPECT_FALSE(worked);
  }
  unlink(fifo.c_str());
}

TEST(NetworkNamespaceTest, WhatTheWorkReturnsComesBack) {
  for (const std::string path : {"", "/proc/self/ns/net"}) {
    EXPECT_FALSE(RunInNamespace({path, nullptr}, []() -> Status { return std::nullopt; }));
    const Status status = RunInNamespace({path, nullptr}, []() -> Status { return Error{EDOM, "work", "text"}; });
    ASSERT_TRUE(status);
    EXPECT_EQ(status->code, EDOM);
    EXPECT_EQ(status->operation, "work");
  }
}

TEST(NetworkNamespaceTest, ThreadThatCannotBeStartedIsAnError) {
  pthread_attr_t before, huge;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 46), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  const Status status = RunInNamespace({"/proc/self/ns/net", nullptr}, []() -> Status { return std::nullopt; });
  pthread_setattr_default_np(&before);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->operation, "pthread_create");
  EXPECT_EQ(status->code, EAGAIN);
}

TEST(NetworkNamespaceTest, LeavesNoDescriptorBehind) {
  const auto lowest_free = [] {
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
  };
  const int before = lowest_free();
  SocketOptions options;
  options.network_namespace.path = "/proc/self/ns/net";
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(OpenStatus(options));
    options.groups = {i % 2 == 0 ? 100'000 : 1};
    static_cast<void>(OpenStatus(options));
    options.groups.clear();
    static_cast<void>(RunInNamespace({"/proc/self/ns/uts", nullptr}, []() -> Status { return std::nullopt; }));
  }
  EXPECT_EQ(lowest_free(), before);
}

}  // namespace
}  // namespace netplane
