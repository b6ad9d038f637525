#include "conntrack/schemas.h"

#include "conntrack/kernel.h"
#include "netlink/schema_fields.h"

namespace netplane::conntrack {
namespace {

constexpr ByteOrder kHost = ByteOrder::kHost;

// NF_CT_HELPER_NAME_LEN (include/net/netfilter/nf_conntrack_helper.h) less the terminating NUL.
constexpr uint16_t kHelperNameLength = 15;

constexpr Field kIpFields[] = {
    Octets(NETPLANE_ATTRIBUTE(CTA_IP_V4_SRC), "source", 4),
    Octets(NETPLANE_ATTRIBUTE(CTA_IP_V4_DST), "destination", 4),
    Octets(NETPLANE_ATTRIBUTE(CTA_IP_V6_SRC), "source6", 16),
    Octets(NETPLANE_ATTRIBUTE(CTA_IP_V6_DST), "destination6", 16),
};
constexpr Schema kIpSchema = {"addresses", kIpFields};

constexpr Field kProtocolFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTO_NUM), "number", FieldType::kU8),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTO_SRC_PORT), "sourcePort", FieldType::kU16),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTO_DST_PORT), "destinationPort", FieldType::kU16),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTO_ICMP_ID), "icmpId", FieldType::kU16),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTO_ICMP_TYPE), "icmpType", FieldType::kU8),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTO_ICMP_CODE), "icmpCode", FieldType::kU8),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTO_ICMPV6_ID), "icmpv6Id", FieldType::kU16),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTO_ICMPV6_TYPE), "icmpv6Type", FieldType::kU8),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTO_ICMPV6_CODE), "icmpv6Code", FieldType::kU8),
};
constexpr Schema kProtocolSchema = {"protocol", kProtocolFields};

constexpr Field kTupleFields[] = {
    Nested(NETPLANE_ATTRIBUTE(CTA_TUPLE_IP), "addresses", &kIpSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_TUPLE_PROTO), "protocol", &kProtocolSchema),
    Plain(NETPLANE_ATTRIBUTE(CTA_TUPLE_ZONE), "zone", FieldType::kU16),
};
constexpr Schema kTupleSchema = {"tuple", kTupleFields};

constexpr Field kAdjustmentFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_SEQADJ_CORRECTION_POS), "correctionPosition", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_SEQADJ_OFFSET_BEFORE), "offsetBefore", FieldType::kS32),
    Plain(NETPLANE_ATTRIBUTE(CTA_SEQADJ_OFFSET_AFTER), "offsetAfter", FieldType::kS32),
};
constexpr Schema kAdjustmentSchema = {"sequence adjustment", kAdjustmentFields};

constexpr Field kSynproxyFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_SYNPROXY_ISN), "initialSequence", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_SYNPROXY_ITS), "initialTimestamp", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_SYNPROXY_TSOFF), "timestampOffset", FieldType::kU32),
};
constexpr Schema kSynproxySchema = {"synproxy", kSynproxyFields};

constexpr Field kPortRangeFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTONAT_PORT_MIN), "first", FieldType::kU16),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTONAT_PORT_MAX), "last", FieldType::kU16),
};
constexpr Schema kPortRangeSchema = {"ports", kPortRangeFields};

constexpr Field kNatFields[] = {
    Octets(NETPLANE_ATTRIBUTE(CTA_NAT_V4_MINIP), "first", 4),
    Octets(NETPLANE_ATTRIBUTE(CTA_NAT_V4_MAXIP), "last", 4),
    Nested(NETPLANE_ATTRIBUTE(CTA_NAT_PROTO), "ports", &kPortRangeSchema),
    Octets(NETPLANE_ATTRIBUTE(CTA_NAT_V6_MINIP), "first6", 16),
    Octets(NETPLANE_ATTRIBUTE(CTA_NAT_V6_MAXIP), "last6", 16),
};
constexpr Schema kNatSchema = {"NAT", kNatFields};

