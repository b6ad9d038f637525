#include "nftables/kernel.h"
#include "nftables/schemas.h"

namespace netplane::nftables {
namespace {

constexpr uint16_t kDeviceName = 1;  // NFTA_DEVICE_NAME, 5.5

constexpr NamedNumber kPolicies[] = {{"drop", 0}, {"accept", 1}};
constexpr NamedNumber kChainFlags[] = {{"base", NFT_CHAIN_BASE}, {"hw-offload", NFT_CHAIN_HW_OFFLOAD}, {"binding", NFT_CHAIN_BINDING}};
constexpr NamedNumber kFlowtableFlags[] = {{"hw-offload", 1}, {"counter", 2}};

constexpr Field Devices(uint16_t attribute, const char* kernel_name) {
  return {attribute, kernel_name, "devices", FieldType::kStringList, kBig, kOptional, {}, nullptr, kDeviceName, kDeviceLength};
}

constexpr Field kHookFields[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_HOOK_HOOKNUM), "hook", FieldType::kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_HOOK_PRIORITY), "priority", FieldType::kS32, kRequired),
    Text(NETPLANE_ATTRIBUTE(NFTA_HOOK_DEV), "device", kDeviceLength),
    Devices(NETPLANE_ATTRIBUTE(NFTA_HOOK_DEVS)),
};
constexpr Schema kHookSchema = {"hook", kHookFields};

constexpr Field kCounterFields[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_COUNTER_BYTES), "bytes", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_COUNTER_PACKETS), "packets", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_COUNTER_PAD), "padding", FieldType::kIgnored),
};

constexpr Field kChainFields[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_CHAIN_TABLE), "table", kNameLength, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_CHAIN_HANDLE), "handle", FieldType::kU64),
    Text(NETPLANE_ATTRIBUTE(NFTA_CHAIN_NAME), "name", kNameLength),
    Nested(NETPLANE_ATTRIBUTE(NFTA_CHAIN_HOOK), "hook", FieldType::kNested, &kHookSchema),
    Named(NETPLANE_ATTRIBUTE(NFTA_CHAIN_POLICY), "policy", FieldType::kEnum32, kPolicies),
    Plain(NETPLANE_ATTRIBUTE(NFTA_CHAIN_USE), "use", FieldType::kU32, kOutput),
    Text(NETPLANE_ATTRIBUTE(NFTA_CHAIN_TYPE), "chainType", kNameLength),
    Nested(NETPLANE_ATTRIBUTE(NFTA_CHAIN_COUNTERS), "counters", FieldType::kNested, &kCounterSchema),
    Plain(NETPLANE_ATTRIBUTE(NFTA_CHAIN_PAD), "padding", FieldType::kIgnored),
    Named(NETPLANE_ATTRIBUTE(NFTA_CHAIN_FLAGS), "flags", FieldType::kFlags32, kChainFlags),
    Plain(NETPLANE_ATTRIBUTE(NFTA_CHAIN_ID), "id", FieldType::kU32),
    Userdata(NETPLANE_ATTRIBUTE(NFTA_CHAIN_USERDATA)),
};

constexpr Field kFlowtableHookFields[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_FLOWTABLE_HOOK_NUM), "hook", FieldType::kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_FLOWTABLE_HOOK_PRIORITY), "priority", FieldType::kS32, kRequired),
    Devices(NETPLANE_ATTRIBUTE(NFTA_FLOWTABLE_HOOK_DEVS)),
};
constexpr Schema kFlowtableHookSchema = {"hook", kFlowtableHookFields};

constexpr Field kFlowtableFields[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_FLOWTABLE_TABLE), "table", kNameLength, kRequired),
    Text(NETPLANE_ATTRIBUTE(NFTA_FLOWTABLE_NAME), "name", kNameLength),
    Nested(NETPLANE_ATTRIBUTE(NFTA_FLOWTABLE_HOOK), "hook", FieldType::kNested, &kFlowtableHookSchema),
    Plain(NETPLANE_ATTRIBUTE(NFTA_FLOWTABLE_USE), "use", FieldType::kU32, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_FLOWTABLE_HANDLE), "handle", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_FLOWTABLE_PAD), "padding", FieldType::kIgnored),
    Named(NETPLANE_ATTRIBUTE(NFTA_FLOWTABLE_FLAGS), "flags", FieldType::kFlags32, kFlowtableFlags),
};

}  // namespace

constinit const Schema kCounterSchema = {"counter", kCounterFields};
constinit const Schema kChainSchema = {"chain", kChainFields};
constinit const Schema kFlowtableSchema = {"flowtable", kFlowtableFields};

}  // namespace netplane::nftables
