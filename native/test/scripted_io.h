// A kernel made of a script: answers what was sent, and fails whichever system call a test wants to fail.
#ifndef NETPLANE_TEST_SCRIPTED_IO_H_
#define NETPLANE_TEST_SCRIPTED_IO_H_

#include <cerrno>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/attribute_reader.h"
#include "netlink/message_writer.h"
#include "netlink/socket.h"

namespace netplane {

/// One thing that a read finds.
struct Scripted {
  Bytes data;
  /// Port of the sender; 0 is the kernel.
  uint32_t sender = 0;
  bool is_cut = false;
  /// Instead of a datagram: what recvmmsg fails with.
  int error = 0;
};

class ScriptedIo : public SocketIo {
 public:
  /// Called with every datagram that was sent; queues the answers.
  std::function<void(ByteView datagram)> on_send;
  std::deque<Scripted> queue;
  std::vector<Bytes> sent;
  /// Number of the call, of any kind, that fails once with EINTR; counted from 0.
  std::optional<unsigned> interrupted_call;
  /// What sendmsg fails with, if it does.
  int send_error = 0;
  unsigned calls = 0;

  void Queue(Bytes data) { queue.push_back({std::move(data), 0, false, 0}); }
  void QueueError(int error) { queue.push_back({{}, 0, false, error}); }

  ssize_t Send(int fd, const msghdr* message, int flags) override;
  int ReceiveMany(int fd, mmsghdr* messages, unsigned count, int flags) override;
  int WaitReadable(int fd, int timeout_ms) override;

 private:
  bool IsInterrupted();
};

/// A socket that talks to the script. `protocol` only matters for tracing.
std::unique_ptr<Socket> OpenScripted(ScriptedIo& io, int receive_buffer_bytes = 1 << 20);
/// A socket that talks to this machine's kernel.
std::unique_ptr<Socket> OpenReal(int protocol, int receive_buffer_bytes = 1 << 20);

Deadline In(int milliseconds);

Bytes MakeMessage(uint16_t type, uint16_t flags, uint32_t sequence, ByteView body = {});
/// NLMSG_ERROR as the kernel writes it with CAP_ACK and EXT_ACK.
Bytes MakeAnswer(uint32_t sequence, int code, std::string_view text = "", std::optional<uint32_t> offset = std::nullopt);
/// NLMSG_DONE.
Bytes MakeDone(uint32_t sequence, int code = 0, uint16_t flags = 0);
Bytes Join(std::initializer_list<Bytes> parts);
/// The messages of a datagram.
std::vector<Message> MessagesOf(ByteView datagram);

}  // namespace netplane

#endif  // NETPLANE_TEST_SCRIPTED_IO_H_
