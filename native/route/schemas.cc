#include "route/schemas.h"

#include <linux/if_link.h>

namespace netplane::route {
namespace {

constexpr ByteOrder kHost = ByteOrder::kHost;
constexpr Direction kOptional = Direction::kOptional;
constexpr Direction kOutput = Direction::kOutput;

// IFNAMSIZ, ALTIFNAMSIZ and IFALIASZ (include/uapi/linux/if.h, include/linux/netdevice.h), each less the terminating NUL.
constexpr uint16_t kLinkNameLength = 15;
constexpr uint16_t kAlternativeNameLength = 127;
constexpr uint16_t kAliasLength = 255;
constexpr uint16_t kHardwareAddressLength = 32;  // MAX_ADDR_LEN

// RFC 2863 states: IF_OPER_* of include/uapi/linux/if.h.
constexpr NamedNumber kOperationalStates[] = {{"unknown", 0}, {"not-present", 1}, {"down", 2}, {"lower-layer-down", 3},
                                              {"testing", 4}, {"dormant", 5},     {"up", 6}};

constexpr Field kLinkInfoFields[] = {
    {IFLA_INFO_KIND, "IFLA_INFO_KIND", "kind", FieldType::kString, kHost, kOptional, {}, nullptr, 1, 0},
    {IFLA_INFO_DATA, "IFLA_INFO_DATA", "data", FieldType::kIgnored},
    {IFLA_INFO_XSTATS, "IFLA_INFO_XSTATS", "statistics", FieldType::kIgnored},
    {IFLA_INFO_SLAVE_KIND, "IFLA_INFO_SLAVE_KIND", "slaveKind", FieldType::kString, kHost, kOutput},
    {IFLA_INFO_SLAVE_DATA, "IFLA_INFO_SLAVE_DATA", "slaveData", FieldType::kIgnored},
};
constexpr Schema kLinkInfoSchema = {"link information", kLinkInfoFields};

constexpr Field kLinkFields[] = {
    {IFLA_IFNAME, "IFLA_IFNAME", "name", FieldType::kString, kHost, kOptional, {}, nullptr, 1, kLinkNameLength},
    {IFLA_ALT_IFNAME, "IFLA_ALT_IFNAME", "alternativeName", FieldType::kString, kHost, kOptional, {}, nullptr, 1, kAlternativeNameLength},
    {IFLA_ADDRESS, "IFLA_ADDRESS", "hardwareAddress", FieldType::kBytes, kHost, kOptional, {}, nullptr, 1, kHardwareAddressLength},
    {IFLA_BROADCAST, "IFLA_BROADCAST", "hardwareBroadcast", FieldType::kBytes, kHost, kOutput},
    {IFLA_MTU, "IFLA_MTU", "mtu", FieldType::kU32, kHost},
    {IFLA_MIN_MTU, "IFLA_MIN_MTU", "minimumMtu", FieldType::kU32, kHost, kOutput},
    {IFLA_MAX_MTU, "IFLA_MAX_MTU", "maximumMtu", FieldType::kU32, kHost, kOutput},
    {IFLA_LINK, "IFLA_LINK", "lowerIndex", FieldType::kU32, kHost, kOutput},
    {IFLA_LINK_NETNSID, "IFLA_LINK_NETNSID", "lowerNamespaceId", FieldType::kS32, kHost, kOutput},
    {IFLA_MASTER, "IFLA_MASTER", "masterIndex", FieldType::kU32, kHost, kOutput},
    {IFLA_QDISC, "IFLA_QDISC", "qdisc", FieldType::kString, kHost, kOutput},
    {IFLA_TXQLEN, "IFLA_TXQLEN", "transmitQueueLength", FieldType::kU32, kHost, kOutput},
    {IFLA_OPERSTATE, "IFLA_OPERSTATE", "operationalState", FieldType::kEnum8, kHost, kOutput, kOperationalStates},
    {IFLA_CARRIER, "IFLA_CARRIER", "carrier", FieldType::kU8, kHost, kOutput},
    {IFLA_GROUP, "IFLA_GROUP", "group", FieldType::kU32, kHost, kOutput},
    {IFLA_IFALIAS, "IFLA_IFALIAS", "alias", FieldType::kString, kHost, kOptional, {}, nullptr, 1, kAliasLength},
    {IFLA_LINKINFO, "IFLA_LINKINFO", "info", FieldType::kNested, kHost, kOptional, {}, &kLinkInfoSchema},
    {IFLA_PROP_LIST, "IFLA_PROP_LIST", "alternativeNames", FieldType::kStringList, kHost, kOutput, {}, nullptr, IFLA_ALT_IFNAME},
    {IFLA_PERM_ADDRESS, "IFLA_PERM_ADDRESS", "permanentHardwareAddress", FieldType::kBytes, kHost, kOutput},
    {IFLA_EXT_MASK, "IFLA_EXT_MASK", "extensionMask", FieldType::kU32, kHost},
    {IFLA_STATS, "IFLA_STATS", "statistics", FieldType::kIgnored},
    {IFLA_STATS64, "IFLA_STATS64", "statistics64", FieldType::kIgnored},
    {IFLA_MAP, "IFLA_MAP", "map", FieldType::kIgnored},
    {IFLA_AF_SPEC, "IFLA_AF_SPEC", "familySettings", FieldType::kIgnored},
    {IFLA_XDP, "IFLA_XDP", "xdp", FieldType::kIgnored},
};

constexpr Field kAddressFields[] = {
    {IFA_ADDRESS, "IFA_ADDRESS", "address", FieldType::kBytes, kHost},
    {IFA_LOCAL, "IFA_LOCAL", "address", FieldType::kBytes, kHost},
    {IFA_LABEL, "IFA_LABEL", "label", FieldType::kString, kHost, kOptional, {}, nullptr, 1, kLinkNameLength},
    {IFA_BROADCAST, "IFA_BROADCAST", "broadcast", FieldType::kBytes, kHost},
    {IFA_ANYCAST, "IFA_ANYCAST", "anycast", FieldType::kBytes, kHost, kOutput},
    {IFA_CACHEINFO, "IFA_CACHEINFO", "lifetimes", FieldType::kBytes, kHost},
    {IFA_MULTICAST, "IFA_MULTICAST", "multicast", FieldType::kBytes, kHost, kOutput},
    {IFA_FLAGS, "IFA_FLAGS", "flags", FieldType::kU32, kHost},
    {IFA_RT_PRIORITY, "IFA_RT_PRIORITY", "routePriority", FieldType::kU32, kHost},
    {IFA_TARGET_NETNSID, "IFA_TARGET_NETNSID", "targetNamespaceId", FieldType::kS32, kHost},
    {kIfaProto, "IFA_PROTO", "protocol", FieldType::kU8, kHost},
};

}  // namespace

const Schema kLinkSchema = {"link", kLinkFields};
const Schema kAddressSchema = {"address", kAddressFields};

Error Named(Error error, const char* operation) {
  error.operation = operation;
  return error;
}

MessageDescription Describe(uint16_t type) {
  static constexpr struct {
    uint16_t type;
    const char* name;
  } kNames[] = {{RTM_NEWLINK, "RTM_NEWLINK"}, {RTM_DELLINK, "RTM_DELLINK"}, {RTM_GETLINK, "RTM_GETLINK"}, {RTM_SETLINK, "RTM_SETLINK"},
                {RTM_NEWADDR, "RTM_NEWADDR"}, {RTM_DELADDR, "RTM_DELADDR"}, {RTM_GETADDR, "RTM_GETADDR"}};
  for (const auto& known : kNames) {
    if (known.type != type) continue;
    if (type >= RTM_NEWADDR) return {known.name, sizeof(ifaddrmsg), &kAddressSchema};
    return {known.name, sizeof(ifinfomsg), &kLinkSchema};
  }
  return {};
}

}  // namespace netplane::route
