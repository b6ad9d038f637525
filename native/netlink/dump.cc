#include "netlink/dump.h"

#include <linux/netlink.h>

#include <cerrno>

namespace netplane {
namespace {

Error Malformed() { return Error{EPROTO, "recvmmsg", "the reply holds bytes that are no message"}; }

// One attempt: the request is sent, replies are handed over until the end. What is left over of an attempt that failed, the next use of the
// socket drains: the kernel goes on with a dump only as it is read, and has ended it when nothing is left to read.
class Exchange {
 public:
  Exchange(Socket& socket, const ReplyHandler& handle, Deadline deadline, bool is_dump)
      : socket_(socket), handle_(handle), deadline_(deadline), is_dump_(is_dump) {}

  Status Run(const RequestEncoder& encode) {
    socket_.Drain();
    sequence_ = socket_.TakeSequences(1);
    Bytes request;
    MessageWriter writer(request);
    const uint16_t flags = NLM_F_REQUEST | (is_dump_ ? NLM_F_DUMP : NLM_F_ACK);
    encode(flags, sequence_, writer);
    if (writer.overflowed()) return Error{EMSGSIZE, "encode", "an attribute is longer than 65,535 bytes"};
    if (auto error = socket_.ReserveSend(request.size())) return error;
    if (auto error = socket_.Send(request)) return error;
    while (!is_done_) {
      ByteView datagram;
      const Received received = socket_.Receive(deadline_, &datagram);
      const Status error = received == Received::kData ? ReadDatagram(datagram) : ReceiveError(received);
      if (error) return error;
    }
    if (is_interrupted_) return Error{EINTR, "dump", "the objects changed while they were listed"};
    return std::nullopt;
  }

 private:
  Status ReceiveError(Received received) const {
    Error error = received == Received::kNothing ? Error{ETIMEDOUT, "recvmmsg", "the kernel did not answer before the deadline"}
                                                 : socket_.last_error();
    return NoVerdict(std::move(error));
  }

  // A dump changes nothing; what another request did is not known without its ACK.
  Error NoVerdict(Error error) const {
    error.outcome_unknown = !is_dump_;
    return error;
  }

  Status ReadDatagram(ByteView datagram) {
    MessageReader reader(datagram);
    while (auto message = reader.Next()) {
      // An earlier request that was given up may still be answered.
      if (message->sequence != sequence_ || is_done_) continue;
      if (message->flags & NLM_F_DUMP_INTR) is_interrupted_ = true;
      if (auto error = ReadMessage(*message)) return error;
    }
    if (reader.malformed()) return NoVerdict(Malformed());
    return std::nullopt;
  }

  Status ReadMessage(const Message& message) {
    if (message.type == NLMSG_NOOP) return std::nullopt;
    if (message.type == NLMSG_OVERRUN) return NoVerdict({ENOBUFS, "recvmmsg", "replies were lost"});
    if (message.type != NLMSG_ERROR && message.type != NLMSG_DONE) return handle_(message);
    const auto answer = ReadAcknowledgement(message);
    if (!answer) return NoVerdict(Malformed());
    if (answer->code != 0) return Error{answer->code, is_dump_ ? "dump" : "request", std::string(answer->message)};
    // A dump ends with DONE; an ACK is not its end.
    if (message.type == NLMSG_DONE || !is_dump_) is_done_ = true;
    return std::nullopt;
  }

  Socket& socket_;
  const ReplyHandler& handle_;
  const Deadline deadline_;
  const bool is_dump_;
  uint32_t sequence_ = 0;
  bool is_done_ = false;
  bool is_interrupted_ = false;
};

}  // namespace

Status RunDump(Socket& socket, const RequestEncoder& encode, const ReplyHandler& handle, const DumpOptions& options) {
  for (int attempt = 0;; ++attempt) {
    if (options.restart) options.restart();
    Status status = Exchange(socket, handle, options.deadline, true).Run(encode);
    if (!status || status->code != EINTR || attempt >= options.retries) return status;
    if (Clock::now() >= options.deadline) return Error{ETIMEDOUT, "dump", "the objects changed while they were listed, until the deadline"};
  }
}

Status RunRequest(Socket& socket, const RequestEncoder& encode, const ReplyHandler& handle, Deadline deadline) {
  return Exchange(socket, handle, deadline, false).Run(encode);
}

}  // namespace netplane
