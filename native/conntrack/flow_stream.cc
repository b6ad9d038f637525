#include <linux/netlink.h>

#include <cerrno>

#include "conntrack/flow_columns.h"
#include "conntrack/flows.h"
#include "conntrack/kernel.h"
#include "conntrack/schemas.h"

namespace netplane::conntrack {
namespace {

void PutMasked(uint16_t value_attribute, uint16_t mask_attribute, const std::optional<std::pair<uint32_t, uint32_t>>& masked,
               MessageWriter& writer) {
  if (!masked) return;
  writer.PutInteger<uint32_t>(value_attribute, masked->first, kBig);
  writer.PutInteger<uint32_t>(mask_attribute, masked->second, kBig);
}

void PutFilter(const FlowFilter::KernelPart& part, MessageWriter& writer) {
  PutMasked(CTA_MARK, CTA_MARK_MASK, part.mark, writer);
  PutMasked(CTA_STATUS, CTA_STATUS_MASK, part.status, writer);
  if (part.tuple_flags[0] == 0 && part.tuple_flags[1] == 0) return;
  constexpr uint16_t kTuples[] = {CTA_TUPLE_ORIG, CTA_TUPLE_REPLY};
  for (size_t direction = 0; direction < 2; ++direction) {
    if (part.tuple_flags[direction] == 0) continue;
    EncodeTuple(kTuples[direction], part.family, part.tuples[direction], std::nullopt, writer);
  }
  const size_t nest = writer.BeginNest(CTA_FILTER);
  writer.PutInteger<uint32_t>(CTA_FILTER_ORIG_FLAGS, part.tuple_flags[0]);
  writer.PutInteger<uint32_t>(CTA_FILTER_REPLY_FLAGS, part.tuple_flags[1]);
  writer.EndNest(nest);
}

// What a kernel says to a filter that it knows but cannot take.
bool RefusesFilter(const Error& error) {
  return error.operation == "dump" && (error.code == EINVAL || error.code == EOPNOTSUPP || error.code == ERANGE);
}

// Flow messages of a reply, decoded; anything else is malformed.
Status TakeMessage(const Message& message, const std::function<Status(const Flow&, ByteView)>& take) {
  Flow flow;
  if (message.body.size() < sizeof(nfgenmsg)) return Error{EPROTO, "recvmmsg", "the reply is too short for a flow"};
  const ByteView attributes = message.body.subspan(sizeof(nfgenmsg));
  if (!DecodeFlow(message.body[0], attributes, &flow)) return Error{EPROTO, "recvmmsg", "the reply holds a flow that cannot be read"};
  return take(flow, attributes);
}

}  // namespace

FlowPiece::FlowPiece() : columns(kFlowColumns) {}

void AppendTo(FlowPiece& piece, const Flow& flow, ByteView attributes) {
  if (flow.has_details) {
    if (auto record = DecodeRecord(kDetailSchema, attributes); record && !(record->fields.empty() && record->opaque.empty())) {
      piece.details.emplace_back(static_cast<uint32_t>(piece.columns.rows()), std::move(*record));
    }
  }
  AppendFlow(flow, piece.columns);
}

void FlowStream::WriteRequest(uint16_t flags, uint32_t sequence, MessageWriter& writer) const {
  const FlowFilter::KernelPart part = use_kernel_filter_ && query_.filter ? query_.filter->ForKernel() : FlowFilter::KernelPart{};
  writer.Begin(FlowMessage(query_.message), flags, sequence);
  writer.PutHeader(FamilyHeader(part.family));
  PutFilter(part, writer);
  writer.End();
}

Status FlowStream::Begin() {
  has_begun_ = true;
  return exchange_.Begin([this](uint16_t flags, uint32_t sequence, MessageWriter& writer) { WriteRequest(flags, sequence, writer); });
}

Status FlowStream::Read(const Taker& take, Deadline deadline) {
  if (!has_begun_) {
    if (auto error = Begin()) return Named(*error, "IPCTNL_MSG_CT_GET");
  }
  const auto handle = [&](const Message& message) {
    return TakeMessage(message, [&](const Flow& flow, ByteView attributes) -> Status {
      ++scanned_;
      if (query_.filter && !query_.filter->Matches(flow)) return std::nullopt;
      return take(flow, attributes);
    });
  };
  Status error = exchange_.Read(handle, deadline);
  if (error && scanned_ == 0 && use_kernel_filter_ && query_.filter && !query_.filter->matches_all() && RefusesFilter(*error)) {
    use_kernel_filter_ = false;
    error = Begin();
  }
  if (error) return Named(*error, "IPCTNL_MSG_CT_GET");
  return std::nullopt;
}

Result<std::vector<FlowPiece>> ListFlows(Socket& socket, const FlowQuery& query, Deadline deadline) {
  std::vector<FlowPiece> pieces;
  FlowStream stream(socket, query);
  const auto take = [&](const Flow& flow, ByteView attributes) -> Status {
    if (pieces.empty() || pieces.back().columns.rows() >= kRowsPerPiece) pieces.emplace_back();
    AppendTo(pieces.back(), flow, attributes);
    return std::nullopt;
  };
  while (!stream.is_done()) {
    if (auto error = stream.Read(take, deadline)) return *error;
  }
  return pieces;
}

Result<FlowCount> CountFlows(Socket& socket, const FlowQuery& query, Deadline deadline) {
  FlowCount count;
  FlowStream stream(socket, query);
  const auto take = [&](const Flow&, ByteView) -> Status {
    ++count.matched;
    return std::nullopt;
  };
  while (!stream.is_done()) {
    if (auto error = stream.Read(take, deadline)) return *error;
  }
  count.scanned = stream.scanned();
  return count;
}

Result<FlowPiece> GetFlow(Socket& socket, const ColumnSet& columns, size_t row, bool by_reply, Deadline deadline) {
  const Flow wanted = IdentityOf(columns, row);
  FlowPiece piece;
  const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(FlowMessage(IPCTNL_MSG_CT_GET), flags, sequence);
    writer.PutHeader(FamilyHeader(wanted.family));
    EncodeTuple(by_reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG, wanted.family, by_reply ? wanted.reply : wanted.original, std::nullopt,
                writer);
    const uint16_t zone = wanted.ZoneOf(by_reply);
    if (zone != 0) writer.PutInteger<uint16_t>(CTA_ZONE, zone, kBig);
    writer.End();
  };
  const auto handle = [&](const Message& message) {
    return TakeMessage(message, [&](const Flow& flow, ByteView attributes) -> Status {
      AppendTo(piece, flow, attributes);
      return std::nullopt;
    });
  };
  if (auto error = RunRequest(socket, encode, handle, deadline)) return Named(*error, "IPCTNL_MSG_CT_GET");
  if (piece.columns.rows() != 1) return Error{EPROTO, "IPCTNL_MSG_CT_GET", "the answer is not one flow"};
  return piece;
}

}  // namespace netplane::conntrack
