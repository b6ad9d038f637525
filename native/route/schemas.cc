#include "route/schemas.h"

#include <linux/if_link.h>
#include <sys/socket.h>

#include "netlink/schema_fields.h"

namespace netplane::route {
namespace {

// IFNAMSIZ, ALTIFNAMSIZ and IFALIASZ (include/uapi/linux/if.h, include/linux/netdevice.h), each less the terminating NUL.
constexpr uint16_t kLinkNameLength = 15;
constexpr uint16_t kAlternativeNameLength = 127;
constexpr uint16_t kAliasLength = 255;
constexpr uint16_t kHardwareAddressLength = 32;  // MAX_ADDR_LEN

// RFC 2863 states: IF_OPER_* of include/uapi/linux/if.h.
constexpr NamedNumber kOperationalStates[] = {{"unknown", 0}, {"not-present", 1}, {"down", 2}, {"lower-layer-down", 3},
                                              {"testing", 4}, {"dormant", 5},     {"up", 6}};

constexpr Field kLinkInfoFields[] = {
    Plain(NETPLANE_ATTRIBUTE(IFLA_INFO_KIND), "kind", FieldType::kString),
    Plain(NETPLANE_ATTRIBUTE(IFLA_INFO_DATA), "data", FieldType::kIgnored),
    Plain(NETPLANE_ATTRIBUTE(IFLA_INFO_XSTATS), "statistics", FieldType::kIgnored),
    Plain(NETPLANE_ATTRIBUTE(IFLA_INFO_SLAVE_KIND), "slaveKind", FieldType::kString, kOutput),
    Plain(NETPLANE_ATTRIBUTE(IFLA_INFO_SLAVE_DATA), "slaveData", FieldType::kIgnored),
};
constexpr Schema kLinkInfoSchema = {"link information", kLinkInfoFields};

constexpr Field kLinkFields[] = {
    Text(NETPLANE_ATTRIBUTE(IFLA_IFNAME), "name", kLinkNameLength),
    Text(NETPLANE_ATTRIBUTE(IFLA_ALT_IFNAME), "alternativeName", kAlternativeNameLength),
    Octets(NETPLANE_ATTRIBUTE(IFLA_ADDRESS), "hardwareAddress", kHardwareAddressLength),
    Plain(NETPLANE_ATTRIBUTE(IFLA_BROADCAST), "hardwareBroadcast", FieldType::kBytes, kOutput),
    Host(Plain(NETPLANE_ATTRIBUTE(IFLA_MTU), "mtu", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IFLA_MIN_MTU), "minimumMtu", FieldType::kU32, kOutput)),
    Host(Plain(NETPLANE_ATTRIBUTE(IFLA_MAX_MTU), "maximumMtu", FieldType::kU32, kOutput)),
    Host(Plain(NETPLANE_ATTRIBUTE(IFLA_LINK), "lowerIndex", FieldType::kU32, kOutput)),
    Host(Plain(NETPLANE_ATTRIBUTE(IFLA_LINK_NETNSID), "lowerNamespaceId", FieldType::kS32, kOutput)),
    Host(Plain(NETPLANE_ATTRIBUTE(IFLA_MASTER), "masterIndex", FieldType::kU32, kOutput)),
    Plain(NETPLANE_ATTRIBUTE(IFLA_QDISC), "qdisc", FieldType::kString, kOutput),
    Host(Plain(NETPLANE_ATTRIBUTE(IFLA_TXQLEN), "transmitQueueLength", FieldType::kU32, kOutput)),
    netplane::Named(NETPLANE_ATTRIBUTE(IFLA_OPERSTATE), "operationalState", FieldType::kEnum8, kOperationalStates, kOutput),
    Plain(NETPLANE_ATTRIBUTE(IFLA_CARRIER), "carrier", FieldType::kU8, kOutput),
    Host(Plain(NETPLANE_ATTRIBUTE(IFLA_GROUP), "group", FieldType::kU32, kOutput)),
    Text(NETPLANE_ATTRIBUTE(IFLA_IFALIAS), "alias", kAliasLength),
    Nested(NETPLANE_ATTRIBUTE(IFLA_LINKINFO), "info", &kLinkInfoSchema),
    Texts(NETPLANE_ATTRIBUTE(IFLA_PROP_LIST), "alternativeNames", IFLA_ALT_IFNAME, kOutput),
    Plain(NETPLANE_ATTRIBUTE(IFLA_PERM_ADDRESS), "permanentHardwareAddress", FieldType::kBytes, kOutput),
    Host(Plain(NETPLANE_ATTRIBUTE(IFLA_EXT_MASK), "extensionMask", FieldType::kU32)),
    Plain(NETPLANE_ATTRIBUTE(IFLA_STATS), "statistics", FieldType::kIgnored),
    Plain(NETPLANE_ATTRIBUTE(IFLA_STATS64), "statistics64", FieldType::kIgnored),
    Plain(NETPLANE_ATTRIBUTE(IFLA_MAP), "map", FieldType::kIgnored),
    Plain(NETPLANE_ATTRIBUTE(IFLA_AF_SPEC), "familySettings", FieldType::kIgnored),
    Plain(NETPLANE_ATTRIBUTE(IFLA_XDP), "xdp", FieldType::kIgnored),
};

constexpr Field kAddressFields[] = {
    Plain(NETPLANE_ATTRIBUTE(IFA_ADDRESS), "address", FieldType::kBytes),
    Plain(NETPLANE_ATTRIBUTE(IFA_LOCAL), "address", FieldType::kBytes),
    Text(NETPLANE_ATTRIBUTE(IFA_LABEL), "label", kLinkNameLength),
    Plain(NETPLANE_ATTRIBUTE(IFA_BROADCAST), "broadcast", FieldType::kBytes),
    Plain(NETPLANE_ATTRIBUTE(IFA_ANYCAST), "anycast", FieldType::kBytes, kOutput),
    Plain(NETPLANE_ATTRIBUTE(IFA_CACHEINFO), "lifetimes", FieldType::kBytes),
    Plain(NETPLANE_ATTRIBUTE(IFA_MULTICAST), "multicast", FieldType::kBytes, kOutput),
    Host(Plain(NETPLANE_ATTRIBUTE(IFA_FLAGS), "flags", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IFA_RT_PRIORITY), "routePriority", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IFA_TARGET_NETNSID), "targetNamespaceId", FieldType::kS32)),
    Plain(kIfaProto, "IFA_PROTO", "protocol", FieldType::kU8),
};

