#include "netlink/dump.h"

#include <linux/netlink.h>

#include <cerrno>

namespace netplane {
namespace {

enum class Step : uint8_t { kMore, kDone, kInterrupted };

Error Malformed() { return Error{EPROTO, "recvmmsg", "the reply holds bytes that are no message"}; }

Status ReceiveError(const Socket& socket, Received received) {
  if (received == Received::kOverrun) return Error{ENOBUFS, "recvmmsg", "replies were lost"};
  if (received == Received::kNothing) return Error{ETIMEDOUT, "recvmmsg", "the kernel did not answer before the deadline"};
  return socket.last_error();
}

Status KernelError(const Acknowledgement& acknowledgement, const char* operation) {
  return Error{acknowledgement.code, operation, std::string(acknowledgement.message)};
}

// One attempt: the request is sent, replies are handed over until the end.
class Exchange {
 public:
  Exchange(Socket& socket, const ReplyHandler& handle, Deadline deadline, bool dump)
      : socket_(socket), handle_(handle), deadline_(deadline), dump_(dump) {}

  Status Run(const RequestEncoder& encode, uint16_t flags) {
    socket_.Drain();
    sequence_ = socket_.TakeSequences(1);
    Bytes request;
    MessageWriter writer(request);
    encode(flags, sequence_, writer);
    if (writer.overflowed()) return Error{EMSGSIZE, "encode", "an attribute is longer than 65,535 bytes"};
    if (auto error = socket_.ReserveSend(request.size())) return error;
    if (auto error = socket_.Send(request)) return error;
    while (!done_) {
      ByteView datagram;
      const Received received = socket_.Receive(deadline_, &datagram);
      if (received != Received::kData) return ReceiveError(socket_, received);
      if (auto error = ReadDatagram(datagram)) return error;
    }
    if (interrupted_) return Error{EINTR, "dump", "the objects changed while they were listed"};
    return std::nullopt;
  }

 private:
  Status ReadDatagram(ByteView datagram) {
    MessageReader reader(datagram);
    while (auto message = reader.Next()) {
      // An earlier request that was given up may still be answered.
      if (message->sequence != sequence_ || done_) continue;
      if (message->flags & NLM_F_DUMP_INTR) interrupted_ = true;
      if (auto error = ReadMessage(*message)) return error;
    }
    if (reader.malformed()) return Malformed();
    return std::nullopt;
  }

  Status ReadMessage(const Message& message) {
    if (message.type == NLMSG_NOOP) return std::nullopt;
    if (message.type == NLMSG_OVERRUN) return Error{ENOBUFS, "recvmmsg", "replies were lost"};
    if (message.type != NLMSG_ERROR && message.type != NLMSG_DONE) return handle_(message);
    const auto acknowledgement = ReadAcknowledgement(message);
    if (!acknowledgement) return Malformed();
    if (acknowledgement->code != 0) return KernelError(*acknowledgement, dump_ ? "dump" : "request");
    // A dump ends with DONE; its ACK, where one comes (a dump answered at once), is not the end.
    if (message.type == NLMSG_DONE || !dump_) done_ = true;
    return std::nullopt;
  }

  Socket& socket_;
  const ReplyHandler& handle_;
  Deadline deadline_;
  bool dump_;
  uint32_t sequence_ = 0;
  bool done_ = false;
  bool interrupted_ = false;
};

// Replies of a dump that was given up must not be taken for the next one's, nor keep that one waiting with EBUSY: the kernel goes on with a dump
// only as it is read, so it is read to its end.
void Abandon(Socket& socket, Deadline deadline) {
  ByteView datagram;
  while (socket.Receive(std::min(deadline, Clock::now() + std::chrono::milliseconds(1)), &datagram) == Received::kData) {
  }
}

}  // namespace

Status RunDump(Socket& socket, const RequestEncoder& encode, const ReplyHandler& handle, const DumpOptions& options) {
  for (int attempt = 0;; ++attempt) {
    if (options.restart) options.restart();
    const Status status = Exchange(socket, handle, options.deadline, true).Run(encode, NLM_F_REQUEST | NLM_F_DUMP);
    if (!status) return status;
    Abandon(socket, options.deadline);
    if (status->code != EINTR || attempt >= options.retries || Clock::now() >= options.deadline) return status;
  }
}

Status RunRequest(Socket& socket, const RequestEncoder& encode, const ReplyHandler& handle, Deadline deadline) {
  return Exchange(socket, handle, deadline, false).Run(encode, NLM_F_REQUEST | NLM_F_ACK);
}

}  // namespace netplane
