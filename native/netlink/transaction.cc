#include "netlink/transaction.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

#include "netlink/attribute_reader.h"

namespace netplane {
namespace {

// NFNL_BATCH_GENID, include/uapi/linux/netfilter/nfnetlink.h.
constexpr uint16_t kBatchGenerationId = 1;
// An echoed object is a datagram of its own, larger than an ACK.
constexpr size_t kSpareReplies = 16;

struct Origin {
  uint32_t index;
  uint32_t part;
};

// Everything about one batch between its encoding and its verdict.
struct Batch {
  uint32_t begin_sequence = 0;
  uint32_t end_sequence = 0;
  uint32_t first_sequence = 0;
  std::vector<Origin> origins;
  Bytes buffer;
};

void PutBatchMessage(MessageWriter& writer, uint16_t type, uint16_t flags, uint32_t sequence, const TransactionOptions& options, bool generation) {
  writer.Begin(type, flags, sequence);
  nfgenmsg header{};
  header.res_id = Reorder<uint16_t>(options.subsystem, ByteOrder::kBig);
  writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
  if (generation && options.generation) writer.PutInteger<uint32_t>(kBatchGenerationId, *options.generation, ByteOrder::kBig);
  writer.End();
}

// Sequence numbers are consecutive so that a reply's origin is an index: they are taken one by one, and nobody else uses the socket meanwhile.
uint32_t NextSequence(Socket& socket, Batch& batch, Origin origin) {
  const uint32_t sequence = socket.TakeSequences(1);
  if (batch.origins.empty()) batch.first_sequence = sequence;
  batch.origins.push_back(origin);
  return sequence;
}

ItemError EncodingError(uint32_t index, const Error& error) {
  ItemError item;
  item.index = index;
  item.code = error.code;
  item.message = error.message;
  return item;
}

// False where an operation cannot be written; the report then says which.
bool Encode(Socket& socket, uint32_t count, const OperationEncoder& encode, const TransactionOptions& options, Batch& batch, TransactionReport& report) {
  MessageWriter writer(batch.buffer);
  socket.RenewSequences();
  batch.begin_sequence = socket.TakeSequences(1);
  PutBatchMessage(writer, NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, batch.begin_sequence, options, true);
  for (uint32_t index = 0; index < count; ++index) {
    uint32_t part = 0;
    auto error = encode(index, [&] { return NextSequence(socket, batch, {index, part++}); }, writer);
    if (!error && writer.overflowed()) error = Error{EMSGSIZE, "encode", "an attribute is longer than 65,535 bytes"};
    if (!error) continue;
    report.errors.push_back(EncodingError(index, *error));
    return false;
  }
  batch.end_sequence = socket.TakeSequences(1);
  if (!options.dry_run) PutBatchMessage(writer, NFNL_MSG_BATCH_END, NLM_F_REQUEST | NLM_F_ACK, batch.end_sequence, options, false);
  return true;
}

// What the queue held once sendmsg had returned: the kernel does all of a batch inside that call.
struct Replies {
  bool lost = false;
  bool end_acknowledged = false;
  Status failure;
};

class ReplyReader {
 public:
  ReplyReader(const Batch& batch, const TransactionOptions& options, TransactionReport& report) : batch_(batch), options_(options), report_(report) {}

  Replies Read(Socket& socket) {
    ByteView datagram;
    for (;;) {
      const Received received = socket.ReceiveNow(&datagram);
      if (received == Received::kNothing) return replies_;
      if (received == Received::kOverrun) replies_.lost = true;
      if (received == Received::kData) ReadDatagram(datagram);
      if (received != Received::kError) continue;
      replies_.failure = socket.last_error();
      replies_.failure->outcome_unknown = true;
      return replies_;
    }
  }

 private:
  void ReadDatagram(ByteView datagram) {
    MessageReader reader(datagram);
    while (auto message = reader.Next()) {
      if (message->type == NLMSG_ERROR) {
        ReadError(*message);
      } else if (const Origin* origin = OriginOf(message->sequence); origin && options_.echo) {
        options_.echo(origin->index, *message);
      }
    }
  }

