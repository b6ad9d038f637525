// Names of the numbers in expressions: enumerations of include/uapi/linux/netfilter/nf_tables.h (Linux 6.18), spelled as in
// src/nftables/expressions.ts.
#ifndef NETPLANE_NFTABLES_EXPRESSION_NAMES_H_
#define NETPLANE_NFTABLES_EXPRESSION_NAMES_H_

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_synproxy.h>

#include "nftables/kernel.h"

namespace netplane::nftables {

// enum nft_cmp_ops; nft_range_ops are the first two.
constexpr NamedNumber kCompareOperators[] = {{"eq", NFT_CMP_EQ},   {"neq", NFT_CMP_NEQ}, {"lt", NFT_CMP_LT},
                                             {"lte", NFT_CMP_LTE}, {"gt", NFT_CMP_GT},   {"gte", NFT_CMP_GTE}};
constexpr NamedNumber kRangeOperators[] = {{"eq", NFT_RANGE_EQ}, {"neq", NFT_RANGE_NEQ}};
// enum nft_bitwise_ops; and, or, xor since 6.13.
constexpr NamedNumber kBitwiseOperations[] = {
    {"mask-xor", NFT_BITWISE_BOOL}, {"lshift", NFT_BITWISE_LSHIFT}, {"rshift", NFT_BITWISE_RSHIFT}, {"and", 3}, {"or", 4}, {"xor", 5}};
constexpr NamedNumber kByteorderOperations[] = {{"ntoh", NFT_BYTEORDER_NTOH}, {"hton", NFT_BYTEORDER_HTON}};
// enum nft_payload_bases; inner since 6.2 (NFT_PAYLOAD_TUN_HEADER too).
constexpr NamedNumber kPayloadBases[] = {{"link", NFT_PAYLOAD_LL_HEADER},
                                         {"network", NFT_PAYLOAD_NETWORK_HEADER},
                                         {"transport", NFT_PAYLOAD_TRANSPORT_HEADER},
                                         {"inner", NFT_PAYLOAD_INNER_HEADER},
                                         {"tunnel", 4}};
constexpr NamedNumber kChecksumTypes[] = {
    {"none", NFT_PAYLOAD_CSUM_NONE}, {"inet", NFT_PAYLOAD_CSUM_INET}, {"sctp", NFT_PAYLOAD_CSUM_SCTP}};
constexpr NamedNumber kMetaKeys[] = {
    {"len", NFT_META_LEN},
    {"protocol", NFT_META_PROTOCOL},
    {"priority", NFT_META_PRIORITY},
    {"mark", NFT_META_MARK},
    {"iif", NFT_META_IIF},
    {"oif", NFT_META_OIF},
    {"iifname", NFT_META_IIFNAME},
    {"oifname", NFT_META_OIFNAME},
    {"iiftype", NFT_META_IFTYPE},
    {"oiftype", NFT_META_OIFTYPE},
    {"skuid", NFT_META_SKUID},
    {"skgid", NFT_META_SKGID},
    {"nftrace", NFT_META_NFTRACE},
    {"rtclassid", NFT_META_RTCLASSID},
    {"secmark", NFT_META_SECMARK},
    {"nfproto", NFT_META_NFPROTO},
    {"l4proto", NFT_META_L4PROTO},
    {"bri-iifname", NFT_META_BRI_IIFNAME},
    {"bri-oifname", NFT_META_BRI_OIFNAME},
    {"pkttype", NFT_META_PKTTYPE},
    {"cpu", NFT_META_CPU},
    {"iifgroup", NFT_META_IIFGROUP},
    {"oifgroup", NFT_META_OIFGROUP},
    {"cgroup", NFT_META_CGROUP},
    {"prandom", NFT_META_PRANDOM},
    {"secpath", NFT_META_SECPATH},
    {"iifkind", NFT_META_IIFKIND},
    {"oifkind", NFT_META_OIFKIND},
    {"bri-iifpvid", NFT_META_BRI_IIFPVID},
    {"bri-iifvproto", NFT_META_BRI_IIFVPROTO},
    {"time-ns", NFT_META_TIME_NS},
    {"time-day", NFT_META_TIME_DAY},
    {"time-hour", NFT_META_TIME_HOUR},
    {"sdif", NFT_META_SDIF},
    {"sdifname", NFT_META_SDIFNAME},
    {"bri-broute", 35},  // NFT_META_BRI_BROUTE, 6.4
};
constexpr NamedNumber kConntrackKeys[] = {
    {"state", NFT_CT_STATE},
    {"direction", NFT_CT_DIRECTION},
    {"status", NFT_CT_STATUS},
    {"mark", NFT_CT_MARK},
    {"secmark", NFT_CT_SECMARK},
    {"expiration", NFT_CT_EXPIRATION},
    {"helper", NFT_CT_HELPER},
    {"l3protocol", NFT_CT_L3PROTOCOL},
    {"src", NFT_CT_SRC},
    {"dst", NFT_CT_DST},
    {"protocol", NFT_CT_PROTOCOL},
    {"proto-src", NFT_CT_PROTO_SRC},
    {"proto-dst", NFT_CT_PROTO_DST},
    {"labels", NFT_CT_LABELS},
    {"pkts", NFT_CT_PKTS},
    {"bytes", NFT_CT_BYTES},
    {"avgpkt", NFT_CT_AVGPKT},
    {"zone", NFT_CT_ZONE},
    {"eventmask", NFT_CT_EVENTMASK},
    {"src-ip", NFT_CT_SRC_IP},
    {"dst-ip", NFT_CT_DST_IP},
    {"src-ip6", NFT_CT_SRC_IP6},
    {"dst-ip6", NFT_CT_DST_IP6},
    {"id", NFT_CT_ID},
};
// enum ip_conntrack_dir.
constexpr NamedNumber kDirections[] = {{"original", 0}, {"reply", 1}};
constexpr NamedNumber kInverted[] = {{"inverted", NFT_LOOKUP_F_INV}};
constexpr NamedNumber kNatTypes[] = {{"snat", NFT_NAT_SNAT}, {"dnat", NFT_NAT_DNAT}};
// NFPROTO_IPV4, NFPROTO_IPV6.
constexpr NamedNumber kNatFamilies[] = {{"ip", 2}, {"ip6", 10}};
constexpr NamedNumber kNatFlags[] = {
    {"map-ips", NF_NAT_RANGE_MAP_IPS},       {"proto-specified", NF_NAT_RANGE_PROTO_SPECIFIED}, {"random", NF_NAT_RANGE_PROTO_RANDOM},
    {"persistent", NF_NAT_RANGE_PERSISTENT}, {"fully-random", NF_NAT_RANGE_PROTO_RANDOM_FULLY}, {"proto-offset", NF_NAT_RANGE_PROTO_OFFSET},
    {"netmap", NF_NAT_RANGE_NETMAP},
};
constexpr NamedNumber kNumgenModes[] = {{"inc", NFT_NG_INCREMENTAL}, {"random", NFT_NG_RANDOM}};
constexpr NamedNumber kHashModes[] = {{"jenkins", NFT_HASH_JENKINS}, {"symmetric", NFT_HASH_SYM}};
constexpr NamedNumber kFibResults[] = {{"oif", NFT_FIB_RESULT_OIF}, {"oifname", NFT_FIB_RESULT_OIFNAME}, {"type", NFT_FIB_RESULT_ADDRTYPE}};
constexpr NamedNumber kFibFlags[] = {{"saddr", NFTA_FIB_F_SADDR}, {"daddr", NFTA_FIB_F_DADDR}, {"mark", NFTA_FIB_F_MARK},
                                     {"iif", NFTA_FIB_F_IIF},     {"oif", NFTA_FIB_F_OIF},     {"present", NFTA_FIB_F_PRESENT}};
constexpr NamedNumber kRejectTypes[] = {
    {"icmp-unreachable", NFT_REJECT_ICMP_UNREACH}, {"tcp-reset", NFT_REJECT_TCP_RST}, {"icmpx-unreachable", NFT_REJECT_ICMPX_UNREACH}};
constexpr NamedNumber kDynsetOperations[] = {
    {"add", NFT_DYNSET_OP_ADD}, {"update", NFT_DYNSET_OP_UPDATE}, {"delete", NFT_DYNSET_OP_DELETE}};
constexpr NamedNumber kDynsetFlags[] = {{"inverted", NFT_DYNSET_F_INV}, {"expression", NFT_DYNSET_F_EXPR}};
constexpr NamedNumber kObjectTypes[] = {
    {"counter", NFT_OBJECT_COUNTER},       {"quota", NFT_OBJECT_QUOTA},         {"ct-helper", NFT_OBJECT_CT_HELPER},
    {"limit", NFT_OBJECT_LIMIT},           {"connlimit", NFT_OBJECT_CONNLIMIT}, {"tunnel", NFT_OBJECT_TUNNEL},
    {"ct-timeout", NFT_OBJECT_CT_TIMEOUT}, {"secmark", NFT_OBJECT_SECMARK},     {"ct-expect", NFT_OBJECT_CT_EXPECT},
    {"synproxy", NFT_OBJECT_SYNPROXY},
};
constexpr NamedNumber kLimitModes[] = {{"packets", NFT_LIMIT_PKTS}, {"bytes", NFT_LIMIT_PKT_BYTES}};
constexpr NamedNumber kQuotaFlags[] = {{"inverted", NFT_QUOTA_F_INV}, {"depleted", NFT_QUOTA_F_DEPLETED}};
// enum nft_exthdr_flags, nft_exthdr_op; strip (a TCP option is overwritten) has neither register.
constexpr NamedNumber kExtensionHeaderFlags[] = {{"present", NFT_EXTHDR_F_PRESENT}};
constexpr NamedNumber kExtensionHeaderOperations[] = {{"ipv6", NFT_EXTHDR_OP_IPV6},
                                                      {"tcpopt", NFT_EXTHDR_OP_TCPOPT},
                                                      {"ipv4", NFT_EXTHDR_OP_IPV4},
                                                      {"sctp", NFT_EXTHDR_OP_SCTP},
                                                      {"dccp", NFT_EXTHDR_OP_DCCP}};
constexpr NamedNumber kSocketKeys[] = {{"transparent", NFT_SOCKET_TRANSPARENT},
                                       {"mark", NFT_SOCKET_MARK},
                                       {"wildcard", NFT_SOCKET_WILDCARD},
                                       {"cgroupv2", NFT_SOCKET_CGROUPV2}};
// NFPROTO_UNSPEC: either version of IP.
constexpr NamedNumber kProxyFamilies[] = {{"unspec", 0}, {"ip", 2}, {"ip6", 10}};
constexpr NamedNumber kQueueFlags[] = {{"bypass", NFT_QUEUE_FLAG_BYPASS}, {"fanout", NFT_QUEUE_FLAG_CPU_FANOUT}};
// NF_SYNPROXY_OPT_*, include/uapi/linux/netfilter/nf_synproxy.h.
constexpr NamedNumber kSynproxyFlags[] = {{"mss", NF_SYNPROXY_OPT_MSS},
                                          {"wscale", NF_SYNPROXY_OPT_WSCALE},
                                          {"sack-perm", NF_SYNPROXY_OPT_SACK_PERM},
                                          {"timestamp", NF_SYNPROXY_OPT_TIMESTAMP}};
constexpr NamedNumber kTransformationKeys[] = {{"daddr-ip", NFT_XFRM_KEY_DADDR_IP4}, {"daddr-ip6", NFT_XFRM_KEY_DADDR_IP6},
                                               {"saddr-ip", NFT_XFRM_KEY_SADDR_IP4}, {"saddr-ip6", NFT_XFRM_KEY_SADDR_IP6},
                                               {"reqid", NFT_XFRM_KEY_REQID},        {"spi", NFT_XFRM_KEY_SPI}};
// XFRM_POLICY_*, include/uapi/linux/xfrm.h.
constexpr NamedNumber kTransformationDirections[] = {{"in", 0}, {"out", 1}};
// NF_OSF_TTL_*, include/uapi/linux/netfilter/nfnetlink_osf.h.
constexpr NamedNumber kFingerprintTtl[] = {{"equal", 0}, {"loose", 1}, {"skip", 2}};
constexpr NamedNumber kFingerprintFlags[] = {{"version", NFT_OSF_F_VERSION}};
constexpr NamedNumber kRoutingKeys[] = {{"classid", NFT_RT_CLASSID},
                                        {"nexthop-ip", NFT_RT_NEXTHOP4},
                                        {"nexthop-ip6", NFT_RT_NEXTHOP6},
                                        {"tcpmss", NFT_RT_TCPMSS},
                                        {"ipsec", NFT_RT_XFRM}};
constexpr NamedNumber kTunnelKeys[] = {{"path", NFT_TUNNEL_PATH}, {"id", NFT_TUNNEL_ID}};
constexpr NamedNumber kTunnelModes[] = {{"none", NFT_TUNNEL_MODE_NONE}, {"rx", NFT_TUNNEL_MODE_RX}, {"tx", NFT_TUNNEL_MODE_TX}};
// enum nft_inner_type, 6.2; of the last two only nft has the numbers (src/proto.c).
constexpr NamedNumber kInnerTunnels[] = {{"vxlan", 1}, {"geneve", 2}, {"gre", 3}, {"gretap", 4}};
constexpr NamedNumber kInnerFlags[] = {{"header-size", 1}, {"link", 2}, {"network", 4}, {"transport", 8}};

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_EXPRESSION_NAMES_H_
