// Constants of include/uapi/linux/netfilter/nf_tables.h (Linux 6.18) that older headers lack, and what the schemas share.
#ifndef NETPLANE_NFTABLES_KERNEL_H_
#define NETPLANE_NFTABLES_KERNEL_H_

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cstdint>

#include "netlink/schema_fields.h"
#include "nftables/schemas.h"

namespace netplane::nftables {

// enum nf_tables_msg_types; the names of old headers end at NFT_MSG_DELFLOWTABLE.
constexpr uint8_t kGetRuleReset = 25;        // NFT_MSG_GETRULE_RESET, 6.2
constexpr uint8_t kDestroyTable = 26;        // NFT_MSG_DESTROYTABLE, 6.3
constexpr uint8_t kDestroyChain = 27;        // NFT_MSG_DESTROYCHAIN
constexpr uint8_t kDestroyRule = 28;         // NFT_MSG_DESTROYRULE
constexpr uint8_t kDestroySet = 29;          // NFT_MSG_DESTROYSET
constexpr uint8_t kDestroySetElement = 30;   // NFT_MSG_DESTROYSETELEM
constexpr uint8_t kDestroyObject = 31;       // NFT_MSG_DESTROYOBJ
constexpr uint8_t kDestroyFlowtable = 32;    // NFT_MSG_DESTROYFLOWTABLE
constexpr uint8_t kGetSetElementReset = 33;  // NFT_MSG_GETSETELEM_RESET, 6.5

constexpr int64_t kTableFlagPersist = 4;  // NFT_TABLE_F_PERSIST, 6.9
constexpr uint16_t kSetTypeName = 19;     // NFTA_SET_TYPE, reported by 6.18
constexpr uint16_t kSetCount = 20;        // NFTA_SET_COUNT, reported by 6.18

// Longest texts and bytes, texts without their NUL (NFT_NAME_MAXLEN, IFNAMSIZ, NF_LOG_PREFIXLEN, NFT_USERDATA_MAXLEN, struct nft_data).
constexpr uint16_t kNameLength = 255;
constexpr uint16_t kDeviceLength = 15;
constexpr uint16_t kLogPrefixLength = 127;
constexpr uint16_t kUserdataLength = 256;
constexpr uint16_t kDataLength = 16;
constexpr uint16_t kHelperNameLength = 15;         // NF_CT_HELPER_NAME_LEN
constexpr uint16_t kSecurityContextLength = 4096;  // NFT_SECMARK_CTX_MAXLEN

/// nlmsg_type of a message of nf_tables.
constexpr uint16_t MessageType(uint8_t message) { return static_cast<uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | message); }

/// struct nfgenmsg: family, NFNETLINK_V0, resource id 0.
constexpr std::array<uint8_t, 4> FamilyHeader(uint8_t family) { return {family, 0, 0, 0}; }

// Short names for the tables in schema_*.cc.
constexpr ByteOrder kBig = ByteOrder::kBig;
constexpr ByteOrder kHost = ByteOrder::kHost;

/// An expression, or a list of them.
constexpr Field Expressions(uint16_t attribute, const char* kernel_name, const char* name, FieldType type) {
  return Variant(attribute, kernel_name, name, type, &kExpressionVariants);
}
/// NFTA_*_USERDATA.
constexpr Field Userdata(uint16_t attribute, const char* kernel_name) {
  return Octets(attribute, kernel_name, "userdata", kUserdataLength);
}

/// `counter{bytes, packets}` of base chains and counter objects; both number their attributes alike.
extern const Schema kCounterSchema;
/// As expressions and as objects: these number their attributes alike, too.
extern const Schema kQuotaSchema;
extern const Schema kLimitSchema;
extern const Schema kConnlimitSchema;
extern const Schema kSynproxySchema;
/// One element (NFTA_SET_ELEM_*), for traces and for locating errors: the names are those of the columns.
extern const Schema kElementSchema;

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_KERNEL_H_