constexpr Field kDccpFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_DCCP_STATE), "state", FieldType::kU8),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_DCCP_ROLE), "role", FieldType::kU8),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ), "handshakeSequence", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_DCCP_PAD), "padding", FieldType::kIgnored),
};
constexpr Schema kDccpSchema = {"dccp", kDccpFields};

constexpr Field kTcpFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_TCP_STATE), "state", FieldType::kU8),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL), "originalWindowScale", FieldType::kU8),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_TCP_WSCALE_REPLY), "replyWindowScale", FieldType::kU8),
    Octets(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL), "originalFlags", 2),
    Octets(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_TCP_FLAGS_REPLY), "replyFlags", 2),
};
constexpr Schema kTcpSchema = {"tcp", kTcpFields};

constexpr Field kSctpFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_SCTP_STATE), "state", FieldType::kU8),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL), "originalTag", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_SCTP_VTAG_REPLY), "replyTag", FieldType::kU32),
};
constexpr Schema kSctpSchema = {"sctp", kSctpFields};

constexpr Field kProtocolInfoFields[] = {
    Nested(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_TCP), "tcp", &kTcpSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_DCCP), "dccp", &kDccpSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_PROTOINFO_SCTP), "sctp", &kSctpSchema),
};
constexpr Schema kProtocolInfoSchema = {"protocol information", kProtocolInfoFields};

constexpr Field kHelpFields[] = {
    Text(NETPLANE_ATTRIBUTE(CTA_HELP_NAME), "name", kHelperNameLength),
    {CTA_HELP_INFO, "CTA_HELP_INFO", "information", FieldType::kIgnored},
};
constexpr Schema kHelpSchema = {"helper", kHelpFields};

constexpr Field kCounterFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_COUNTERS_PACKETS), "packets", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(CTA_COUNTERS_BYTES), "bytes", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(CTA_COUNTERS_PAD), "padding", FieldType::kIgnored),
};
constexpr Schema kCounterSchema = {"counters", kCounterFields};

constexpr Field kTimestampFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMESTAMP_START), "start", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMESTAMP_STOP), "stop", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMESTAMP_PAD), "padding", FieldType::kIgnored),
};
constexpr Schema kTimestampSchema = {"time stamps", kTimestampFields};

constexpr Field kFilterFields[] = {
    {CTA_FILTER_ORIG_FLAGS, "CTA_FILTER_ORIG_FLAGS", "original", FieldType::kU32, kHost},
    {CTA_FILTER_REPLY_FLAGS, "CTA_FILTER_REPLY_FLAGS", "reply", FieldType::kU32, kHost},
};
constexpr Schema kFilterSchema = {"filter", kFilterFields};

constexpr Field Ignored(uint16_t attribute, const char* kernel_name, const Schema* schema = nullptr) {
  return {attribute, kernel_name, "", FieldType::kIgnored, kBig, kOutput, {}, schema};
}

constexpr Field kDetailFields[] = {
    Nested(NETPLANE_ATTRIBUTE(CTA_TUPLE_MASTER), "master", &kTupleSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_SEQ_ADJ_ORIG), "originalAdjustment", &kAdjustmentSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_SEQ_ADJ_REPLY), "replyAdjustment", &kAdjustmentSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_SYNPROXY), "synproxy", &kSynproxySchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_PROTOINFO), "protocolInformation", &kProtocolInfoSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_NAT_SRC), "sourceNat", &kNatSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_NAT_DST), "destinationNat", &kNatSchema),
    // Columns.
    Ignored(NETPLANE_ATTRIBUTE(CTA_TUPLE_ORIG)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_TUPLE_REPLY)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_STATUS)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_HELP)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_TIMEOUT)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_MARK)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_COUNTERS_ORIG)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_COUNTERS_REPLY)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_USE)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_ID)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_SECMARK)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_ZONE)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_SECCTX)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_TIMESTAMP)),
    Ignored(NETPLANE_ATTRIBUTE(CTA_LABELS)),
    Ignored(kTimestampEvent, "CTA_TIMESTAMP_EVENT"),
};

