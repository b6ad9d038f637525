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

constinit const VariantTable kExpressionVariants = {kExpressionPointers, AmendExpression};

}  // namespace netplane::nftables
