#include "netlink/transaction.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

namespace netplane {
namespace {

// NFNL_BATCH_GENID, include/uapi/linux/netfilter/nfnetlink.h.
constexpr uint16_t kBatchGenerationId = 1;
// Room for the ACKs of the first message and of END, for NEWGEN, and some to spare.
constexpr size_t kSpareReplies = 16;
// Receive buffer of an echoed object, in KiB: the kernel queues a page or two for each (NLMSG_GOODSIZE, and twice that for elements).
constexpr size_t kRepliesPerEcho = 9;

struct Origin {
  uint32_t index;
  uint32_t part;
};

Error Failure(int code, const char* operation, std::string message) { return Error{code, operation, std::move(message)}; }

// One nfnetlink batch from its encoding to its verdict.
class Batch {
 public:
  Batch(Socket& socket, const TransactionOptions& options, const BatchAnswers& answers, TransactionReport& report, Bytes& buffer)
      : socket_(socket), options_(options), answers_(answers), report_(report), buffer_(buffer) {}

  // False where an operation cannot be written; the report then says which.
  bool Encode(uint32_t count, const OperationEncoder& encode);
  // Sends what was encoded and reads what the queue holds then: the kernel does all of a batch inside sendmsg. False where nothing was
  // sent.
  bool Exchange();
  void Conclude();
  bool end_acknowledged() const { return end_acknowledged_; }

 private:
  void PutBatchMessage(MessageWriter& writer, uint16_t type, uint16_t flags, uint32_t sequence);
  Status EncodeOne(uint32_t index, const OperationEncoder& encode, MessageWriter& writer);
  void MarkFirst();
  size_t CountEchoes() const;
  const Origin* OriginOf(uint32_t sequence) const;
  void ReadDatagram(ByteView datagram);
  void ReadAnswer(const Message& message);
  void SetMalformed();
  void SetFailure(int code, std::string message);
  void SeparateCommitFailure();
  bool Proven() const;