  const Origin* OriginOf(uint32_t sequence) const {
    const uint32_t position = sequence - batch_.first_sequence;
    return !batch_.origins.empty() && position < batch_.origins.size() ? &batch_.origins[position] : nullptr;
  }

  void ReadError(const Message& message) {
    const auto acknowledgement = ReadAcknowledgement(message);
    if (!acknowledgement) return;
    if (message.sequence == batch_.end_sequence && acknowledgement->code == 0) replies_.end_acknowledged = true;
    if (acknowledgement->code == 0) return;
    // ENOMEM, EPERM, a wrong generation and failures of the commit itself are reported against BEGIN; of END against END.
    if (message.sequence == batch_.begin_sequence || message.sequence == batch_.end_sequence) {
      if (!replies_.failure) replies_.failure = Error{acknowledgement->code, "commit", std::string(acknowledgement->message)};
      return;
    }
    const Origin* origin = OriginOf(message.sequence);
    if (!origin) return;
    ItemError error;
    error.index = origin->index;
    error.part = origin->part;
    error.code = acknowledgement->code;
    error.message = std::string(acknowledgement->message);
    error.offset = acknowledgement->offset;
    report_.errors.push_back(std::move(error));
  }

  const Batch& batch_;
  const TransactionOptions& options_;
  TransactionReport& report_;
  Replies replies_;
};

void Conclude(const Socket& socket, const TransactionOptions& options, const Replies& replies, TransactionReport& report) {
  report.failure = replies.failure;
  std::stable_sort(report.errors.begin(), report.errors.end(), [](const ItemError& a, const ItemError& b) {
    return a.index != b.index ? a.index < b.index : a.part < b.part;
  });
  // One refusal is enough to know that all was aborted, even where other replies were lost.
  if (report.failure || !report.errors.empty()) return;
  if (replies.end_acknowledged) {
    report.applied = true;
  } else if (replies.lost) {
    report.failure = Error{ENOBUFS, "recvmmsg", "the kernel's verdict was lost", true};
  } else if (options.dry_run || !socket.acknowledges_batch_end.value_or(false)) {
    report.applied = true;
  } else {
    report.failure = Error{EPROTO, "recvmmsg", "the kernel did not acknowledge the end of the batch", true};
  }
}

Replies Exchange(Socket& socket, const Batch& batch, const TransactionOptions& options, TransactionReport& report) {
  Replies replies;
  socket.Drain();
  replies.failure = socket.ReserveSend(batch.buffer.size());
  if (!replies.failure) replies.failure = socket.Send(batch.buffer);
  if (replies.failure) return replies;
  ++report.system_calls;
  return ReplyReader(batch, options, report).Read(socket);
}

// An empty batch changes nothing, not even the generation; whether its END is acknowledged tells what silence will mean.
Status ProbeAcknowledgement(Socket& socket, const TransactionOptions& options) {
  TransactionOptions empty;
  empty.deadline = options.deadline;
  empty.subsystem = options.subsystem;
  Batch batch;
  TransactionReport report;
  Encode(socket, 0, {}, empty, batch, report);
  const Replies replies = Exchange(socket, batch, empty, report);
  if (replies.failure) return replies.failure;
  socket.acknowledges_batch_end = replies.end_acknowledged;
  return std::nullopt;
}

}  // namespace

TransactionReport RunTransaction(Socket& socket, uint32_t count, const OperationEncoder& encode, const TransactionOptions& options, Bytes* messages) {
  TransactionReport report;
  if (Clock::now() >= options.deadline) {
    report.failure = Error{ETIMEDOUT, "commit", "the deadline passed before anything was sent"};
    return report;
  }
  Batch batch;
  const bool encoded = Encode(socket, count, encode, options, batch, report);
  report.bytes = batch.buffer.size();
  if (encoded && !socket.acknowledges_batch_end) report.failure = ProbeAcknowledgement(socket, options);
  if (encoded && !report.failure) {
    // Every message may be refused, and every one may be echoed.
    socket.ReserveReplies(batch.origins.size() * (options.echo ? 4 : 1) + kSpareReplies);
    Conclude(socket, options, Exchange(socket, batch, options, report), report);
  }
  if (messages) *messages = std::move(batch.buffer);
  return report;
}

}  // namespace netplane
