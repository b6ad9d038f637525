#include <linux/netlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>

#include "conntrack/flow_columns.h"
#include "conntrack/flows.h"
#include "conntrack/kernel.h"
#include "conntrack/schemas.h"

namespace netplane::conntrack {
namespace {

// Matches that wait for their deletion: a batch of this many is one system call, or few.
constexpr size_t kRemovalsAtOnce = 2048;

struct VerbForm {
  uint8_t message;
  uint16_t flags;
};
constexpr VerbForm kForms[] = {
    {IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL},
    {IPCTNL_MSG_CT_NEW, 0},
    {IPCTNL_MSG_CT_DELETE, 0},
};

std::optional<uint16_t> OwnZone(const Flow& flow, uint32_t part, uint16_t zone) {
  return (flow.present & part) ? std::optional<uint16_t>(zone) : std::nullopt;
}

// The identity as the kernel looks it up: the tuple with a zone of its own, or the zone of both directions.
void PutIdentity(const Flow& flow, bool with_reply, MessageWriter& writer) {
  EncodeTuple(CTA_TUPLE_ORIG, flow.family, flow.original, OwnZone(flow, kHasOriginalZone, flow.original.zone), writer);
  if (with_reply) EncodeTuple(CTA_TUPLE_REPLY, flow.family, flow.reply, OwnZone(flow, kHasReplyZone, flow.reply.zone), writer);
  if ((flow.present & kHasZone) && flow.zone != 0) writer.PutInteger<uint16_t>(CTA_ZONE, flow.zone, kBig);
}

void EncodeRemoval(const Flow& flow, uint16_t extra_flags, uint32_t sequence, MessageWriter& writer) {
  writer.Begin(FlowMessage(IPCTNL_MSG_CT_DELETE), static_cast<uint16_t>(NLM_F_REQUEST | extra_flags), sequence);
  writer.PutHeader(FamilyHeader(flow.family));
  PutIdentity(flow, false, writer);
  if (flow.present & kHasId) writer.PutInteger<uint32_t>(CTA_ID, flow.id, kBig);
  writer.End();
}

// Writes the attributes of a change from its row.
class ChangeWriter {
 public:
  ChangeWriter(const ColumnSet& columns, size_t row, MessageWriter& writer)
      : columns_(columns), row_(row), writer_(writer), present_(columns.At<uint32_t>(kPresent, row)) {}

  void PutAttributes(uint8_t protocol) {
    // A flow that is known is confirmed; the kernel refuses a status that says otherwise (nf_ct_change_status_common).
    if (Has(kHasStatus, kStatus)) writer_.PutInteger<uint32_t>(CTA_STATUS, Value(kStatus) | IPS_CONFIRMED, kBig);
    if (Has(kHasTimeout, kTimeout)) writer_.PutInteger<uint32_t>(CTA_TIMEOUT, Value(kTimeout), kBig);
    if (Has(kHasMark, kMark)) writer_.PutInteger<uint32_t>(CTA_MARK, Value(kMark), kBig);
    if (Has(kHasMark, kMarkMask)) writer_.PutInteger<uint32_t>(CTA_MARK_MASK, Value(kMarkMask), kBig);
    PutLabels();
    if (columns_.has(kHelper)) PutHelper();
    if (protocol == IPPROTO_TCP) PutTcp();
    if (protocol == IPPROTO_SCTP) PutSctp();
  }

 private:
  bool Has(uint32_t part, size_t column) const { return (present_ & part) && columns_.has(column); }
  uint32_t Value(size_t column) const { return columns_.At<uint32_t>(column, row_); }
  uint8_t Byte(size_t column) const { return columns_.has(column) ? columns_.At<uint8_t>(column, row_) : uint8_t{0}; }

  void PutLabels() {
    if (!Has(kHasLabels, kLabels)) return;
    writer_.Put(CTA_LABELS, columns_.Blob(kLabels, row_));
    const ByteView mask = columns_.has(kLabelsMask) ? columns_.Blob(kLabelsMask, row_) : ByteView{};
    if (!mask.empty()) writer_.Put(CTA_LABELS_MASK, mask);
  }

