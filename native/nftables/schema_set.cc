#include "nftables/kernel.h"
#include "nftables/schemas.h"

namespace netplane::nftables {
namespace {

constexpr NamedNumber kSetFlags[] = {
    {"anonymous", NFT_SET_ANONYMOUS}, {"constant", NFT_SET_CONSTANT}, {"interval", NFT_SET_INTERVAL}, {"map", NFT_SET_MAP},
    {"timeout", NFT_SET_TIMEOUT},     {"eval", NFT_SET_EVAL},         {"object", NFT_SET_OBJECT},     {"concat", NFT_SET_CONCAT},
    {"expression", NFT_SET_EXPR},
};
constexpr NamedNumber kSetPolicies[] = {{"performance", NFT_SET_POL_PERFORMANCE}, {"memory", NFT_SET_POL_MEMORY}};
constexpr NamedNumber kElementFlags[] = {{"interval-end", NFT_SET_ELEM_INTERVAL_END}, {"catchall", NFT_SET_ELEM_CATCHALL}};

constexpr Field kSetFieldFields[] = {Plain(NETPLANE_ATTRIBUTE(NFTA_SET_FIELD_LEN), "length", FieldType::kU32, kRequired)};
constexpr Schema kSetFieldSchema = {"field", kSetFieldFields};

constexpr Field kDescriptionFields[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_DESC_SIZE), "size", FieldType::kU32),
    Nested(NETPLANE_ATTRIBUTE(NFTA_SET_DESC_CONCAT), "fields", FieldType::kList, &kSetFieldSchema),
};
constexpr Schema kDescriptionSchema = {"description", kDescriptionFields};

constexpr Field kSetFields[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_SET_TABLE), "table", kNameLength, kRequired),
    Text(NETPLANE_ATTRIBUTE(NFTA_SET_NAME), "name", kNameLength),
    Named(NETPLANE_ATTRIBUTE(NFTA_SET_FLAGS), "flags", FieldType::kFlags32, kSetFlags),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_KEY_TYPE), "keyType", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_KEY_LEN), "keyLength", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_DATA_TYPE), "dataType", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_DATA_LEN), "dataLength", FieldType::kU32),
    Named(NETPLANE_ATTRIBUTE(NFTA_SET_POLICY), "policy", FieldType::kEnum32, kSetPolicies),
    Nested(NETPLANE_ATTRIBUTE(NFTA_SET_DESC), "description", FieldType::kNested, &kDescriptionSchema),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_ID), "id", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_TIMEOUT), "timeoutMs", FieldType::kSafeU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_GC_INTERVAL), "gcIntervalMs", FieldType::kU32),
    Userdata(NETPLANE_ATTRIBUTE(NFTA_SET_USERDATA)),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_PAD), "padding", FieldType::kIgnored),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_OBJ_TYPE), "objectType", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_HANDLE), "handle", FieldType::kU64),
    Expressions(NETPLANE_ATTRIBUTE(NFTA_SET_EXPR), "expression", FieldType::kVariant),
    Expressions(NETPLANE_ATTRIBUTE(NFTA_SET_EXPRESSIONS), "expressions", FieldType::kVariantList),
    Text(kSetTypeName, "NFTA_SET_TYPE", "typeName", kNameLength, kOutput),
    Plain(kSetCount, "NFTA_SET_COUNT", "count", FieldType::kU32, kOutput),
};

constexpr Field kElementFields[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_KEY), "key", FieldType::kDataBytes),
    Nested(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_DATA), "data", FieldType::kData, &kVerdictSchema),
    Named(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_FLAGS), "flags", FieldType::kFlags32, kElementFlags),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_TIMEOUT), "timeoutMs", FieldType::kSafeU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_EXPIRATION), "expirationMs", FieldType::kSafeU64),
    Userdata(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_USERDATA)),
    Expressions(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_EXPR), "counter", FieldType::kVariant),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_PAD), "padding", FieldType::kIgnored),
    Text(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_OBJREF), "objectReference", kNameLength),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_KEY_END), "keyEnd", FieldType::kDataBytes),
    Expressions(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_EXPRESSIONS), "expressions", FieldType::kVariantList),
};

constexpr Field kElementListFields[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_LIST_TABLE), "table", kNameLength, kRequired),
    Text(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_LIST_SET), "set", kNameLength, kRequired),
    Nested(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_LIST_ELEMENTS), "elements", FieldType::kIgnored, &kElementSchema),
    Plain(NETPLANE_ATTRIBUTE(NFTA_SET_ELEM_LIST_SET_ID), "setId", FieldType::kU32),
};

}  // namespace

constinit const Schema kSetSchema = {"set", kSetFields};
constinit const Schema kElementSchema = {"element", kElementFields};
constinit const Schema kElementListSchema = {"elements", kElementListFields};

}  // namespace netplane::nftables
