#include "netlink/socket.h"

#include <linux/netlink.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <new>

#include "netlink/trace.h"

namespace netplane {
namespace {

// The kernel puts at most 32 KiB into a datagram of a dump, but an event or a reply may hold an attribute of 64 KiB with its headers.
constexpr size_t kSlotBytes = (size_t{64} << 10) + 4096;
// As much of a dump as one system call may bring. Memory that no datagram has filled is never touched, so costs nothing.
constexpr unsigned kSlots = 64;
// Events are decoded on a thread that must not be held long, and what was read must be handed over at once (subscription.h).
constexpr unsigned kEventSlots = 4;
// Reads in a row that may bring nothing of the kernel's. A receive buffer of 1 GiB holds about as many small datagrams.
constexpr int kMostForeignReads = 1 << 14;
// An ACK costs 832 bytes of receive buffer on 64-bit kernels (skb truesize); 1 KiB is what nft reckons with.
constexpr size_t kReplyBytes = 1024;
// netlink_sendmsg refuses len > sk_sndbuf - 32.
constexpr size_t kSendOverhead = 32;

Error Errno(const char* operation) { return Error{errno, operation, ""}; }

int MillisecondsUntil(Deadline deadline) {
  const auto now = Clock::now();
  if (deadline <= now) return 0;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<int>(std::min<long long>(left + 1, INT_MAX));
}

}  // namespace

struct Socket::Inbox {
  // No memory where there is none: a plain `new` would end the process.
  explicit Inbox(unsigned slots) : slots(slots), memory(new (std::nothrow) uint8_t[kSlotBytes * slots]) {}

  const unsigned slots;
  std::unique_ptr<uint8_t[]> memory;
  iovec vectors[kSlots];
  sockaddr_nl senders[kSlots];
  mmsghdr headers[kSlots];
  unsigned filled = 0;
  unsigned next = 0;

  void Prepare() {
    for (unsigned i = 0; i < slots; ++i) {
      vectors[i] = {memory.get() + i * kSlotBytes, kSlotBytes};
      headers[i] = {};
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_name = &senders[i];
      headers[i].msg_hdr.msg_namelen = sizeof senders[i];
    }
    filled = next = 0;
  }
};

Socket::Socket(SocketOptions options, SocketIo& io) : options_(std::move(options)), io_(io) {}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::unique_ptr<Socket>> Socket::Open(const SocketOptions& options, SocketIo& io) {
  std::unique_ptr<Socket> socket(new Socket(options, io));
  NetworkNamespace& where = socket->options_.network_namespace;
  if (auto error = HoldNamespace(where)) return *error;
  if (auto error = RunInNamespace(where, [&] { return socket->Create(); })) return *error;
  if (auto error = socket->Configure()) return *error;
  // Before anything is sent: an answer that cannot be read would leave its outcome unknown.
  socket->inbox_ = std::make_unique<Inbox>(options.groups.empty() ? kSlots : kEventSlots);
  if (!socket->inbox_->memory) return Error{ENOMEM, "receive buffer", ""};
  return socket;
}

Status Socket::Create() {
  const int type = SOCK_RAW | SOCK_CLOEXEC | (options_.non_blocking ? SOCK_NONBLOCK : 0);
  fd_ = ::socket(AF_NETLINK, type, options_.protocol);
  if (fd_ < 0) return Errno("socket(AF_NETLINK)");
  return std::nullopt;
}

Status Socket::Configure() {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Errno("bind(AF_NETLINK)");
  socklen_t length = sizeof address;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0) return Errno("getsockname");
  port_id_ = address.nl_pid;

