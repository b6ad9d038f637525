// The attribute tables of ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h): for what is rare, and for traces. All integers
// are big-endian but where a table says otherwise. What every flow has travels as columns (flow_columns.h).
#ifndef NETPLANE_CONNTRACK_SCHEMAS_H_
#define NETPLANE_CONNTRACK_SCHEMAS_H_

#include "netlink/result.h"
#include "netlink/schema.h"
#include "netlink/trace.h"

namespace netplane::conntrack {

/// A flow's rare attributes, read and (but for what is output) written: master, sequence adjustments, synproxy, dccp, NAT of a flow to
/// create.
extern const Schema kDetailSchema;
/// Everything of a flow: for traces, and for naming the attribute that a refusal points at.
extern const Schema kFlowSchema;
/// CTA_EXPECT_*
extern const Schema kExpectationSchema;
/// CTA_STATS_*: of one processor.
extern const Schema kProcessorStatisticsSchema;
/// CTA_STATS_GLOBAL_*
extern const Schema kGlobalStatisticsSchema;
/// CTA_STATS_EXP_*: expectations, of one processor.
extern const Schema kExpectationStatisticsSchema;

/// The error with the message that it is about as its operation: the transport knows it as a request or a dump only.
Error Named(Error error, const char* operation);

/// For traces of NETLINK_NETFILTER, subsystems 1 and 2; see trace.h.
MessageDescription Describe(uint16_t type);

}  // namespace netplane::conntrack

#endif  // NETPLANE_CONNTRACK_SCHEMAS_H_
