#include "nftables/commit.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

#include "nftables/elements.h"
#include "nftables/kernel.h"
#include "nftables/list.h"
#include "nftables/operation.h"
#include "nftables/request.h"

namespace netplane::nftables {
namespace {

/// Elements of one message: less than the 65,535 bytes of an attribute, and small enough for what the kernel allocates to answer it.
constexpr size_t kElementBytes = 60000;
constexpr size_t kAttributesOffset = sizeof(nlmsghdr) + sizeof(nfgenmsg);

/// One message of an operation: where it lies in the batch, and the row its elements begin with.
struct Part {
  size_t start = 0;
  uint32_t row = 0;
};

/// Whether an echo of the operation's first message is a single message of the kernel's: of a table or chain that goes, and of a chain or
/// set that is emptied, it tells everything that was in it (nft_delrule, nft_setelem_flush), which no receive buffer holds.
bool HasShortEcho(const Operation& operation) {
  if (operation.verb == Verb::kFlush) return false;
  if (operation.verb != Verb::kDelete && operation.verb != Verb::kDestroy) return true;
  if (operation.kind == Kind::kElements) return operation.elements != nullptr;
  return operation.kind != Kind::kTable && operation.kind != Kind::kChain;
}

class BatchEncoder {
 public:
  BatchEncoder(const std::vector<Operation>& operations, bool ask_generation)
      : operations_(operations), parts_(operations.size()), ask_generation_(ask_generation) {
    for (const Operation& operation : operations) {
      if (const uint32_t id = SetIdOf(operation); id > largest_set_id_ && id != UINT32_MAX) largest_set_id_ = id;
    }
  }

  Status Encode(uint32_t index, const SequenceSource& next, MessageWriter& writer) {
    const Operation& operation = operations_[index];
    const auto form = FormOf(operation.verb, operation.kind);
    if (!form) return Error{EINVAL, "encode", "nf_tables has no such verb for this kind"};
    if (const char* field = MissingField(operation)) return Error{EINVAL, "encode", std::string(field) + " is missing"};
    if (operation.kind == Kind::kElements && operation.verb != Verb::kFlush && operation.elements) {
      return EncodeRows(index, *form, next, writer);
    }
    Begin(index, *form, next(), 0, writer);
    if (operation.verb == Verb::kFlush) {
      EncodeFlush(operation, writer);
    } else {
      EncodeAmended(operation, writer);
      if (NeedsSetId(operation)) writer.PutInteger(NFTA_SET_ID, ++largest_set_id_, kBig);
    }
    writer.End();
    return std::nullopt;
  }

  /// Says which field and row of the operation the kernel, or Encode, refused.
  void Locate(const Bytes& batch, ItemError* error) const {
    if (refused_row_ && refused_row_->first == error->index && !error->offset) error->row = refused_row_->second;
    if (!error->offset || error->index >= parts_.size() || error->part >= parts_[error->index].size()) return;
    const Part& part = parts_[error->index][error->part];
    if (part.start + kAttributesOffset > batch.size() || *error->offset < kAttributesOffset) return;
    const uint32_t length = Load<uint32_t>(batch.data() + part.start);
    if (length < kAttributesOffset || part.start + length > batch.size()) return;
    const ByteView attributes = ByteView(batch).subspan(part.start + kAttributesOffset, length - kAttributesOffset);
    LocateAttribute(operations_[error->index], part, attributes, *error->offset - kAttributesOffset, error);
  }

 private:
  static uint32_t SetIdOf(const Operation& operation) {
    const auto id = operation.kind == Kind::kSet ? FindAttribute(operation, NFTA_SET_ID) : std::nullopt;
    return id ? id->Integer<uint32_t>(kBig).value_or(0) : 0;
  }

  /// NFT_MSG_NEWSET wants NFTA_SET_ID of everybody, also of those who never refer to it.
  static bool NeedsSetId(const Operation& operation) {
    const bool makes = operation.verb == Verb::kAdd || operation.verb == Verb::kCreate;
    return operation.kind == Kind::kSet && makes && !FindAttribute(operation, NFTA_SET_ID);
  }

