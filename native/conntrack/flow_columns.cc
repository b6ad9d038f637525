#include "conntrack/flow_columns.h"

#include <algorithm>

namespace netplane::conntrack {
namespace {

constexpr uint16_t kWidth = 16;
// XT_CONNLABEL_MAXBIT is 127.
constexpr size_t kMostLabelBytes = 16;

constexpr ColumnSpec kColumns[kFlowColumnCount] = {
    {"family", ColumnType::kU8, true},
    {"protocol", ColumnType::kU8, true},
    {"originalSource", ColumnType::kFixed, true, kWidth},
    {"originalDestination", ColumnType::kFixed, true, kWidth},
    {"originalSourcePort", ColumnType::kU16, true},
    {"originalDestinationPort", ColumnType::kU16, true},
    {"replySource", ColumnType::kFixed, true, kWidth},
    {"replyDestination", ColumnType::kFixed, true, kWidth},
    {"replySourcePort", ColumnType::kU16, true},
    {"replyDestinationPort", ColumnType::kU16, true},
    {"present", ColumnType::kU32, true},
    {"zone", ColumnType::kU16},
    {"originalZone", ColumnType::kU16},
    {"replyZone", ColumnType::kU16},
    {"status", ColumnType::kU32},
    {"timeoutSeconds", ColumnType::kU32},
    {"mark", ColumnType::kU32},
    {"id", ColumnType::kU32},
    {"use", ColumnType::kU32},
    {"state", ColumnType::kU8},
    {"originalWindowScale", ColumnType::kU8},
    {"replyWindowScale", ColumnType::kU8},
    {"originalTcpFlags", ColumnType::kU8},
    {"replyTcpFlags", ColumnType::kU8},
    {"originalTag", ColumnType::kU32},
    {"replyTag", ColumnType::kU32},
    {"originalPackets", ColumnType::kU64},
    {"originalBytes", ColumnType::kU64},
    {"replyPackets", ColumnType::kU64},
    {"replyBytes", ColumnType::kU64},
    {"startNanoseconds", ColumnType::kU64},
    {"stopNanoseconds", ColumnType::kU64},
    {"eventNanoseconds", ColumnType::kU64},
    {"labels", ColumnType::kBlob},
    {"helper", ColumnType::kSymbol},
    {"securityContext", ColumnType::kSymbol},
    {"markMask", ColumnType::kU32},
    {"labelsMask", ColumnType::kBlob},
};

void AppendTuple(const Tuple& tuple, size_t first, ColumnSet& columns) {
  columns.AddFixed(first, tuple.source);
  columns.AddFixed(first + 1, tuple.destination);
  columns.Add<uint16_t>(first + 2, tuple.source_port);
  columns.Add<uint16_t>(first + 3, tuple.destination_port);
}

Tuple TupleAt(const ColumnSet& columns, size_t first, size_t row) {
  Tuple tuple;
  std::ranges::copy(columns.Fixed(first, row), tuple.source.begin());
  std::ranges::copy(columns.Fixed(first + 1, row), tuple.destination.begin());
  tuple.source_port = columns.At<uint16_t>(first + 2, row);
  tuple.destination_port = columns.At<uint16_t>(first + 3, row);
  tuple.protocol = columns.At<uint8_t>(kProtocol, row);
  return tuple;
}

template <typename T>
T ValueOrZero(const ColumnSet& columns, size_t column, size_t row) {
  return columns.has(column) ? columns.At<T>(column, row) : T{0};
}

const char* FaultOfRow(const ColumnSet& columns, size_t row) {
  if (AddressLength(columns.At<uint8_t>(kFamily, row)) == 0) return "family";
  const size_t labels = columns.has(kLabels) ? columns.Blob(kLabels, row).size() : 0;
  if (labels > kMostLabelBytes || labels % sizeof(uint32_t) != 0) return "labels";
  const size_t mask = columns.has(kLabelsMask) ? columns.Blob(kLabelsMask, row).size() : 0;
  if (mask != 0 && mask != labels) return "labelsMask";
  return nullptr;
}

}  // namespace

const std::span<const ColumnSpec> kFlowColumns = kColumns;

void AppendFlow(const Flow& flow, ColumnSet& columns) {
  columns.Add<uint8_t>(kFamily, flow.family);
  columns.Add<uint8_t>(kProtocol, flow.original.protocol);
  AppendTuple(flow.original, kOriginalSource, columns);
  AppendTuple(flow.reply, kReplySource, columns);
  columns.Add<uint32_t>(kPresent, flow.present);
  columns.Add<uint16_t>(kZone, flow.zone);
  columns.Add<uint16_t>(kOriginalZone, flow.original.zone);
  columns.Add<uint16_t>(kReplyZone, flow.reply.zone);
  columns.Add<uint32_t>(kStatus, flow.status);
  columns.Add<uint32_t>(kTimeout, flow.timeout_seconds);
  columns.Add<uint32_t>(kMark, flow.mark);
  columns.Add<uint32_t>(kId, flow.id);
  columns.Add<uint32_t>(kUse, flow.use);
  columns.Add<uint8_t>(kState, flow.state);
  columns.Add<uint8_t>(kOriginalWindowScale, flow.window_scale[0]);
  columns.Add<uint8_t>(kReplyWindowScale, flow.window_scale[1]);
  columns.Add<uint8_t>(kOriginalTcpFlags, flow.tcp_flags[0]);
  columns.Add<uint8_t>(kReplyTcpFlags, flow.tcp_flags[1]);
  columns.Add<uint32_t>(kOriginalTag, flow.tags[0]);
  columns.Add<uint32_t>(kReplyTag, flow.tags[1]);
  for (size_t i = 0; i < 2; ++i) {
    columns.Add<uint64_t>(kOriginalPackets + 2 * i, flow.counters[i].packets);
    columns.Add<uint64_t>(kOriginalBytes + 2 * i, flow.counters[i].bytes);
  }
  columns.Add<uint64_t>(kStart, flow.start);
  columns.Add<uint64_t>(kStop, flow.stop);
  columns.Add<uint64_t>(kEventTime, flow.event_time);
  columns.AddBlob(kLabels, flow.labels);
  columns.AddSymbol(kHelper, flow.helper);
  columns.AddSymbol(kSecurityContext, flow.security_context);
  columns.EndRow();
}

std::optional<std::string> CheckFlows(const ColumnSet& columns) {
  if (auto fault = columns.Check()) return fault;
  for (size_t row = 0; row < columns.rows(); ++row) {
    if (const char* column = FaultOfRow(columns, row)) return std::string(column) + " of row " + std::to_string(row);
  }
  return std::nullopt;
}

Flow IdentityOf(const ColumnSet& columns, size_t row) {
  constexpr uint32_t kIdentity = kHasId | kHasZone | kHasOriginalZone | kHasReplyZone;
  Flow flow;
  flow.family = columns.At<uint8_t>(kFamily, row);
  flow.original = TupleAt(columns, kOriginalSource, row);
  flow.reply = TupleAt(columns, kReplySource, row);
  flow.present = columns.At<uint32_t>(kPresent, row) & kIdentity;
  flow.zone = ValueOrZero<uint16_t>(columns, kZone, row);
  flow.original.zone = ValueOrZero<uint16_t>(columns, kOriginalZone, row);
  flow.reply.zone = ValueOrZero<uint16_t>(columns, kReplyZone, row);
  flow.id = ValueOrZero<uint32_t>(columns, kId, row);
  return flow;
}

}  // namespace netplane::conntrack
