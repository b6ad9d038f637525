#include "netlink/batch.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

#include "netlink/attribute_reader.h"

namespace netplane {
namespace {

// One ACK beside the errors, and one to spare for a datagram that the kernel queues for its own reasons.
constexpr size_t kSpareReplies = 2;

void AddFlags(Bytes& buffer, size_t message, uint16_t flags) {
  uint8_t* at = buffer.data() + message + offsetof(nlmsghdr, nlmsg_flags);
  Store<uint16_t>(at, static_cast<uint16_t>(Load<uint16_t>(at) | flags));
}

// The operations of one sendmsg.
struct Run {
  Bytes buffer;
  uint32_t first = 0;
  uint32_t count = 0;
  uint32_t base = 0;
};

// Encodes operations from `first` on until the send buffer or the room for replies is used up. An operation that is longer than the send
// buffer goes alone; whether it can be sent is ReserveSend's to say.
Status EncodeRun(Socket& socket, uint32_t first, uint32_t total, const MessageEncoder& encode, Run& run) {
  run.buffer.clear();
  run.first = first;
  run.count = 0;
  const size_t room = std::max<size_t>(socket.max_replies(), kSpareReplies + 1) - kSpareReplies;
  const auto most = static_cast<uint32_t>(std::min<size_t>(total - first, room));
  run.base = socket.TakeSequences(most);
  MessageWriter writer(run.buffer);
  size_t last_start = 0;
  while (run.count < most) {
    const size_t start = run.buffer.size();
    encode(first + run.count, 0, run.base + run.count, writer);
    if (writer.overflowed()) return Error{EMSGSIZE, "encode", "operation " + std::to_string(first + run.count) + " has an attribute over 65,535 bytes"};
    if (run.count > 0 && run.buffer.size() > socket.max_send_bytes()) {
      run.buffer.resize(start);
      break;
    }
    last_start = start;
    ++run.count;
  }
  AddFlags(run.buffer, last_start, NLM_F_ACK);
  return std::nullopt;
}

// Reads what the kernel queued while it worked the run off. Everything is there when sendmsg returns, so nothing is waited for.
class Verdict {
 public:
  Verdict(Socket& socket, const Run& run, BatchReport& report) : socket_(socket), run_(run), report_(report) {}

  Status Read() {
    ByteView datagram;
    for (;;) {
      switch (socket_.ReceiveNow(&datagram)) {
        case Received::kData:
          ReadDatagram(datagram);
          break;
        case Received::kNothing:
          return Conclude();
        case Received::kOverrun:
          lost_ = true;
          break;
        case Received::kError:
          report_.unknown_from = run_.first;
          return WithUnknownOutcome(socket_.last_error());
      }
    }
  }

 private:
  static Error WithUnknownOutcome(Error error) {
    error.outcome_unknown = true;
    return error;
  }

  void ReadDatagram(ByteView datagram) {
    MessageReader reader(datagram);
    while (auto message = reader.Next()) {
      if (message->type != NLMSG_ERROR) continue;
      const uint32_t index = message->sequence - run_.base;
      const auto acknowledgement = ReadAcknowledgement(*message);
      if (index >= run_.count || !acknowledgement) continue;
      if (index == run_.count - 1) last_answered_ = true;
      if (acknowledgement->code == 0) continue;
      ItemError error;
      error.index = run_.first + index;
      error.code = acknowledgement->code;
      error.message = std::string(acknowledgement->message);
      error.offset = acknowledgement->offset;
      report_.errors.push_back(std::move(error));
    }
  }

  Status Conclude() {
    if (lost_) {
      report_.unknown_from = run_.first;
      return Error{ENOBUFS, "recvmmsg", "replies were lost: which of the operations were refused is unknown", true};
    }
    if (last_answered_) return std::nullopt;
    // A handler that returned EINTR is never acknowledged (netlink_rcv_skb); what came before it is known.
    report_.unknown_from = run_.first + run_.count - 1;
    return Error{EINTR, "sendmsg", "the kernel did not acknowledge the last operation", true};
  }

  Socket& socket_;
  const Run& run_;
  BatchReport& report_;
  bool lost_ = false;
  bool last_answered_ = false;
};

Status SendRun(Socket& socket, const Run& run, BatchReport& report) {
  if (auto error = socket.ReserveSend(run.buffer.size())) return error;
  socket.Drain();
  if (auto error = socket.Send(run.buffer)) return error;
  report.sent = run.first + run.count;
  report.unknown_from = report.sent;
  ++report.system_calls;
  return Verdict(socket, run, report).Read();
}

Status ReasonToStop(const BatchReport& report, const BatchOptions& options) {
  if (options.stop_on_error && !report.errors.empty()) return Error{ECANCELED, "batch", "stopped at the first refusal"};
  if (options.cancelled && options.cancelled()) return Error{ECANCELED, "batch", "cancelled"};
  if (Clock::now() >= options.deadline) return Error{ETIMEDOUT, "batch", "the deadline passed between two system calls"};
  return std::nullopt;
}

}  // namespace

BatchReport RunBatch(Socket& socket, uint32_t count, const MessageEncoder& encode, const BatchOptions& options) {
  BatchReport report;
  Run run;
  while (report.sent < count) {
    report.stopped = ReasonToStop(report, options);
    if (!report.stopped) report.stopped = EncodeRun(socket, report.sent, count, encode, run);
    if (!report.stopped) report.stopped = SendRun(socket, run, report);
    if (report.stopped) break;
  }
  if (report.sent == 0) report.unknown_from = 0;
  std::sort(report.errors.begin(), report.errors.end(), [](const ItemError& a, const ItemError& b) { return a.index < b.index; });
  return report;
}

}  // namespace netplane