  void PutHelper() {
    const auto name = columns_.Symbol(kHelper, row_);
    if (!name) return;
    const size_t nest = writer_.BeginNest(CTA_HELP);
    writer_.PutString(CTA_HELP_NAME, *name);
    writer_.EndNest(nest);
  }

  void PutTcp() {
    if (!Has(kHasState, kState)) return;
    const size_t info = writer_.BeginNest(CTA_PROTOINFO);
    const size_t tcp = writer_.BeginNest(CTA_PROTOINFO_TCP);
    writer_.PutInteger<uint8_t>(CTA_PROTOINFO_TCP_STATE, Byte(kState));
    if (present_ & kHasTcp) {
      writer_.PutInteger<uint8_t>(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, Byte(kOriginalWindowScale));
      writer_.PutInteger<uint8_t>(CTA_PROTOINFO_TCP_WSCALE_REPLY, Byte(kReplyWindowScale));
      PutTcpFlags(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, Byte(kOriginalTcpFlags));
      PutTcpFlags(CTA_PROTOINFO_TCP_FLAGS_REPLY, Byte(kReplyTcpFlags));
    }
    writer_.EndNest(tcp);
    writer_.EndNest(info);
  }

  // struct nf_ct_tcp_flags: flags, and which of them to change.
  void PutTcpFlags(uint16_t attribute, uint8_t flags) {
    const uint8_t bytes[] = {flags, 0xff};
    writer_.Put(attribute, bytes);
  }

  void PutSctp() {
    if (!Has(kHasState, kState) || !Has(kHasTags, kOriginalTag) || !columns_.has(kReplyTag)) return;
    const size_t info = writer_.BeginNest(CTA_PROTOINFO);
    const size_t sctp = writer_.BeginNest(CTA_PROTOINFO_SCTP);
    writer_.PutInteger<uint8_t>(CTA_PROTOINFO_SCTP_STATE, Byte(kState));
    writer_.PutInteger<uint32_t>(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, Value(kOriginalTag), kBig);
    writer_.PutInteger<uint32_t>(CTA_PROTOINFO_SCTP_VTAG_REPLY, Value(kReplyTag), kBig);
    writer_.EndNest(sctp);
    writer_.EndNest(info);
  }

  const ColumnSet& columns_;
  const size_t row_;
  MessageWriter& writer_;
  const uint32_t present_;
};

const Record* DetailsOf(const FlowChange& change, uint32_t row) {
  for (const auto& [at, record] : change.details) {
    if (at == row) return &record;
  }
  return nullptr;
}

void EncodeChange(const FlowChange& change, uint32_t row, uint16_t extra_flags, uint32_t sequence, MessageWriter& writer) {
  const Flow flow = IdentityOf(change.columns, row);
  if (change.verb == FlowVerb::kDelete) return EncodeRemoval(flow, extra_flags, sequence, writer);
  const VerbForm& form = kForms[static_cast<size_t>(change.verb)];
  writer.Begin(FlowMessage(form.message), static_cast<uint16_t>(form.flags | NLM_F_REQUEST | extra_flags), sequence);
  writer.PutHeader(FamilyHeader(flow.family));
  PutIdentity(flow, change.verb == FlowVerb::kCreate, writer);
  ChangeWriter(change.columns, row, writer).PutAttributes(flow.original.protocol);
  if (const Record* details = DetailsOf(change, row)) EncodeRecord(*details, writer);
  writer.End();
}

// The message of a row once more, to see which attribute lies where the kernel's error points.
std::string FieldAtOffset(const FlowChange& change, const ItemError& error) {
  constexpr size_t kFixed = sizeof(nlmsghdr) + sizeof(nfgenmsg);
  if (!error.offset || *error.offset < kFixed) return {};
  Bytes message;
  MessageWriter writer(message);
  EncodeChange(change, error.index, 0, 0, writer);
  return LocateField(kFlowSchema, ByteView(message).subspan(kFixed), *error.offset - kFixed);
}

// A dump on one socket, deletions on the other.
class Remover {
 public:
  Remover(Socket& reader, Socket& remover, const FlowQuery& query, const BatchOptions& options)
      : remover_(remover), options_(options), stream_(reader, query) {}

