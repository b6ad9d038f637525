// Flows as columns: what a listing gives, and what a change takes.
#ifndef NETPLANE_CONNTRACK_FLOW_COLUMNS_H_
#define NETPLANE_CONNTRACK_FLOW_COLUMNS_H_

#include <optional>
#include <span>
#include <string>

#include "conntrack/flow.h"
#include "netlink/columns.h"

namespace netplane::conntrack {

/// One row is one flow. Meanings and byte orders as in flow.h; `present` (FlowPart bits) says which of the optional ones a row has.
enum FlowColumn : size_t {
  kFamily,    ///< kU8: AF_INET 2 or AF_INET6 10.
  kProtocol,  ///< kU8: IPPROTO_*, of both tuples.
  kOriginalSource,
  kOriginalDestination,  ///< kFixed, 16 bytes.
  kOriginalSourcePort,
  kOriginalDestinationPort,  ///< kU16.
  kReplySource,
  kReplyDestination,
  kReplySourcePort,
  kReplyDestinationPort,
  kPresent,  ///< kU32.
  kZone,
  kOriginalZone,
  kReplyZone,  ///< kU16.
  kStatus,
  kTimeout,
  kMark,
  kId,
  kUse,  ///< kU32.
  kState,
  kOriginalWindowScale,
  kReplyWindowScale,
  kOriginalTcpFlags,
  kReplyTcpFlags,  ///< kU8.
  kOriginalTag,
  kReplyTag,  ///< kU32.
  kOriginalPackets,
  kOriginalBytes,
  kReplyPackets,
  kReplyBytes,
  kStart,
  kStop,
  kEventTime,        ///< kU64.
  kLabels,           ///< kBlob: bit n is byte n / 8, bit n % 8 (of little-endian words, as the kernel keeps them on every machine we know).
  kHelper,           ///< kSymbol
  kSecurityContext,  ///< kSymbol
  // Of changes only; a listing leaves them out.
  kMarkMask,    ///< kU32: bits of the mark to change (CTA_MARK_MASK).
  kLabelsMask,  ///< kBlob: bits of the labels to change (CTA_LABELS_MASK), as long as the labels; empty: all.
  kFlowColumnCount,
};
extern const std::span<const ColumnSpec> kFlowColumns;

/// Appends a row.
void AppendFlow(const Flow& flow, ColumnSet& columns);

/// What makes a row impossible to write (family, lengths of labels), with its number; nothing when all are fine.
std::optional<std::string> CheckFlows(const ColumnSet& columns);

/// The identity of a row: family, tuples, zones, id.
Flow IdentityOf(const ColumnSet& columns, size_t row);

}  // namespace netplane::conntrack

#endif  // NETPLANE_CONNTRACK_FLOW_COLUMNS_H_