  void Begin(uint32_t index, MessageForm form, uint32_t sequence, uint32_t row, MessageWriter& writer) {
    const Operation& operation = operations_[index];
    const bool echo = operation.echo || (ask_generation_ && HasShortEcho(operation));
    // The kernel sends NFT_MSG_NEWGEN to a committer whose first message wants an echo (nf_tables_gen_notify looks at that message).
    ask_generation_ = false;
    const bool everything = operation.verb == Verb::kFlush && operation.kind == Kind::kTable && !FindAttribute(operation, NFTA_TABLE_NAME);
    const uint16_t type = everything ? MessageType(NFT_MSG_DELTABLE) : form.type;
    writer.Begin(type, static_cast<uint16_t>(NLM_F_REQUEST | form.flags | (echo ? NLM_F_ECHO : 0)), sequence);
    writer.PutHeader(FamilyHeader(operation.family));
    parts_[index].push_back({writer.message_start(), row});
  }

  Status EncodeRows(uint32_t index, MessageForm form, const SequenceSource& next, MessageWriter& writer) {
    const Operation& operation = operations_[index];
    const ColumnSet& rows = *operation.elements;
    const ElementParts parts =
        operation.verb == Verb::kAdd || operation.verb == Verb::kCreate ? ElementParts::kAll : ElementParts::kIdentity;
    for (size_t row = 0; row < rows.rows();) {
      // Every element of a message that wants an echo is echoed: the one that asks for the generation holds a single row.
      const bool single = ask_generation_ && !operation.echo;
      Begin(index, form, next(), static_cast<uint32_t>(row), writer);
      writer.PutRaw(operation.attributes);
      const size_t written = EncodeElements(rows, row, single ? 0 : kElementBytes, parts, writer);
      if (written == 0) {
        refused_row_ = {index, static_cast<uint32_t>(row)};
        return Error{EMSGSIZE, "encode", "the element does not fit a message"};
      }
      writer.End();
      row += written;
    }
    return std::nullopt;
  }

  static void LocateAttribute(const Operation& operation, const Part& part, ByteView attributes, size_t offset, ItemError* error) {
    if (operation.kind != Kind::kElements) {
      error->field = operation.verb == Verb::kFlush ? LocateFlush(operation, attributes, offset)
                                                    : LocateField(SchemaOf(operation.kind), attributes, offset);
      return;
    }
    error->field = LocateField(kElementListSchema, attributes, offset);
    AttributeReader reader(attributes);
    while (auto attribute = reader.Next()) {
      const size_t payload = attribute->offset + sizeof(nlattr);
      if (attribute->type != NFTA_SET_ELEM_LIST_ELEMENTS || offset < payload) continue;
      const auto location = LocateElement(attribute->payload, offset - payload);
      if (!location) continue;
      error->row = part.row + location->row;
      error->field = location->field;
    }
  }

