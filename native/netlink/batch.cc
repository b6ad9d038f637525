#include "netlink/batch.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

namespace netplane {
namespace {

// One ACK beside the errors, and one to spare for a datagram that the kernel queues for its own reasons.
constexpr size_t kSpareReplies = 2;

// Enough that the system call does not count, and little enough to stay in the processor's cache: what is encoded is sent at once, from the
// same memory again and again. A whole change in one piece would take as much fresh memory, and the kernel as much again.
constexpr size_t kRunBytes = size_t{64} << 10;

void AddFlags(Bytes& buffer, size_t message, uint16_t flags) {
  uint8_t* at = buffer.data() + message + offsetof(nlmsghdr, nlmsg_flags);
  Store<uint16_t>(at, static_cast<uint16_t>(Load<uint16_t>(at) | flags));
}

ItemError TooLong(uint32_t index, std::string message) {
  ItemError error;
  error.index = index;
  error.code = EMSGSIZE;
  error.message = std::move(message);
  return error;
}

// The operations of one sendmsg: [first, first + count), of which `last` is the last that has a message.
struct Run {
  Bytes buffer;
  uint32_t first = 0;
  uint32_t count = 0;
  uint32_t last = 0;
  uint32_t base = 0;
};

class Batch {
 public:
  Batch(Socket& socket, uint32_t total, const MessageEncoder& encode, const BatchOptions& options)
      : socket_(socket), total_(total), encode_(encode), options_(options) {}

  BatchReport Execute() {
    const uint32_t calls_before = socket_.system_calls();
    socket_.Drain();
    while (report_.sent < total_ && !report_.stopped) {
      report_.stopped = ReasonToStop();
      if (!report_.stopped) report_.stopped = EncodeRun();
      if (!report_.stopped) report_.stopped = SendRun();
    }
    // What was left out of a run that was never sent is not refused, but unsent as the others.
    std::erase_if(report_.errors, [this](const ItemError& error) { return error.index >= report_.sent; });
    report_.system_calls = socket_.system_calls() - calls_before;
    std::stable_sort(report_.errors.begin(), report_.errors.end(),
                     [](const ItemError& a, const ItemError& b) { return a.index < b.index; });
    return std::move(report_);
  }

 private:
  enum class Fit : uint8_t { kTaken, kLeftOut, kFull, kBroken };

  Status ReasonToStop() const {
    if (options_.stop_on_error && !report_.errors.empty()) return Error{ECANCELED, "batch", "stopped at the first refusal"};
    if (options_.cancelled && options_.cancelled()) return Error{ECANCELED, "batch", "cancelled"};
    if (Clock::now() >= options_.deadline) return Error{ETIMEDOUT, "batch", "the deadline passed between two system calls"};
    return std::nullopt;
  }

  // Encodes operations from the first unsent one on until the send buffer or the room for replies is used up.
  Status EncodeRun() {
    run_.buffer.clear();
    run_.buffer.reserve(kRunBytes);
    run_.first = report_.sent;
    run_.count = 0;
    const size_t room = std::max<size_t>(socket_.max_replies(), kSpareReplies + 1) - kSpareReplies;
    const auto most = static_cast<uint32_t>(std::min<size_t>(total_ - run_.first, room));
    run_.base = socket_.TakeSequences(most);
    size_t last_start = 0;
    while (run_.count < most) {
      const size_t start = run_.buffer.size();
      const Fit fit = EncodeOne();
      if (fit == Fit::kFull) break;
      if (fit == Fit::kBroken) {
        return Error{EINVAL, "encode", "operation " + std::to_string(run_.first + run_.count) + " is not written as one whole message"};
      }
      if (fit == Fit::kTaken) {
        last_start = start;
        run_.last = run_.count;
      }
      ++run_.count;
    }
    if (!run_.buffer.empty()) AddFlags(run_.buffer, last_start, NLM_F_ACK);
    return std::nullopt;
  }

  Fit EncodeOne() {
    const size_t start = run_.buffer.size();
    const uint32_t index = run_.first + run_.count;
    MessageWriter writer(run_.buffer);
    encode_(index, NLM_F_REQUEST, run_.base + run_.count, writer);
    const size_t end = run_.buffer.size();
    if (writer.overflowed()) {
      report_.errors.push_back(TooLong(index, "an attribute is longer than 65,535 bytes"));
      run_.buffer.resize(start);
      return Fit::kLeftOut;
    }
    const ByteView message = ByteView(run_.buffer).subspan(start);
    if (CountMessages(message, 0) != 1u || Load<uint32_t>(message.data() + offsetof(nlmsghdr, nlmsg_seq)) != run_.base + run_.count) {
      return Fit::kBroken;
    }
    if (end <= std::min(socket_.max_send_bytes(), kRunBytes)) return Fit::kTaken;
    if (start > 0) {
      run_.buffer.resize(start);
      return Fit::kFull;
    }
    const Status refused = socket_.ReserveSend(end);
    if (!refused) return Fit::kTaken;
    report_.errors.push_back(TooLong(index, refused->message));
    run_.buffer.resize(start);
    return Fit::kLeftOut;
  }