  Socket& socket_;
  const TransactionOptions& options_;
  const BatchAnswers& answers_;
  TransactionReport& report_;
  Bytes& buffer_;
  uint32_t begin_sequence_ = 0;
  uint32_t end_sequence_ = 0;
  std::vector<Origin> origins_;  // Of message i, whose sequence is begin_sequence_ + 1 + i.
  bool end_acknowledged_ = false;
  bool first_acknowledged_ = false;
  bool refused_whole_ = false;
  // Why replies are missing, if they are.
  Status lost_;
  // The operation that is being written.
  Origin next_{};
  const SequenceSource take_sequence_ = [this] {
    origins_.push_back(next_);
    ++next_.part;
    return socket_.TakeSequences(1);
  };
};

void Batch::PutBatchMessage(MessageWriter& writer, uint16_t type, uint16_t flags, uint32_t sequence) {
  writer.Begin(type, flags, sequence);
  nfgenmsg header{};
  header.version = NFNETLINK_V0;
  header.res_id = Reorder<uint16_t>(options_.subsystem, ByteOrder::kBig);
  writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
  if (type == NFNL_MSG_BATCH_BEGIN && options_.generation) {
    writer.PutInteger<uint32_t>(kBatchGenerationId, *options_.generation, ByteOrder::kBig);
  }
  writer.End();
}

bool Batch::Encode(uint32_t count, const OperationEncoder& encode) {
  MessageWriter writer(buffer_);
  // The numbers are taken one by one, as the messages are written, and must be consecutive for OriginOf.
  socket_.RenewSequences();
  begin_sequence_ = socket_.TakeSequences(1);
  PutBatchMessage(writer, NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, begin_sequence_);
  for (uint32_t index = 0; index < count; ++index) {
    const Status error = EncodeOne(index, encode, writer);
    if (!error) continue;
    ItemError item;
    item.index = index;
    item.code = error->code;
    item.message = error->message;
    report_.errors.push_back(std::move(item));
    return false;
  }
  MarkFirst();
  end_sequence_ = socket_.TakeSequences(1);
  if (!options_.dry_run) PutBatchMessage(writer, NFNL_MSG_BATCH_END, NLM_F_REQUEST | NLM_F_ACK, end_sequence_);
  return true;
}

Status Batch::EncodeOne(uint32_t index, const OperationEncoder& encode, MessageWriter& writer) {
  const size_t start = buffer_.size();
  const size_t first = origins_.size();
  next_ = {index, 0};
  if (auto error = encode(index, take_sequence_, writer)) return error;
  if (writer.overflowed()) return Error{EMSGSIZE, "encode", "an attribute is longer than 65,535 bytes"};
  // The kernel drops a batch without a word when it holds a message that is too short.
  const auto messages = CountMessages(ByteView(buffer_).subspan(start), sizeof(nfgenmsg));
  if (messages != origins_.size() - first)
    return Error{EINVAL, "encode", "what was written is not one whole message for every sequence number"};
  return std::nullopt;
}

void Batch::MarkFirst() {
  if (origins_.empty()) return;
  const size_t first = Load<uint32_t>(buffer_.data());
  uint8_t* flags = buffer_.data() + first + offsetof(nlmsghdr, nlmsg_flags);
  Store<uint16_t>(flags, static_cast<uint16_t>(Load<uint16_t>(flags) | NLM_F_ACK));
}

size_t Batch::CountEchoes() const {
  size_t count = 0;
  MessageReader reader(buffer_);
  while (auto message = reader.Next()) count += (message->flags & NLM_F_ECHO) ? 1 : 0;
  return count;
}

bool Batch::Exchange() {
  const size_t echoes = options_.echo ? CountEchoes() : 0;
  socket_.ReserveReplies(origins_.size() + echoes * kRepliesPerEcho + kSpareReplies);
  socket_.Drain();
  report_.failure = socket_.ReserveSend(buffer_.size());
  if (!report_.failure) report_.failure = socket_.Send(buffer_);
  if (report_.failure) return false;
  // END's ACK is queued after everything else.
  while (!end_acknowledged_) {
    ByteView datagram;
    const Received received = socket_.ReceiveNow(&datagram);
    if (received == Received::kNothing) break;
    if (received == Received::kData) {
      ReadDatagram(datagram);
      continue;
    }
    if (!lost_) lost_ = socket_.last_error();
    const bool may_read_on = received == Received::kOverrun || socket_.last_error().code == EMSGSIZE;
    if (!may_read_on) break;
  }
  return true;
}

const Origin* Batch::OriginOf(uint32_t sequence) const {
  const uint32_t position = sequence - begin_sequence_ - 1;
  return position < origins_.size() ? &origins_[position] : nullptr;
}

void Batch::ReadDatagram(ByteView datagram) {
  MessageReader reader(datagram);
  while (auto message = reader.Next()) {
    if (message->type == NLMSG_ERROR) {
      ReadAnswer(*message);
    } else if (const Origin* origin = OriginOf(message->sequence); origin && options_.echo) {
      options_.echo(origin->index, *message);
    }
  }
  if (reader.malformed()) SetMalformed();
}

void Batch::SetMalformed() {
  if (!lost_) lost_ = Failure(EPROTO, "recvmmsg", "a reply holds bytes that are no message");
}

void Batch::ReadAnswer(const Message& message) {
  const Origin* origin = OriginOf(message.sequence);
  const bool is_whole = message.sequence == begin_sequence_ || message.sequence == end_sequence_;
  if (!origin && !is_whole) return;
  const auto answer = ReadAcknowledgement(message);
  if (!answer) {
    SetMalformed();
  } else if (answer->code == 0) {
    if (message.sequence == end_sequence_) end_acknowledged_ = true;
    if (message.sequence == begin_sequence_ + 1) first_acknowledged_ = true;
  } else if (is_whole) {
    SetFailure(answer->code, std::string(answer->message));
  } else {
    report_.errors.push_back(RefusalOf(origin->index, *answer));
    report_.errors.back().part = origin->part;
  }
}

void Batch::SetFailure(int code, std::string message) {
  if (!refused_whole_) report_.failure = Failure(code, "commit", std::move(message));
  refused_whole_ = true;
}

// A commit fails only where no message was refused. The error then bears the first message's number; that message's own ACK, or ENOMEM for
// want of memory to list the refusals, tells it from that message's refusal.
void Batch::SeparateCommitFailure() {
  if (refused_whole_ || report_.errors.size() != 1 || origins_.empty()) return;
  const ItemError& error = report_.errors.front();
  if (error.index != origins_.front().index || error.part != 0 || error.offset) return;
  if (!first_acknowledged_ && error.code != ENOMEM) return;
  SetFailure(error.code, error.message);
  report_.errors.clear();
}

bool Batch::Proven() const {
  if (end_acknowledged_) return true;
  const bool end_is_acknowledged = !options_.dry_run && answers_.acknowledges_end.value_or(false);
  return !lost_ && !end_is_acknowledged && (first_acknowledged_ || origins_.empty());
}

void Batch::Conclude() {
  SeparateCommitFailure();
  std::stable_sort(report_.errors.begin(), report_.errors.end(),
                   [](const ItemError& a, const ItemError& b) { return a.index != b.index ? a.index < b.index : a.part < b.part; });
  // One refusal is enough to know that all was aborted, even where other replies were lost.
  const bool is_refused = !report_.errors.empty() || refused_whole_;
  report_.applied = !is_refused && Proven();
  if (is_refused || report_.applied) {
    report_.replies_lost = lost_.has_value();
    return;
  }
  report_.failure = lost_ ? *lost_ : Failure(EPROTO, "recvmmsg", "the kernel answered neither with an acknowledgement nor with an error");
  report_.failure->outcome_unknown = !options_.dry_run;
}

// An empty batch changes nothing, not even the generation; whether its END is acknowledged tells what silence will mean.
Status ProbeAcknowledgement(Socket& socket, const TransactionOptions& options, BatchAnswers& answers) {
  TransactionOptions empty;
  empty.deadline = options.deadline;
  empty.subsystem = options.subsystem;
  TransactionReport report;
  Bytes buffer;
  Batch batch(socket, empty, answers, report, buffer);
  batch.Encode(0, {});
  if (!batch.Exchange()) return report.failure;
  batch.Conclude();
  if (report.failure) {
    // Whatever became of a batch that holds nothing, nothing was changed.
    report.failure->outcome_unknown = false;
    return report.failure;
  }
  answers.acknowledges_end = batch.end_acknowledged();
  return std::nullopt;
}

}  // namespace

TransactionReport RunTransaction(Socket& socket, uint32_t count, const OperationEncoder& encode, const TransactionOptions& options,
                                 Bytes* messages) {
  TransactionReport report;
  const uint32_t calls_before = socket.system_calls();
  Bytes own;
  Bytes& buffer = messages ? *messages : own;
  buffer.clear();
  BatchAnswers found_out;
  BatchAnswers& answers = options.answers ? *options.answers : found_out;
  Batch batch(socket, options, answers, report, buffer);
  const bool is_encoded = batch.Encode(count, encode);
  report.bytes = buffer.size();
  if (!is_encoded) return report;
  if (!options.dry_run && !answers.acknowledges_end) report.failure = ProbeAcknowledgement(socket, options, answers);
  if (!report.failure && Clock::now() >= options.deadline)
    report.failure = Failure(ETIMEDOUT, "commit", "the deadline passed before anything was sent");
  if (!report.failure && batch.Exchange()) batch.Conclude();
  report.system_calls = socket.system_calls() - calls_before;
  return report;
}

}  // namespace netplane
