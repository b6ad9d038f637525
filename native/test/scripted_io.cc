#include "test/scripted_io.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <poll.h>

#include <algorithm>

namespace netplane {
namespace {

std::unique_ptr<Socket> Open(const SocketOptions& options, SocketIo& io) {
  auto socket = Socket::Open(options, io);
  EXPECT_TRUE(socket.ok()) << socket.error().operation << " " << socket.error().code;
  return socket.ok() ? std::move(socket).value() : nullptr;
}

}  // namespace

bool ScriptedIo::IsInterrupted() {
  if (interrupted_call != calls++) return false;
  errno = EINTR;
  return true;
}

ssize_t ScriptedIo::Send(int, const msghdr* message, int) {
  if (IsInterrupted()) return -1;
  if (send_error != 0) {
    errno = send_error;
    return -1;
  }
  const auto* data = static_cast<const uint8_t*>(message->msg_iov->iov_base);
  sent.emplace_back(data, data + message->msg_iov->iov_len);
  if (on_send) on_send(sent.back());
  return static_cast<ssize_t>(message->msg_iov->iov_len);
}

int ScriptedIo::ReceiveMany(int, mmsghdr* messages, unsigned count, int flags) {
  EXPECT_EQ(flags, MSG_DONTWAIT);
  if (IsInterrupted()) return -1;
  unsigned filled = 0;
  for (; filled < count && !queue.empty(); ++filled) {
    const Scripted next = queue.front();
    if (next.error != 0 && filled > 0) break;
    queue.pop_front();
    if (next.error != 0) {
      errno = next.error;
      return -1;
    }
    msghdr& header = messages[filled].msg_hdr;
    const size_t length = std::min(next.data.size(), header.msg_iov->iov_len);
    if (length > 0) std::memcpy(header.msg_iov->iov_base, next.data.data(), length);
    messages[filled].msg_len = static_cast<unsigned>(length);
    header.msg_flags = next.is_cut || length < next.data.size() ? MSG_TRUNC : 0;
    sockaddr_nl sender{};
    sender.nl_family = AF_NETLINK;
    sender.nl_pid = next.sender;
    std::memcpy(header.msg_name, &sender, sizeof sender);
    header.msg_namelen = sizeof sender;
  }
  if (filled > 0) return static_cast<int>(filled);
  errno = EAGAIN;
  return -1;
}

int ScriptedIo::WaitReadable(int, int timeout_ms) {
  if (IsInterrupted()) return -1;
  if (!queue.empty()) return 1;
  ::poll(nullptr, 0, timeout_ms);
  return 0;
}

std::unique_ptr<Socket> OpenScripted(ScriptedIo& io, int receive_buffer_bytes) {
  SocketOptions options;
  options.protocol = NETLINK_ROUTE;
  options.receive_buffer_bytes = receive_buffer_bytes;
  return Open(options, io);
}

std::unique_ptr<Socket> OpenReal(int protocol, int receive_buffer_bytes) {
  SocketOptions options;
  options.protocol = protocol;
  options.receive_buffer_bytes = receive_buffer_bytes;
  return Open(options, SystemSocketIo());
}

Deadline In(int milliseconds) { return Clock::now() + std::chrono::milliseconds(milliseconds); }

Bytes MakeMessage(uint16_t type, uint16_t flags, uint32_t sequence, ByteView body) {
  Bytes bytes;
  MessageWriter writer(bytes);
  writer.Begin(type, flags, sequence);
  writer.PutHeader(body);
  writer.End();
  return bytes;
}

Bytes MakeAnswer(uint32_t sequence, int code, std::string_view text, std::optional<uint32_t> offset) {
  nlmsgerr body{};
  body.error = -code;
  body.msg.nlmsg_seq = sequence;
  body.msg.nlmsg_len = sizeof body.msg;
  const bool has_attributes = !text.empty() || offset;
  Bytes bytes;
  MessageWriter writer(bytes);
  writer.Begin(NLMSG_ERROR, static_cast<uint16_t>(NLM_F_CAPPED | (has_attributes ? NLM_F_ACK_TLVS : 0)), sequence);
  writer.PutHeader({reinterpret_cast<const uint8_t*>(&body), sizeof body});
  if (!text.empty()) writer.PutString(NLMSGERR_ATTR_MSG, text);
  if (offset) writer.PutInteger<uint32_t>(NLMSGERR_ATTR_OFFS, *offset);
  writer.End();
  return bytes;
}

Bytes MakeDone(uint32_t sequence, int code, uint16_t flags) {
  const int32_t body = -code;
  return MakeMessage(NLMSG_DONE, static_cast<uint16_t>(NLM_F_MULTI | flags), sequence,
                     {reinterpret_cast<const uint8_t*>(&body), sizeof body});
}

Bytes Join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::vector<Message> MessagesOf(ByteView datagram) {
  std::vector<Message> messages;
  MessageReader reader(datagram);
  while (auto message = reader.Next()) messages.push_back(*message);
  EXPECT_FALSE(reader.malformed());
  return messages;
}

}  // namespace netplane