  Status SendRun() {
    if (!run_.buffer.empty()) {
      const Status failed = socket_.Send(run_.buffer);
      if (failed && !failed->outcome_unknown) return failed;
      report_.sent = report_.unknown_from = run_.first + run_.count;
      if (failed) return Unknown(*failed, 0);
      return ReadVerdict();
    }
    report_.sent = report_.unknown_from = run_.first + run_.count;
    return std::nullopt;
  }

  // Reads what the kernel queued while it worked the run off. Everything is there when sendmsg returns, so nothing is waited for; and the
  // answer to the last operation comes last.
  Status ReadVerdict() {
    last_answered_ = malformed_ = false;
    Status lost;
    while (!last_answered_) {
      ByteView datagram;
      const Received received = socket_.ReceiveNow(&datagram);
      if (received == Received::kNothing) break;
      if (received == Received::kError) return Unknown(socket_.last_error(), 0);
      if (received == Received::kOverrun) lost = socket_.last_error();
      if (received == Received::kData) ReadDatagram(datagram);
    }
    if (lost) return Unknown(*lost, 0);
    if (malformed_) return Unknown({EPROTO, "recvmmsg", "a reply holds bytes that are no message"}, 0);
    if (last_answered_) return std::nullopt;
    // A handler that returned EINTR is never acknowledged (netlink_rcv_skb); what came before it is known.
    return Unknown({EINTR, "sendmsg", "the kernel did not acknowledge the last operation"}, run_.last);
  }

  // `from`: the first operation of the run whose outcome is not known.
  Status Unknown(Error error, uint32_t from) {
    error.outcome_unknown = true;
    report_.unknown_from = run_.first + from;
    return error;
  }

  void ReadDatagram(ByteView datagram) {
    MessageReader reader(datagram);
    while (auto message = reader.Next()) {
      const uint32_t position = message->sequence - run_.base;
      if (message->type != NLMSG_ERROR || position >= run_.count) continue;
      const auto acknowledgement = ReadAcknowledgement(*message);
      if (!acknowledgement) {
        malformed_ = true;
        continue;
      }
      if (position == run_.last) last_answered_ = true;
      if (acknowledgement->code != 0) report_.errors.push_back(RefusalOf(run_.first + position, *acknowledgement));
    }
    malformed_ |= reader.malformed();
  }

  Socket& socket_;
  const uint32_t total_;
  const MessageEncoder& encode_;
  const BatchOptions& options_;
  BatchReport report_;
  Run run_;
  bool last_answered_ = false;
  bool malformed_ = false;
};

}  // namespace

ItemError RefusalOf(uint32_t index, const Acknowledgement& acknowledgement) {
  ItemError error;
  error.index = index;
  error.code = acknowledgement.code;
  error.message = std::string(acknowledgement.message);
  error.offset = acknowledgement.offset;
  return error;
}

std::optional<uint32_t> CountMessages(ByteView messages, size_t header_length) {
  if (messages.size() % NLMSG_ALIGNTO != 0) return std::nullopt;
  uint32_t count = 0;
  MessageReader reader(messages);
  while (auto message = reader.Next()) {
    if (message->body.size() < header_length) return std::nullopt;
    ++count;
  }
  if (reader.malformed()) return std::nullopt;
  return count;
}

BatchReport RunBatch(Socket& socket, uint32_t count, const MessageEncoder& encode, const BatchOptions& options) {
  return Batch(socket, count, encode, options).Execute();
}

BatchReport RunRows(Socket& socket, size_t rows, const Status& fault, const MessageEncoder& encode, const BatchOptions& options) {
  if (fault) {
    BatchReport report;
    report.stopped = fault;
    return report;
  }
  // Refusals of one system call that room is asked for: 8 MiB of receive buffer.
  constexpr size_t kMostReplies = 8192;
  socket.ReserveReplies(std::min(rows + 2, kMostReplies));
  return RunBatch(socket, static_cast<uint32_t>(rows), encode, options);
}

Status ColumnFault(const char* columns, const std::optional<std::string>& fault) {
  return fault ? Status(Error{EINVAL, columns, *fault}) : std::nullopt;
}

}  // namespace netplane