  RemovalReport Run() {
    const auto take = [this](const Flow& flow, ByteView) -> Status {
      pending_.push_back(flow);
      return std::nullopt;
    };
    while (!report_.stopped && !stream_.is_done()) {
      report_.stopped = ReasonToStop();
      if (!report_.stopped) report_.stopped = stream_.Read(take, options_.deadline);
      if (!report_.stopped && pending_.size() >= kRemovalsAtOnce) SendPending();
    }
    if (!report_.stopped) SendPending();
    report_.scanned = stream_.scanned();
    report_.kernel_filtered = stream_.is_filtered();
    return std::move(report_);
  }

 private:
  Status ReasonToStop() const {
    if (options_.cancelled && options_.cancelled()) return Error{ECANCELED, "deleteWhere", "cancelled"};
    return std::nullopt;
  }

  void SendPending() {
    const auto encode = [this](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
      EncodeRemoval(pending_[index], flags, sequence, writer);
    };
    const auto count = static_cast<uint32_t>(pending_.size());
    const BatchReport batch = RunBatch(remover_, count, encode, options_);
    report_.matched += count;
    report_.unknown += batch.sent - batch.unknown_from;
    uint64_t failed = 0;
    for (const ItemError& error : batch.errors) {
      if (error.index < batch.unknown_from) ++failed;
      if (error.code == ENOENT) {
        if (error.index < batch.unknown_from) ++report_.vanished;
        continue;
      }
      ++report_.refused;
      if (!report_.refusal) report_.refusal = error;
    }
    report_.deleted += batch.unknown_from - failed;
    report_.system_calls += batch.system_calls;
    if (batch.stopped) report_.stopped = Named(*batch.stopped, "IPCTNL_MSG_CT_DELETE");
    pending_.clear();
  }

  Socket& remover_;
  const BatchOptions& options_;
  FlowStream stream_;
  /// Their views point into messages that are gone; a deletion uses numbers only.
  std::vector<Flow> pending_;
  RemovalReport report_;
};

}  // namespace

BatchReport ChangeFlows(Socket& socket, const FlowChange& change, const BatchOptions& options) {
  BatchReport report;
  if (auto fault = CheckFlows(change.columns)) {
    report.stopped = Error{EINVAL, "encode", *fault};
    return report;
  }
  const auto encode = [&](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    EncodeChange(change, index, flags, sequence, writer);
  };
  report = RunBatch(socket, static_cast<uint32_t>(change.columns.rows()), encode, options);
  for (ItemError& error : report.errors) error.field = FieldAtOffset(change, error);
  return report;
}

RemovalReport RemoveFlows(Socket& socket, const FlowQuery& query, const BatchOptions& options) {
  auto companion = socket.Companion();
  if (!companion.ok()) {
    RemovalReport report;
    report.stopped = companion.error();
    return report;
  }
  Socket& reader = *companion.value();
  const uint32_t calls_before = reader.system_calls();
  RemovalReport report = Remover(reader, socket, query, options).Run();
  report.system_calls += reader.system_calls() - calls_before;
  return report;
}

Status FlushFlows(Socket& socket, Deadline deadline) {
  const auto encode = [](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(FlowMessage(IPCTNL_MSG_CT_DELETE), flags, sequence);
    // Family 0 and no attribute: every flow. Anything else an old kernel could read over, and delete all the same.
    writer.PutHeader(FamilyHeader(0));
    writer.End();
  };
  if (auto error = RunRequest(
          socket, encode, [](const Message&) -> Status { return std::nullopt; }, deadline)) {
    return Named(*error, "IPCTNL_MSG_CT_DELETE");
  }
  return std::nullopt;
}

}  // namespace netplane::conntrack
