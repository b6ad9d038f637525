// Expressions as in src/nftables/expressions.ts, in the order of their attributes. Integers are big-endian.
#include "nftables/amendments.h"
#include "nftables/expression_names.h"
#include "nftables/kernel.h"
#include "nftables/schemas.h"

namespace netplane::nftables {
namespace {

constexpr FieldType kU32 = FieldType::kU32;
constexpr FieldType kU64 = FieldType::kU64;
constexpr FieldType kEnum32 = FieldType::kEnum32;
constexpr FieldType kFlags32 = FieldType::kFlags32;

constexpr Field DataField(uint16_t attribute, const char* kernel_name, const char* name, FieldType type, Direction direction = kOptional) {
  return {attribute, kernel_name, name, type, kBig, direction, {}, &kVerdictSchema, 1, kDataLength};
}

constexpr Field kImmediate[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_IMMEDIATE_DREG), "destinationRegister", kU32, kRequired),
    DataField(NETPLANE_ATTRIBUTE(NFTA_IMMEDIATE_DATA), "data", FieldType::kData, kRequired),
};
constexpr Field kCompare[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_CMP_SREG), "sourceRegister", kU32, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_CMP_OP), "op", kEnum32, kCompareOperators, kRequired),
    DataField(NETPLANE_ATTRIBUTE(NFTA_CMP_DATA), "data", FieldType::kDataBytes, kRequired),
};
constexpr Field kRange[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_RANGE_SREG), "sourceRegister", kU32, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_RANGE_OP), "op", kEnum32, kRangeOperators, kRequired),
    DataField(NETPLANE_ATTRIBUTE(NFTA_RANGE_FROM_DATA), "from", FieldType::kDataBytes, kRequired),
    DataField(NETPLANE_ATTRIBUTE(NFTA_RANGE_TO_DATA), "to", FieldType::kDataBytes, kRequired),
};
constexpr Field kBitwise[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_BITWISE_SREG), "sourceRegister", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_BITWISE_DREG), "destinationRegister", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_BITWISE_LEN), "length", kU32, kRequired),
    DataField(NETPLANE_ATTRIBUTE(NFTA_BITWISE_MASK), "mask", FieldType::kDataBytes),
    DataField(NETPLANE_ATTRIBUTE(NFTA_BITWISE_XOR), "xor", FieldType::kDataBytes),
    Named(NETPLANE_ATTRIBUTE(NFTA_BITWISE_OP), "op", kEnum32, kBitwiseOperations),
    DataField(NETPLANE_ATTRIBUTE(NFTA_BITWISE_DATA), "data", FieldType::kDataBytes),
    Plain(8, "NFTA_BITWISE_SREG2", "sourceRegister2", kU32),  // 6.13
};
constexpr Field kByteorder[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_BYTEORDER_SREG), "sourceRegister", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_BYTEORDER_DREG), "destinationRegister", kU32, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_BYTEORDER_OP), "op", kEnum32, kByteorderOperations, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_BYTEORDER_LEN), "length", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_BYTEORDER_SIZE), "size", kU32, kRequired),
};
constexpr Field kPayload[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_PAYLOAD_DREG), "destinationRegister", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_PAYLOAD_BASE), "base", kEnum32, kPayloadBases, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_PAYLOAD_OFFSET), "offset", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_PAYLOAD_LEN), "length", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_PAYLOAD_SREG), "sourceRegister", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_PAYLOAD_CSUM_TYPE), "checksumType", kEnum32, kChecksumTypes),
    Plain(NETPLANE_ATTRIBUTE(NFTA_PAYLOAD_CSUM_OFFSET), "checksumOffset", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_PAYLOAD_CSUM_FLAGS), "checksumFlags", kU32),
};
constexpr Field kMeta[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_META_DREG), "destinationRegister", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_META_KEY), "key", kEnum32, kMetaKeys, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_META_SREG), "sourceRegister", kU32),
};
constexpr Field kConntrack[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_CT_DREG), "destinationRegister", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_CT_KEY), "key", kEnum32, kConntrackKeys, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_CT_DIRECTION), "direction", FieldType::kEnum8, kDirections),
    Plain(NETPLANE_ATTRIBUTE(NFTA_CT_SREG), "sourceRegister", kU32),
};
constexpr Field kLookup[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_LOOKUP_SET), "set", kNameLength, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LOOKUP_SREG), "sourceRegister", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LOOKUP_DREG), "destinationRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LOOKUP_SET_ID), "setId", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_LOOKUP_FLAGS), "flags", kFlags32, kInverted),
};
constexpr Field kCounter[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_COUNTER_BYTES), "bytes", kU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_COUNTER_PACKETS), "packets", kU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_COUNTER_PAD), "padding", FieldType::kIgnored),
};
constexpr Field kNat[] = {
    Named(NETPLANE_ATTRIBUTE(NFTA_NAT_TYPE), "nat", kEnum32, kNatTypes, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_NAT_FAMILY), "family", kEnum32, kNatFamilies, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_NAT_REG_ADDR_MIN), "addressMinRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_NAT_REG_ADDR_MAX), "addressMaxRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_NAT_REG_PROTO_MIN), "protoMinRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_NAT_REG_PROTO_MAX), "protoMaxRegister", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_NAT_FLAGS), "flags", kFlags32, kNatFlags),
};
constexpr Field kMasquerade[] = {
    Named(NETPLANE_ATTRIBUTE(NFTA_MASQ_FLAGS), "flags", kFlags32, kNatFlags),
    Plain(NETPLANE_ATTRIBUTE(NFTA_MASQ_REG_PROTO_MIN), "protoMinRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_MASQ_REG_PROTO_MAX), "protoMaxRegister", kU32),
};
constexpr Field kRedirect[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_REDIR_REG_PROTO_MIN), "protoMinRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_REDIR_REG_PROTO_MAX), "protoMaxRegister", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_REDIR_FLAGS), "flags", kFlags32, kNatFlags),
};
constexpr Field kNumgen[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_NG_DREG), "destinationRegister", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_NG_MODULUS), "modulus", kU32, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_NG_TYPE), "mode", kEnum32, kNumgenModes, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_NG_OFFSET), "offset", kU32),
};
constexpr Field kHash[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_HASH_SREG), "sourceRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_HASH_DREG), "destinationRegister", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_HASH_LEN), "length", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_HASH_MODULUS), "modulus", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_HASH_SEED), "seed", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_HASH_OFFSET), "offset", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_HASH_TYPE), "mode", kEnum32, kHashModes),
};
constexpr Field kFib[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_FIB_DREG), "destinationRegister", kU32, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_FIB_RESULT), "result", kEnum32, kFibResults, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_FIB_FLAGS), "flags", kFlags32, kFibFlags, kRequired),
};
constexpr Field kReject[] = {
    Named(NETPLANE_ATTRIBUTE(NFTA_REJECT_TYPE), "with", kEnum32, kRejectTypes, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_REJECT_ICMP_CODE), "icmpCode", FieldType::kU8),
};
constexpr Field kDynset[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_DYNSET_SET_NAME), "set", kNameLength, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_DYNSET_SET_ID), "setId", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_DYNSET_OP), "op", kEnum32, kDynsetOperations, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_DYNSET_SREG_KEY), "keyRegister", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_DYNSET_SREG_DATA), "dataRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_DYNSET_TIMEOUT), "timeoutMs", FieldType::kSafeU64),
    Expressions(NETPLANE_ATTRIBUTE(NFTA_DYNSET_EXPR), "expression", FieldType::kVariant),
    Plain(NETPLANE_ATTRIBUTE(NFTA_DYNSET_PAD), "padding", FieldType::kIgnored),
    Named(NETPLANE_ATTRIBUTE(NFTA_DYNSET_FLAGS), "flags", kFlags32, kDynsetFlags),
    Expressions(NETPLANE_ATTRIBUTE(NFTA_DYNSET_EXPRESSIONS), "expressions", FieldType::kVariantList),
};
constexpr Field kObjectReference[] = {
    Named(NETPLANE_ATTRIBUTE(NFTA_OBJREF_IMM_TYPE), "objectType", kEnum32, kObjectTypes),
    Text(NETPLANE_ATTRIBUTE(NFTA_OBJREF_IMM_NAME), "name", kNameLength),
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJREF_SET_SREG), "setSourceRegister", kU32),
    Text(NETPLANE_ATTRIBUTE(NFTA_OBJREF_SET_NAME), "set", kNameLength),
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJREF_SET_ID), "setId", kU32),
};
constexpr Field kLimit[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_LIMIT_RATE), "rate", kU64, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LIMIT_UNIT), "unitSeconds", kU64, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LIMIT_BURST), "burst", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_LIMIT_TYPE), "mode", kEnum32, kLimitModes),
    Named(NETPLANE_ATTRIBUTE(NFTA_LIMIT_FLAGS), "flags", kFlags32, kInverted),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LIMIT_PAD), "padding", FieldType::kIgnored),
};
constexpr Field kQuota[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_QUOTA_BYTES), "bytes", kU64, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_QUOTA_FLAGS), "flags", kFlags32, kQuotaFlags),
    Plain(NETPLANE_ATTRIBUTE(NFTA_QUOTA_PAD), "padding", FieldType::kIgnored),
    Plain(NETPLANE_ATTRIBUTE(NFTA_QUOTA_CONSUMED), "consumed", kU64),
};
constexpr Field kConnlimit[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_CONNLIMIT_COUNT), "count", kU32, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_CONNLIMIT_FLAGS), "flags", kFlags32, kInverted),
};
constexpr Field kLog[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_LOG_GROUP), "group", FieldType::kU16),
    Text(NETPLANE_ATTRIBUTE(NFTA_LOG_PREFIX), "prefix", kLogPrefixLength),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LOG_SNAPLEN), "snapLength", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LOG_QTHRESHOLD), "queueThreshold", FieldType::kU16),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LOG_LEVEL), "level", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LOG_FLAGS), "flags", kU32),
};
constexpr Field kFlowOffload[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_FLOW_TABLE_NAME), "flowtable", kNameLength, kRequired),
};
constexpr Field kExtensionHeader[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_EXTHDR_DREG), "destinationRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_EXTHDR_TYPE), "header", FieldType::kU8, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_EXTHDR_OFFSET), "offset", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_EXTHDR_LEN), "length", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_EXTHDR_FLAGS), "flags", kFlags32, kExtensionHeaderFlags),
    Named(NETPLANE_ATTRIBUTE(NFTA_EXTHDR_OP), "op", kEnum32, kExtensionHeaderOperations),
    Plain(NETPLANE_ATTRIBUTE(NFTA_EXTHDR_SREG), "sourceRegister", kU32),
};
constexpr Field kSocket[] = {
    Named(NETPLANE_ATTRIBUTE(NFTA_SOCKET_KEY), "key", kEnum32, kSocketKeys, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SOCKET_DREG), "destinationRegister", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SOCKET_LEVEL), "level", kU32),
};
constexpr Field kTransparentProxy[] = {
    Named(NETPLANE_ATTRIBUTE(NFTA_TPROXY_FAMILY), "family", kEnum32, kProxyFamilies, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TPROXY_REG_ADDR), "addressRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TPROXY_REG_PORT), "portRegister", kU32),
};
constexpr Field kQueue[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_QUEUE_NUM), "number", FieldType::kU16),
    Plain(NETPLANE_ATTRIBUTE(NFTA_QUEUE_TOTAL), "total", FieldType::kU16),
    Named(NETPLANE_ATTRIBUTE(NFTA_QUEUE_FLAGS), "flags", FieldType::kFlags16, kQueueFlags),
    Plain(NETPLANE_ATTRIBUTE(NFTA_QUEUE_SREG_QNUM), "numberRegister", kU32),
};
constexpr Field kSynproxy[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_SYNPROXY_MSS), "mss", FieldType::kU16),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SYNPROXY_WSCALE), "windowScale", FieldType::kU8),
    Named(NETPLANE_ATTRIBUTE(NFTA_SYNPROXY_FLAGS), "flags", kFlags32, kSynproxyFlags),
};
constexpr Field kDuplicate[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_DUP_SREG_ADDR), "addressRegister", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_DUP_SREG_DEV), "deviceRegister", kU32),
};
constexpr Field kForward[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_FWD_SREG_DEV), "deviceRegister", kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_FWD_SREG_ADDR), "addressRegister", kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_FWD_NFPROTO), "family", kEnum32, kNatFamilies),
};
constexpr Field kTransformation[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_XFRM_DREG), "destinationRegister", kU32, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_XFRM_KEY), "key", kEnum32, kTransformationKeys, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_XFRM_DIR), "direction", FieldType::kEnum8, kTransformationDirections, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_XFRM_SPNUM), "spnum", kU32),
};
constexpr Field kFingerprint[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_OSF_DREG), "destinationRegister", kU32, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_OSF_TTL), "ttl", FieldType::kEnum8, kFingerprintTtl),
    Named(NETPLANE_ATTRIBUTE(NFTA_OSF_FLAGS), "flags", kFlags32, kFingerprintFlags),
};
constexpr Field kRouting[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_RT_DREG), "destinationRegister", kU32, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_RT_KEY), "key", kEnum32, kRoutingKeys, kRequired),
};
constexpr Field kTunnel[] = {
    Named(NETPLANE_ATTRIBUTE(NFTA_TUNNEL_KEY), "key", kEnum32, kTunnelKeys, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TUNNEL_DREG), "destinationRegister", kU32, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_TUNNEL_MODE), "mode", kEnum32, kTunnelModes),
};
constexpr Field kLast[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_LAST_SET), "isSet", kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LAST_MSECS), "agoMs", FieldType::kSafeU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_LAST_PAD), "padding", FieldType::kIgnored),
};
// enum nft_inner_attributes, 6.2.
constexpr Field kInner[] = {
    Plain(1, "NFTA_INNER_NUM", "number", kU32, kRequired),
    Named(2, "NFTA_INNER_TYPE", "tunnel", kEnum32, kInnerTunnels, kRequired),
    Named(3, "NFTA_INNER_FLAGS", "flags", kFlags32, kInnerFlags, kRequired),
    Plain(4, "NFTA_INNER_HDRSIZE", "headerSize", kU32, kRequired),
    Expressions(5, "NFTA_INNER_EXPR", "expression", FieldType::kVariant),
};

