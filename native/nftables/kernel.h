// Constants of include/uapi/linux/netfilter/nf_tables.h (Linux 6.18) that older headers lack, and what the schemas share.
#ifndef NETPLANE_NFTABLES_KERNEL_H_
#define NETPLANE_NFTABLES_KERNEL_H_

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cstdint>

#include "netlink/schema.h"

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

/// nlmsg_type of a message of nf_tables.
constexpr uint16_t MessageType(uint8_t message) { return static_cast<uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | message); }

/// struct nfgenmsg: family, NFNETLINK_V0, resource id 0.
constexpr std::array<uint8_t, 4> FamilyHeader(uint8_t family) { return {family, 0, 0, 0}; }

// Short names for the tables in schema_*.cc.
constexpr ByteOrder kBig = ByteOrder::kBig;
constexpr ByteOrder kHost = ByteOrder::kHost;
constexpr Direction kOptional = Direction::kOptional;
constexpr Direction kRequired = Direction::kRequired;
constexpr Direction kOutput = Direction::kOutput;

/// An integer, flag, bytes or ignored field.
constexpr Field Plain(uint16_t attribute, const char* kernel_name, const char* name, FieldType type, Direction direction = kOptional) {
  return {attribute, kernel_name, name, type, kBig, direction};
}
/// A text of at most `max_length` bytes.
constexpr Field Text(uint16_t attribute, const char* kernel_name, const char* name, Direction direction = kOptional,
                     uint16_t max_length = kNameLength) {
  return {attribute, kernel_name, name, FieldType::kString, kBig, direction, {}, nullptr, 1, max_length};
}
/// An enumeration or flags.
constexpr Field Named(uint16_t attribute, const char* kernel_name, const char* name, FieldType type, std::span<const NamedNumber> names,
                      Direction direction = kOptional) {
  return {attribute, kernel_name, name, type, kBig, direction, names};
}
/// Something with a schema of its own.
constexpr Field Nested(uint16_t attribute, const char* kernel_name, const char* name, FieldType type, const Schema* nested,
                       Direction direction = kOptional) {
  return {attribute, kernel_name, name, type, kBig, direction, {}, nested};
}
/// NFTA_*_USERDATA.
constexpr Field Userdata(uint16_t attribute, const char* kernel_name) {
  return {attribute, kernel_name, "userdata", FieldType::kBytes, kBig, kOptional, {}, nullptr, 1, kUserdataLength};
}

/// `counter{bytes, packets}` of base chains and counter objects; both number their attributes alike.
extern const Schema kCounterSchema;
/// One element (NFTA_SET_ELEM_*), for traces and for locating errors: the names are those of the columns.
extern const Schema kElementSchema;

}  // namespace netplane::nftables

// An attribute by its kernel name: the number and the spelling.
#define NETPLANE_ATTRIBUTE(attribute) attribute, #attribute

#endif  // NETPLANE_NFTABLES_KERNEL_H_