  const std::vector<Operation>& operations_;
  std::vector<std::vector<Part>> parts_;
  bool ask_generation_;
  uint32_t largest_set_id_ = 0;
  std::optional<std::pair<uint32_t, uint32_t>> refused_row_;
};

/// Takes what comes back because of NLM_F_ECHO.
void TakeEcho(const std::vector<Operation>& operations, uint32_t index, const Message& message, CommitReport* report) {
  const MessageDescription description = Describe(message.type);
  if (description.schema == nullptr || message.body.size() < sizeof(nfgenmsg)) return;
  auto record = DecodeRecord(*description.schema, message.body.subspan(sizeof(nfgenmsg)));
  if (!record) return;
  if (description.schema == &kGenerationSchema) {
    // No generation is 0 (nf_tables_commit).
    if (const uint64_t id = NumberField(*record, NFTA_GEN_ID); id != 0) report->generation = static_cast<uint32_t>(id);
  } else if (operations[index].echo) {
    report->echoes.push_back({index, std::move(*record)});
  }
}

/// Room for all messages, rather too much: memory that is never written costs nothing, while a buffer that grows by
/// doubling holds the bytes twice for a moment.
size_t EstimateBytes(const std::vector<Operation>& operations) {
  constexpr size_t kHeadersPerElement = 48;
  constexpr size_t kAmended = 32;
  size_t bytes = 0;
  for (const Operation& operation : operations) {
    bytes += kAttributesOffset + operation.attributes.size() + kAmended;
    if (operation.elements) bytes += operation.elements->MemoryBytes() + operation.elements->rows() * kHeadersPerElement;
  }
  return bytes;
}

/// 0 where it is not known: a commit stands whatever this says.
uint32_t CurrentGeneration(Socket& socket, Deadline deadline) {
  const auto record = GetGeneration(socket, deadline);
  return record.ok() ? static_cast<uint32_t>(NumberField(record.value(), NFTA_GEN_ID)) : 0;
}

/// The generation that a batch made which insisted on another one, and of which the kernel told nothing.
uint32_t GenerationAfter(Socket& socket, uint32_t insisted, Deadline deadline) {
  const uint32_t current = CurrentGeneration(socket, deadline);
  if (insisted == 0 || current == 0 || current == insisted) return current;
  // The kernel passes over 0 (nf_tables_commit).
  return insisted + 1 == 0 ? 1 : insisted + 1;
}

CommitReport CommitOnce(Socket& socket, const std::vector<Operation>& operations, const CommitOptions& options) {
  CommitReport report;
  BatchEncoder encoder(operations, !options.dry_run);
  TransactionOptions transaction;
  transaction.deadline = options.deadline;
  transaction.generation = options.generation;
  transaction.dry_run = options.dry_run;
  transaction.subsystem = NFNL_SUBSYS_NFTABLES;
  transaction.answers = options.answers.get();
  transaction.echo = [&](uint32_t index, const Message& message) { TakeEcho(operations, index, message, &report); };
  const auto encode = [&](uint32_t index, const SequenceSource& next, MessageWriter& writer) {
    return encoder.Encode(index, next, writer);
  };
  Bytes batch;
  const size_t estimate = EstimateBytes(operations);
  if (!CanAllocate(estimate)) {
    report.transaction.failure = Error{ENOMEM, "encode", "no memory for " + std::to_string(estimate) + " bytes of messages"};
    return report;
  }
  batch.reserve(estimate);
  report.transaction = RunTransaction(socket, static_cast<uint32_t>(operations.size()), encode, transaction, &batch);
  for (ItemError& error : report.transaction.errors) encoder.Locate(batch, &error);
  if (!report.transaction.applied || options.dry_run) {
    report.generation = 0;
  } else if (report.generation == 0) {
    // No NEWGEN: nothing changed, and the generation that the batch insisted on (0 insists on nothing) was the current one. Or it was not
    // asked for.
    const uint32_t insisted = options.generation.value_or(0);
    const bool was_asked = operations.empty() || HasShortEcho(operations.front());
    report.generation = insisted != 0 && was_asked ? insisted : GenerationAfter(socket, insisted, options.deadline);
  }
  if (options.record) report.bytes = std::move(batch);
  return report;
}

/// How often a batch is sent again that insists on a generation only to know which one it makes.
constexpr int kMostAttempts = 16;

}  // namespace

CommitReport Commit(Socket& socket, const std::vector<Operation>& operations, const CommitOptions& options) {
  const bool tells_generation = operations.empty() || HasShortEcho(operations.front());
  if (tells_generation || options.dry_run || options.generation.value_or(0) != 0) return CommitOnce(socket, operations, options);
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    CommitOptions insisting = options;
    insisting.generation = CurrentGeneration(socket, options.deadline);
    CommitReport report = CommitOnce(socket, operations, insisting);
    const bool was_late = report.transaction.failure && report.transaction.failure->code == ERESTART;
    if (!was_late) return report;
  }
  return CommitOnce(socket, operations, options);
}

}  // namespace netplane::nftables
