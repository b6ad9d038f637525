#include "nftables/kernel.h"
#include "nftables/schemas.h"

namespace netplane::nftables {
namespace {

constexpr Condition kIsCounter = {NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER};

constexpr Field kObjectFields[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_OBJ_TABLE), "table", kNameLength, kRequired),
    Text(NETPLANE_ATTRIBUTE(NFTA_OBJ_NAME), "name", kNameLength),
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJ_TYPE), "objectType", FieldType::kU32),
    {NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "counter", FieldType::kNested, kBig, kOptional, {}, &kCounterSchema, 1, 0, &kIsCounter},
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "data", FieldType::kBytes),
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJ_USE), "use", FieldType::kU32, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJ_HANDLE), "handle", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJ_PAD), "padding", FieldType::kIgnored),
    Userdata(NETPLANE_ATTRIBUTE(NFTA_OBJ_USERDATA)),
};

}  // namespace

constinit const Schema kObjectSchema = {"object", kObjectFields};

}  // namespace netplane::nftables
