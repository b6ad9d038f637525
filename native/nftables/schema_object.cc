#include <linux/netfilter/nfnetlink_cttimeout.h>

#include "nftables/expression_names.h"
#include "nftables/kernel.h"
#include "nftables/schemas.h"

namespace netplane::nftables {
namespace {

constexpr FieldType kU32 = FieldType::kU32;

// NFPROTO_IPV4, NFPROTO_IPV6; NFPROTO_INET for both.
constexpr NamedNumber kNetworkProtocols[] = {{"inet", 1}, {"ip", 2}, {"ip6", 10}};
// IPPROTO_*.
constexpr NamedNumber kTransportProtocols[] = {{"icmp", 1}, {"tcp", 6},     {"udp", 17},   {"dccp", 33},
                                               {"gre", 47}, {"icmpv6", 58}, {"sctp", 132}, {"udplite", 136}};

constexpr Field kHelper[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_CT_HELPER_NAME), "helper", kHelperNameLength, kRequired),
    Named(NETPLANE_ATTRIBUTE(NFTA_CT_HELPER_L3PROTO), "family", FieldType::kEnum16, kNetworkProtocols),
    Named(NETPLANE_ATTRIBUTE(NFTA_CT_HELPER_L4PROTO), "protocol", FieldType::kEnum8, kTransportProtocols, kRequired),
};
constexpr Schema kHelperSchema = {"ct-helper", kHelper};

constexpr Field kTcpPolicy[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_SYN_SENT), "synSent", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_SYN_RECV), "synRecv", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_ESTABLISHED), "established", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_FIN_WAIT), "finWait", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_CLOSE_WAIT), "closeWait", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_LAST_ACK), "lastAck", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_TIME_WAIT), "timeWait", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_CLOSE), "close", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_SYN_SENT2), "synSent2", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_RETRANS), "retrans", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_TCP_UNACK), "unack", kU32),
};
constexpr Schema kTcpPolicySchema = {"tcp", kTcpPolicy};
// Of UDP, UDP-Lite and GRE, which number them alike.
constexpr Field kUdpPolicy[] = {
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_UDP_UNREPLIED), "unreplied", kU32),
    Plain(NETPLANE_ATTRIBUTE(CTA_TIMEOUT_UDP_REPLIED), "replied", kU32),
};
constexpr Schema kUdpPolicySchema = {"udp", kUdpPolicy};

/// What an attribute holds where another one has this value.
constexpr Field Where(const Condition* condition, uint16_t attribute, const char* kernel_name, const char* name, const Schema* schema) {
  Field field = Nested(attribute, kernel_name, name, schema);
  field.when = condition;
  return field;
}

constexpr Condition kIsTcp = {NFTA_CT_TIMEOUT_L4PROTO, 6};
constexpr Condition kIsUdp = {NFTA_CT_TIMEOUT_L4PROTO, 17};

constexpr Field kTimeout[] = {
    Named(NETPLANE_ATTRIBUTE(NFTA_CT_TIMEOUT_L3PROTO), "family", FieldType::kEnum16, kNetworkProtocols),
    Named(NETPLANE_ATTRIBUTE(NFTA_CT_TIMEOUT_L4PROTO), "protocol", FieldType::kEnum8, kTransportProtocols, kRequired),
    Where(&kIsTcp, NETPLANE_ATTRIBUTE(NFTA_CT_TIMEOUT_DATA), "policySeconds", &kTcpPolicySchema),
    Where(&kIsUdp, NETPLANE_ATTRIBUTE(NFTA_CT_TIMEOUT_DATA), "policySeconds", &kUdpPolicySchema),
};
constexpr Schema kTimeoutSchema = {"ct-timeout", kTimeout};

constexpr Field kExpectation[] = {
    Named(NETPLANE_ATTRIBUTE(NFTA_CT_EXPECT_L3PROTO), "family", FieldType::kEnum16, kNetworkProtocols),
    Named(NETPLANE_ATTRIBUTE(NFTA_CT_EXPECT_L4PROTO), "protocol", FieldType::kEnum8, kTransportProtocols, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_CT_EXPECT_DPORT), "port", FieldType::kU16, kRequired),
    // nft_ct_expect_obj_init reads it by nla_get_u32.
    Host(Plain(NETPLANE_ATTRIBUTE(NFTA_CT_EXPECT_TIMEOUT), "timeoutMs", kU32, kRequired)),
    Plain(NETPLANE_ATTRIBUTE(NFTA_CT_EXPECT_SIZE), "size", FieldType::kU8, kRequired),
};
constexpr Schema kExpectationSchema = {"ct-expect", kExpectation};

constexpr Field kSecurityLabel[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_SECMARK_CTX), "context", kSecurityContextLength, kRequired),
};
constexpr Schema kSecurityLabelSchema = {"secmark", kSecurityLabel};

constexpr Condition kIsCounter = {NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER};
constexpr Condition kIsQuota = {NFTA_OBJ_TYPE, NFT_OBJECT_QUOTA};
constexpr Condition kIsHelper = {NFTA_OBJ_TYPE, NFT_OBJECT_CT_HELPER};
constexpr Condition kIsLimit = {NFTA_OBJ_TYPE, NFT_OBJECT_LIMIT};
constexpr Condition kIsConnlimit = {NFTA_OBJ_TYPE, NFT_OBJECT_CONNLIMIT};
constexpr Condition kIsTimeout = {NFTA_OBJ_TYPE, NFT_OBJECT_CT_TIMEOUT};
constexpr Condition kIsSecurityLabel = {NFTA_OBJ_TYPE, NFT_OBJECT_SECMARK};
constexpr Condition kIsExpectation = {NFTA_OBJ_TYPE, NFT_OBJECT_CT_EXPECT};
constexpr Condition kIsSynproxy = {NFTA_OBJ_TYPE, NFT_OBJECT_SYNPROXY};

constexpr Field kObjectFields[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_OBJ_TABLE), "table", kNameLength, kRequired),
    Text(NETPLANE_ATTRIBUTE(NFTA_OBJ_NAME), "name", kNameLength),
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJ_TYPE), "objectType", kU32),
    Where(&kIsCounter, NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "counter", &kCounterSchema),
    Where(&kIsQuota, NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "data", &kQuotaSchema),
    Where(&kIsHelper, NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "data", &kHelperSchema),
    Where(&kIsLimit, NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "data", &kLimitSchema),
    Where(&kIsConnlimit, NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "data", &kConnlimitSchema),
    Where(&kIsTimeout, NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "data", &kTimeoutSchema),
    Where(&kIsSecurityLabel, NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "data", &kSecurityLabelSchema),
    Where(&kIsExpectation, NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "data", &kExpectationSchema),
    Where(&kIsSynproxy, NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "data", &kSynproxySchema),
    // Of other kinds, and of these where the caller has the bytes.
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJ_DATA), "data", FieldType::kBytes),
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJ_USE), "use", kU32, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJ_HANDLE), "handle", FieldType::kU64),
    Plain(NETPLANE_ATTRIBUTE(NFTA_OBJ_PAD), "padding", FieldType::kIgnored),
    Userdata(NETPLANE_ATTRIBUTE(NFTA_OBJ_USERDATA)),
};

}  // namespace

constinit const Schema kObjectSchema = {"object", kObjectFields};

}  // namespace netplane::nftables