constexpr Field kFlowFields[] = {
    Nested(NETPLANE_ATTRIBUTE(CTA_TUPLE_ORIG), "original", &kTupleSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_TUPLE_REPLY), "reply", &kTupleSchema),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATUS), "status", FieldType::kU32),
    Nested(NETPLANE_ATTRIBUTE(CTA_PROTOINFO), "state", &kProtocolInfoSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_HELP), "helper", &kHelpSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_NAT_SRC), "sourceNat", &kNatSchema),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT), "timeoutSeconds", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_MARK), "mark", FieldType::kU32),
    Nested(NETPLANE_ATTRIBUTE(CTA_COUNTERS_ORIG), "originalCounters", &kCounterSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_COUNTERS_REPLY), "replyCounters", &kCounterSchema),
    Plain(NETPLANE_ATTRIBUTE(CTA_USE), "use", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_ID), "id", FieldType::kU32),
    Nested(NETPLANE_ATTRIBUTE(CTA_NAT_DST), "destinationNat", &kNatSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_TUPLE_MASTER), "master", &kTupleSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_SEQ_ADJ_ORIG), "originalAdjustment", &kAdjustmentSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_SEQ_ADJ_REPLY), "replyAdjustment", &kAdjustmentSchema),
    Plain(NETPLANE_ATTRIBUTE(CTA_ZONE), "zone", FieldType::kU16),
    Nested(NETPLANE_ATTRIBUTE(CTA_TIMESTAMP), "timestamp", &kTimestampSchema),
    Plain(NETPLANE_ATTRIBUTE(CTA_MARK_MASK), "markMask", FieldType::kU32),
    Octets(NETPLANE_ATTRIBUTE(CTA_LABELS), "labels", 16),
    Octets(NETPLANE_ATTRIBUTE(CTA_LABELS_MASK), "labelsMask", 16),
    Nested(NETPLANE_ATTRIBUTE(CTA_SYNPROXY), "synproxy", &kSynproxySchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_FILTER), "filter", &kFilterSchema),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATUS_MASK), "statusMask", FieldType::kU32),
    Plain(kTimestampEvent, "CTA_TIMESTAMP_EVENT", "eventTime", FieldType::kU64),
};

constexpr Field kExpectNatFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_EXPECT_NAT_DIR), "direction", FieldType::kU32),
    Nested(NETPLANE_ATTRIBUTE(CTA_EXPECT_NAT_TUPLE), "tuple", &kTupleSchema),
};
constexpr Schema kExpectNatSchema = {"NAT", kExpectNatFields};

// NF_CT_EXPECT_* of include/uapi/linux/netfilter/nf_conntrack_common.h.
constexpr NamedNumber kExpectFlags[] = {{"permanent", 1}, {"inactive", 2}, {"userspace", 4}};

constexpr Field kExpectationFields[] = {
    Nested(NETPLANE_ATTRIBUTE(CTA_EXPECT_MASTER), "master", &kTupleSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_EXPECT_TUPLE), "tuple", &kTupleSchema),
    Nested(NETPLANE_ATTRIBUTE(CTA_EXPECT_MASK), "mask", &kTupleSchema),
    Plain(NETPLANE_ATTRIBUTE(CTA_EXPECT_TIMEOUT), "timeoutSeconds", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_EXPECT_ID), "id", FieldType::kU32),
    Text(NETPLANE_ATTRIBUTE(CTA_EXPECT_HELP_NAME), "helper", kHelperNameLength),
    Plain(NETPLANE_ATTRIBUTE(CTA_EXPECT_ZONE), "zone", FieldType::kU16),
    {CTA_EXPECT_FLAGS, "CTA_EXPECT_FLAGS", "flags", FieldType::kFlags32, kBig, kOptional, kExpectFlags},
    Plain(NETPLANE_ATTRIBUTE(CTA_EXPECT_CLASS), "class", FieldType::kU32),
    Nested(NETPLANE_ATTRIBUTE(CTA_EXPECT_NAT), "nat", &kExpectNatSchema),
    {CTA_EXPECT_FN, "CTA_EXPECT_FN", "function", FieldType::kString, kBig, kOptional},
};