  const int on = 1;
  // Without these, refusals would echo whole requests and say nothing but an errno; both exist since 4.12.
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
    if (::setsockopt(fd_, SOL_NETLINK, option, &on, sizeof on) != 0) return Errno("setsockopt(SOL_NETLINK)");
  }
  if (options_.strict_check && ::setsockopt(fd_, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on) != 0) {
    return Errno("setsockopt(NETLINK_GET_STRICT_CHK)");
  }
  SetBuffer(SO_SNDBUFFORCE, SO_SNDBUF, options_.send_buffer_bytes);
  SetBuffer(SO_RCVBUFFORCE, SO_RCVBUF, options_.receive_buffer_bytes);
  max_send_bytes_ = static_cast<size_t>(ReadOption(SO_SNDBUF)) - kSendOverhead;
  max_replies_ = static_cast<size_t>(ReadOption(SO_RCVBUF)) / kReplyBytes;
  for (const int group : options_.groups) {
    if (::setsockopt(fd_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
      return Errno("setsockopt(NETLINK_ADD_MEMBERSHIP)");
  }
  return std::nullopt;
}

void Socket::SetBuffer(int force_option, int plain_option, int bytes) {
  // EPERM of the first is expected without CAP_NET_ADMIN in the initial user namespace; the second is capped by the kernel, never refused.
  if (::setsockopt(fd_, SOL_SOCKET, force_option, &bytes, sizeof bytes) == 0) return;
  ::setsockopt(fd_, SOL_SOCKET, plain_option, &bytes, sizeof bytes);
}

int Socket::ReadOption(int option) const {
  int value = 0;
  socklen_t length = sizeof value;
  ::getsockopt(fd_, SOL_SOCKET, option, &value, &length);
  return std::max(value, static_cast<int>(kSendOverhead) + 1);
}

Status Socket::ReserveSend(size_t bytes) {
  if (bytes <= max_send_bytes_) return std::nullopt;
  // The kernel doubles what is asked for (socket(7)), and caps the plain option at net.core.wmem_max before it does.
  const size_t half = (bytes + kSendOverhead + 1) / 2;
  SetBuffer(SO_SNDBUFFORCE, SO_SNDBUF, static_cast<int>(std::min<size_t>(half, INT_MAX / 2)));
  max_send_bytes_ = static_cast<size_t>(ReadOption(SO_SNDBUF)) - kSendOverhead;
  if (bytes <= max_send_bytes_) return std::nullopt;
  return Error{EMSGSIZE, "sendmsg",
               std::to_string(bytes) + " bytes are needed in one message, and the socket was granted " + std::to_string(max_send_bytes_) +
                   ": raise net.core.wmem_max to at least " + std::to_string(half) +
                   ", or have CAP_NET_ADMIN in the initial user namespace"};
}

void Socket::ReserveReplies(size_t replies) {
  if (replies <= max_replies_) return;
  constexpr size_t kMost = size_t{256} << 20;
  SetBuffer(SO_RCVBUFFORCE, SO_RCVBUF, static_cast<int>(std::min(replies * kReplyBytes, kMost)));
  max_replies_ = static_cast<size_t>(ReadOption(SO_RCVBUF)) / kReplyBytes;
}

Result<Socket*> Socket::Companion() {
  if (!companion_) {
    auto opened = Open(options_, io_);
    if (!opened.ok()) return opened.error();
    companion_ = std::move(opened).value();
  }
  return companion_.get();
}

uint32_t Socket::TakeSequences(uint32_t count) {
  if (count > UINT32_MAX - next_sequence_) next_sequence_ = 1;
  const uint32_t first = next_sequence_;
  next_sequence_ += count;
  return first;
}

void Socket::RenewSequences() {
  if (next_sequence_ > UINT32_MAX - (1u << 24)) next_sequence_ = 1;
}

Status Socket::Send(ByteView datagram) {
  if (TraceEnabled()) TraceDatagram(options_.protocol, datagram, true);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  iovec vector{const_cast<uint8_t*>(datagram.data()), datagram.size()};
  msghdr message{};
  message.msg_name = &kernel;
  message.msg_namelen = sizeof kernel;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  for (;;) {
    ++system_calls_;
    const ssize_t sent = io_.Send(fd_, &message, 0);
    if (sent >= 0 && static_cast<size_t>(sent) == datagram.size()) return std::nullopt;
    if (sent >= 0) return Error{EIO, "sendmsg", "the kernel took only a part of the message", true};
    if (errno != EINTR) return Errno("sendmsg");
  }
}

Received Socket::ReadMany(Deadline deadline, ByteView* datagram) {
  for (int rounds = 0;; ++rounds) {
    while (inbox_->next < inbox_->filled) {
      const unsigned slot = inbox_->next++;
      const mmsghdr& header = inbox_->headers[slot];
      // Any process may send to our port: only the kernel's own datagrams count.
      if (header.msg_hdr.msg_namelen < sizeof(sockaddr_nl) || inbox_->senders[slot].nl_pid != 0) continue;
      if (header.msg_hdr.msg_flags & MSG_TRUNC) {
        last_error_ = Error{EMSGSIZE, "recvmmsg", "a datagram longer than " + std::to_string(kSlotBytes) + " bytes was cut"};
        return Received::kError;
      }
      *datagram = ByteView(inbox_->memory.get() + slot * kSlotBytes, std::min<size_t>(header.msg_len, kSlotBytes));
      if (TraceEnabled()) TraceDatagram(options_.protocol, *datagram, false);
      return Received::kData;
    }
    // Another process with CAP_NET_ADMIN may send to us faster than we read. That is not silence: what the kernel said may be behind it.
    if (rounds > kMostForeignReads || (rounds > 0 && Clock::now() > deadline)) {
      last_error_ = Error{EBUSY, "recvmmsg", "another process floods the socket"};
      return Received::kError;
    }
    inbox_->Prepare();
    ++system_calls_;
    const int count = io_.ReceiveMany(fd_, inbox_->headers, inbox_->slots, MSG_DONTWAIT);
    if (count > 0) {
      inbox_->filled = std::min(static_cast<unsigned>(count), inbox_->slots);
      continue;
    }
    if (count == 0) return Received::kNothing;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Received::kNothing;
    last_error_ = Errno("recvmmsg");
    if (last_error_.code == ENOBUFS) last_error_.message = "the receive buffer overran: replies or events were lost";
    return last_error_.code == ENOBUFS ? Received::kOverrun : Received::kError;
  }
}

Received Socket::ReceiveNow(ByteView* datagram) { return ReadMany(Deadline::max(), datagram); }

Received Socket::Receive(Deadline deadline, ByteView* datagram) {
  for (;;) {
    const Received received = ReadMany(deadline, datagram);
    if (received != Received::kNothing) return received;
    const int timeout = MillisecondsUntil(deadline);
    if (timeout == 0) return Received::kNothing;
    ++system_calls_;
    const int ready = io_.WaitReadable(fd_, timeout);
    if (ready < 0 && errno != EINTR) {
      last_error_ = Errno("poll");
      return Received::kError;
    }
  }
}

bool Socket::has_buffered() const { return inbox_ && inbox_->next < inbox_->filled; }

bool Socket::IsReadable() {
  if (has_buffered()) return true;
  for (;;) {
    ++system_calls_;
    const int ready = io_.WaitReadable(fd_, 0);
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

size_t Socket::Drain() {
  size_t count = 0;
  ByteView datagram;
  // A bound, as a process may send to us without end; an overrun is cleared by being reported.
  for (int tries = 0; tries < 1 << 16; ++tries) {
    const Received received = ReceiveNow(&datagram);
    if (received == Received::kNothing) break;
    if (received == Received::kError && last_error_.code != EMSGSIZE) break;
    ++count;
  }
  return count;
}

}  // namespace netplane