constexpr Field kRouteFields[] = {
    Plain(NETPLANE_ATTRIBUTE(RTA_DST), "destination", FieldType::kBytes),
    Plain(NETPLANE_ATTRIBUTE(RTA_SRC), "source", FieldType::kBytes),
    Host(Plain(NETPLANE_ATTRIBUTE(RTA_IIF), "inputLink", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(RTA_OIF), "outputLink", FieldType::kU32)),
    Plain(NETPLANE_ATTRIBUTE(RTA_GATEWAY), "gateway", FieldType::kBytes),
    Host(Plain(NETPLANE_ATTRIBUTE(RTA_PRIORITY), "metric", FieldType::kU32)),
    Plain(NETPLANE_ATTRIBUTE(RTA_PREFSRC), "preferredSource", FieldType::kBytes),
    Plain(NETPLANE_ATTRIBUTE(RTA_METRICS), "metrics", FieldType::kIgnored),
    Plain(NETPLANE_ATTRIBUTE(RTA_MULTIPATH), "hops", FieldType::kBytes),
    Host(Plain(NETPLANE_ATTRIBUTE(RTA_FLOW), "realm", FieldType::kU32)),
    Plain(NETPLANE_ATTRIBUTE(RTA_CACHEINFO), "cache", FieldType::kBytes),
    Host(Plain(NETPLANE_ATTRIBUTE(RTA_TABLE), "table", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(RTA_MARK), "mark", FieldType::kU32)),
    Plain(NETPLANE_ATTRIBUTE(RTA_VIA), "via", FieldType::kBytes),
    Plain(NETPLANE_ATTRIBUTE(RTA_PREF), "preference", FieldType::kU8),
    Host(Plain(NETPLANE_ATTRIBUTE(RTA_UID), "userId", FieldType::kU32)),
    Host(Plain(kRtaNhId, "RTA_NH_ID", "nexthopId", FieldType::kU32)),
};

}  // namespace

const Schema kLinkSchema = {"link", kLinkFields};
const Schema kAddressSchema = {"address", kAddressFields};
const Schema kRouteSchema = {"route", kRouteFields};

size_t AddressLength(uint8_t family) {
  if (family == AF_INET) return 4;
  return family == AF_INET6 ? 16 : 0;
}

Error Named(Error error, const char* operation) {
  error.operation = operation;
  return error;
}

MessageDescription Describe(uint16_t type) {
  static constexpr struct {
    uint16_t type;
    const char* name;
    size_t header_length;
    const Schema* schema;
  } kMessages[] = {
      {RTM_NEWLINK, "RTM_NEWLINK", sizeof(ifinfomsg), &kLinkSchema},    {RTM_DELLINK, "RTM_DELLINK", sizeof(ifinfomsg), &kLinkSchema},
      {RTM_GETLINK, "RTM_GETLINK", sizeof(ifinfomsg), &kLinkSchema},    {RTM_SETLINK, "RTM_SETLINK", sizeof(ifinfomsg), &kLinkSchema},
      {RTM_NEWADDR, "RTM_NEWADDR", sizeof(ifaddrmsg), &kAddressSchema}, {RTM_DELADDR, "RTM_DELADDR", sizeof(ifaddrmsg), &kAddressSchema},
      {RTM_GETADDR, "RTM_GETADDR", sizeof(ifaddrmsg), &kAddressSchema}, {RTM_NEWROUTE, "RTM_NEWROUTE", sizeof(rtmsg), &kRouteSchema},
      {RTM_DELROUTE, "RTM_DELROUTE", sizeof(rtmsg), &kRouteSchema},     {RTM_GETROUTE, "RTM_GETROUTE", sizeof(rtmsg), &kRouteSchema},
  };
  for (const auto& known : kMessages) {
    if (known.type == type) return {known.name, known.header_length, known.schema};
  }
  return {};
}

}  // namespace netplane::route