constexpr Schema kNamedSchemas[] = {
    {"immediate", kImmediate},
    {"cmp", kCompare},
    {"range", kRange},
    {"bitwise", kBitwise},
    {"byteorder", kByteorder},
    {"payload", kPayload},
    {"meta", kMeta},
    {"ct", kConntrack},
    {"lookup", kLookup},
    {"counter", kCounter},
    {"nat", kNat},
    {"masq", kMasquerade},
    {"redir", kRedirect},
    {"numgen", kNumgen},
    {"hash", kHash},
    {"fib", kFib},
    {"reject", kReject},
    {"dynset", kDynset},
    {"objref", kObjectReference},
    {"limit", kLimit},
    {"quota", kQuota},
    {"connlimit", kConnlimit},
    {"log", kLog},
    {"notrack", {}},
    {"flow_offload", kFlowOffload},
    {"exthdr", kExtensionHeader},
    {"socket", kSocket},
    {"tproxy", kTransparentProxy},
    {"queue", kQueue},
    {"synproxy", kSynproxy},
    {"dup", kDuplicate},
    {"fwd", kForward},
    {"xfrm", kTransformation},
    {"osf", kFingerprint},
    {"rt", kRouting},
    {"tunnel", kTunnel},
    {"last", kLast},
    {"inner", kInner},
};

constexpr auto kExpressions = [] {
  std::array<Schema, std::size(kNamedSchemas)> schemas{};
  std::copy(std::begin(kNamedSchemas), std::end(kNamedSchemas), schemas.begin());
  for (Schema& schema : schemas) schema.is_variant = true;
  return schemas;
}();

constexpr auto kExpressionPointers = [] {
  std::array<const Schema*, std::size(kExpressions)> pointers{};
  for (size_t i = 0; i < pointers.size(); ++i) pointers[i] = &kExpressions[i];
  return pointers;
}();

}  // namespace

constinit const Schema kQuotaSchema = {"quota", kQuota};
constinit const Schema kLimitSchema = {"limit", kLimit};
constinit const Schema kConnlimitSchema = {"connlimit", kConnlimit};
constinit const Schema kSynproxySchema = {"synproxy", kSynproxy};

constinit const VariantTable kExpressionVariants = {kExpressionPointers, AmendExpression};

}  // namespace netplane::nftables