constexpr Field kProcessorStatisticsFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_SEARCHED), "searched", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_FOUND), "found", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_NEW), "new", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_INVALID), "invalid", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_IGNORE), "ignore", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_DELETE), "delete", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_DELETE_LIST), "deleteList", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_INSERT), "insert", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_INSERT_FAILED), "insertFailed", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_DROP), "drop", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_EARLY_DROP), "earlyDrop", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_ERROR), "error", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_SEARCH_RESTART), "searchRestart", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_CLASH_RESOLVE), "clashResolve", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_CHAIN_TOOLONG), "chainTooLong", FieldType::kU32),
};
constexpr Field kGlobalStatisticsFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_GLOBAL_ENTRIES), "entries", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_GLOBAL_MAX_ENTRIES), "maxEntries", FieldType::kU32),
};
constexpr Field kExpectationStatisticsFields[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_EXP_NEW), "new", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_EXP_CREATE), "create", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_STATS_EXP_DELETE), "delete", FieldType::kU32),
};

struct MessageRow {
  uint16_t type;
  const char* name;
  const Schema* schema;
};
#define NETPLANE_FLOW_MESSAGE(name) FlowMessage(name), #name
#define NETPLANE_EXPECT_MESSAGE(name) ExpectationMessage(name), #name
constexpr MessageRow kMessages[] = {
    {NETPLANE_FLOW_MESSAGE(IPCTNL_MSG_CT_NEW), &kFlowSchema},
    {NETPLANE_FLOW_MESSAGE(IPCTNL_MSG_CT_GET), &kFlowSchema},
    {NETPLANE_FLOW_MESSAGE(IPCTNL_MSG_CT_DELETE), &kFlowSchema},
    {NETPLANE_FLOW_MESSAGE(IPCTNL_MSG_CT_GET_CTRZERO), &kFlowSchema},
    {NETPLANE_FLOW_MESSAGE(IPCTNL_MSG_CT_GET_STATS_CPU), &kProcessorStatisticsSchema},
    {NETPLANE_FLOW_MESSAGE(IPCTNL_MSG_CT_GET_STATS), &kGlobalStatisticsSchema},
    {NETPLANE_FLOW_MESSAGE(IPCTNL_MSG_CT_GET_DYING), &kFlowSchema},
    {NETPLANE_FLOW_MESSAGE(IPCTNL_MSG_CT_GET_UNCONFIRMED), &kFlowSchema},
    {NETPLANE_EXPECT_MESSAGE(IPCTNL_MSG_EXP_NEW), &kExpectationSchema},
    {NETPLANE_EXPECT_MESSAGE(IPCTNL_MSG_EXP_GET), &kExpectationSchema},
    {NETPLANE_EXPECT_MESSAGE(IPCTNL_MSG_EXP_DELETE), &kExpectationSchema},
    {NETPLANE_EXPECT_MESSAGE(IPCTNL_MSG_EXP_GET_STATS_CPU), &kExpectationStatisticsSchema},
};
#undef NETPLANE_FLOW_MESSAGE
#undef NETPLANE_EXPECT_MESSAGE
#undef NETPLANE_ATTRIBUTE

}  // namespace

const Schema kDetailSchema = {"flow", kDetailFields};
const Schema kFlowSchema = {"flow", kFlowFields};
const Schema kExpectationSchema = {"expectation", kExpectationFields};
const Schema kProcessorStatisticsSchema = {"statistics", kProcessorStatisticsFields};
const Schema kGlobalStatisticsSchema = {"statistics", kGlobalStatisticsFields};
const Schema kExpectationStatisticsSchema = {"statistics", kExpectationStatisticsFields};

Error Named(Error error, const char* operation) {
  error.operation = operation;
  return error;
}

MessageDescription Describe(uint16_t type) {
  for (const MessageRow& row : kMessages) {
    if (row.type == type) return {row.name, sizeof(nfgenmsg), row.schema};
  }
  return {};
}

}  // namespace netplane::conntrack
