#include "netlink/dump.h"

#include <linux/netlink.h>

#include <cerrno>

namespace netplane {
namespace {

Error Malformed() { return Error{EPROTO, "recvmmsg", "the reply holds bytes that are no message"}; }

Status RunToEnd(Exchange& exchange, const RequestEncoder& encode, const ReplyHandler& handle, Deadline deadline) {
  if (auto error = exchange.Begin(encode)) return error;
  while (!exchange.is_done()) {
    if (auto error = exchange.Read(handle, deadline)) return error;
  }
  if (exchange.is_interrupted()) return Error{EINTR, "dump", "the objects changed while they were listed"};
  return std::nullopt;
}

}  // namespace

Status Exchange::Begin(const RequestEncoder& encode, bool is_drained) {
  if (!is_drained) socket_.Drain();
  sequence_ = socket_.TakeSequences(1);
  is_done_ = is_interrupted_ = is_filtered_ = false;
  Bytes request;
  MessageWriter writer(request);
  const uint16_t flags = NLM_F_REQUEST | (is_dump_ ? NLM_F_DUMP : NLM_F_ACK);
  encode(flags, sequence_, writer);
  if (writer.overflowed()) return Error{EMSGSIZE, "encode", "an attribute is longer than 65,535 bytes"};
  if (auto error = socket_.ReserveSend(request.size())) return error;
  return socket_.Send(request);
}

Status Exchange::Read(const ReplyHandler& handle, Deadline deadline) {
  ByteView datagram;
  const Received received = socket_.Receive(deadline, &datagram);
  return received == Received::kData ? ReadDatagram(datagram, handle) : ReceiveError(received);
}

Status Exchange::ReceiveError(Received received) const {
  Error error =
      received == Received::kNothing ? Error{ETIMEDOUT, "recvmmsg", "the kernel did not answer before the deadline"} : socket_.last_error();
  return NoVerdict(std::move(error));
}

// A dump changes nothing; what another request did is not known without its ACK.
Error Exchange::NoVerdict(Error error) const {
  error.outcome_unknown = !is_dump_;
  return error;
}

Status Exchange::ReadDatagram(ByteView datagram, const ReplyHandler& handle) {
  MessageReader reader(datagram);
  while (auto message = reader.Next()) {
    // An earlier request that was given up may still be answered.
    if (message->sequence != sequence_ || is_done_) continue;
    if (message->flags & NLM_F_DUMP_INTR) is_interrupted_ = true;
    if (is_dump_ && (message->flags & NLM_F_DUMP_FILTERED)) is_filtered_ = true;
    if (auto error = ReadMessage(*message, handle)) return error;
  }
  if (reader.malformed()) return NoVerdict(Malformed());
  return std::nullopt;
}

Status Exchange::ReadMessage(const Message& message, const ReplyHandler& handle) {
  if (message.type == NLMSG_NOOP) return std::nullopt;
  if (message.type == NLMSG_OVERRUN) return NoVerdict({ENOBUFS, "recvmmsg", "replies were lost"});
  if (message.type != NLMSG_ERROR && message.type != NLMSG_DONE) return handle(message);
  const auto answer = ReadAcknowledgement(message);
  if (!answer) return NoVerdict(Malformed());
  if (answer->code != 0) return Error{answer->code, is_dump_ ? "dump" : "request", std::string(answer->message)};
  // A dump ends with DONE; an ACK is not its end.
  if (message.type == NLMSG_DONE || !is_dump_) is_done_ = true;
  return std::nullopt;
}

Status RunDump(Socket& socket, const RequestEncoder& encode, const ReplyHandler& handle, const DumpOptions& options) {
  for (int attempt = 0;; ++attempt) {
    if (options.restart) options.restart();
    Exchange exchange(socket, true);
    Status status = RunToEnd(exchange, encode, handle, options.deadline);
    if (!status || status->code != EINTR || attempt >= options.retries) return status;
    if (Clock::now() >= options.deadline) return Error{ETIMEDOUT, "dump", "the objects changed while they were listed, until the deadline"};
  }
}

Status RunRequest(Socket& socket, const RequestEncoder& encode, const ReplyHandler& handle, Deadline deadline) {
  Exchange exchange(socket, false);
  return RunToEnd(exchange, encode, handle, deadline);
}

}  // namespace netplane
