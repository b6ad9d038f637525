#include "nftables/kernel.h"
#include "nftables/schemas.h"

namespace netplane::nftables {
namespace {

constexpr NamedNumber kTableFlags[] = {{"dormant", NFT_TABLE_F_DORMANT}, {"owner", NFT_TABLE_F_OWNER}, {"persist", kTableFlagPersist}};

constexpr Field kTableFields[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_TABLE_NAME), "name", kNameLength),
    Named(NETPLANE_ATTRIBUTE(NFTA_TABLE_FLAGS), "flags", FieldType::kFlags32, kTableFlags),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TABLE_USE), "use", FieldType::kU32, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TABLE_HANDLE), "handle", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TABLE_PAD), "padding", FieldType::kIgnored),
    Userdata(NETPLANE_ATTRIBUTE(NFTA_TABLE_USERDATA)),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TABLE_OWNER), "owner", FieldType::kU32, kOutput),
};

constexpr Field kGenerationFields[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_GEN_ID), "id", FieldType::kU32, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_GEN_PROC_PID), "processId", FieldType::kU32, kOutput),
    Text(NETPLANE_ATTRIBUTE(NFTA_GEN_PROC_NAME), "processName", kNameLength, kOutput),
};

}  // namespace

constinit const Schema kTableSchema = {"table", kTableFields};
constinit const Schema kGenerationSchema = {"generation", kGenerationFields};

}  // namespace netplane::nftables
