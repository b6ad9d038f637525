// A netlink socket: opened in a given namespace, sized, and read without ever trusting a datagram that is not the kernel's.
#ifndef NETPLANE_NETLINK_SOCKET_H_
#define NETPLANE_NETLINK_SOCKET_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "netlink/bytes.h"
#include "netlink/network_namespace.h"
#include "netlink/result.h"
#include "netlink/socket_io.h"

namespace netplane {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

struct SocketOptions {
  /// NETLINK_ROUTE 0, NETLINK_SOCK_DIAG 4, NETLINK_NETFILTER 12, NETLINK_GENERIC 16.
  int protocol = 0;
  NetworkNamespace network_namespace;
  /// Bytes asked for; FORCE is tried first (CAP_NET_ADMIN in the initial user namespace), then the plain option, which the kernel caps.
  int send_buffer_bytes = 1 << 20;
  int receive_buffer_bytes = 1 << 20;
  /// Multicast groups to join (NETLINK_ADD_MEMBERSHIP numbers).
  std::vector<int> groups;
  /// NETLINK_GET_STRICT_CHK: needed by rtnetlink for filtered dumps.
  bool strict_check = false;
  bool non_blocking = false;
};

/// What one read found.
enum class Received : uint8_t {
  kData,     ///< A datagram of the kernel's.
  kNothing,  ///< Nothing within the deadline (or at once, when draining).
  kOverrun,  ///< ENOBUFS: replies or events were lost.
  kError,    ///< Anything else, EBUSY where only datagrams of other processes come; the error is in `last_error()`.
};

/// Owns the descriptor. Not thread-safe: one job at a time.
class Socket {
 public:
  static Result<std::unique_ptr<Socket>> Open(const SocketOptions& options, SocketIo& io = SystemSocketIo());
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  uint32_t port_id() const { return port_id_; }
  /// As they were given, but that the namespace is open: what is opened by them later is in the same one.
  const SocketOptions& options() const { return options_; }
  /// Largest datagram that one send may hold (SO_SNDBUF as granted, less the kernel's own 32 bytes of overhead; af_netlink.c
  /// netlink_sendmsg).
  size_t max_send_bytes() const { return max_send_bytes_; }
  /// How many refusals or ACKs fit the receive buffer for sure: bytes granted / 1 KiB.
  size_t max_replies() const { return max_replies_; }

  /// Makes room for a datagram of `bytes` (SO_SNDBUFFORCE, else SO_SNDBUF up to net.core.wmem_max). EMSGSIZE, naming what was needed and
  /// granted, where the kernel grants less.
  Status ReserveSend(size_t bytes);
  /// Makes room for `replies` refusals or ACKs, as far as permitted; what was granted shows in max_replies().
  void ReserveReplies(size_t replies);

  /// A second socket with the same options, opened at first need and closed with this one: for a change while this one reads a dump.
  Result<Socket*> Companion();

  /// First of `count` consecutive sequence numbers that this socket has never used; never 0.
  uint32_t TakeSequences(uint32_t count);

  /// Begins again at 1 where fewer than 2^24 numbers are left, so that those taken one by one from here on are consecutive.
  void RenewSequences();

  /// Sends one datagram to the kernel, which works on it inside this call; an error means that it got nothing (unless outcome_unknown).
  /// EINTR is repeated. EMSGSIZE, ENOBUFS, EPERM … come back as they are.
  Status Send(ByteView datagram);
  /// Waits for one datagram until the deadline; `datagram` points into the socket's own buffer until the next read. EINTR is repeated;
  /// datagrams whose sender is not the kernel are dropped. MSG_TRUNC is kError with EMSGSIZE.
  Received Receive(Deadline deadline, ByteView* datagram);
  /// As Receive, without waiting.
  Received ReceiveNow(ByteView* datagram);
  /// Datagrams that were read from the kernel and not yet handed over: no poll will tell of them.
  bool has_buffered() const;
  /// True where a read would find something at once, an overrun included. EINTR is repeated.
  bool IsReadable();
  /// Reads and forgets whatever is queued, so that an old reply is never taken for a new one. Returns the number of datagrams.
  size_t Drain();
  /// System calls made to send, receive and wait since the socket was opened.
  uint32_t system_calls() const { return system_calls_; }
  /// The error behind the last kOverrun (ENOBUFS) or kError.
  const Error& last_error() const { return last_error_; }

 private:
  Socket(SocketOptions options, SocketIo& io);
  Status Create();
  Status Configure();
  void SetBuffer(int force_option, int plain_option, int bytes);
  int ReadOption(int option) const;
  Received ReadMany(Deadline deadline, ByteView* datagram);
  SocketOptions options_;
  SocketIo& io_;
  int fd_ = -1;
  uint32_t port_id_ = 0;
  uint32_t next_sequence_ = 1;
  size_t max_send_bytes_ = 0;
  size_t max_replies_ = 0;
  uint32_t system_calls_ = 0;
  Error last_error_;
  /// Buffers of recvmmsg.
  struct Inbox;
  std::unique_ptr<Inbox> inbox_;
  std::unique_ptr<Socket> companion_;
};

}  // namespace netplane

#endif  // NETPLANE_NETLINK_SOCKET_H_
