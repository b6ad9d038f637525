// What the kernel tells of packets whose mark nftrace is set (nft_trace_notify of net/netfilter/nf_tables_trace.c, Linux 6.18).
#include "nftables/kernel.h"
#include "nftables/schemas.h"

namespace netplane::nftables {
namespace {

// enum nft_trace_types.
constexpr NamedNumber kTraceTypes[] = {{"policy", NFT_TRACETYPE_POLICY}, {"return", NFT_TRACETYPE_RETURN}, {"rule", NFT_TRACETYPE_RULE}};
// NF_DROP and NF_ACCEPT of include/uapi/linux/netfilter.h.
constexpr NamedNumber kPolicies[] = {{"drop", 0}, {"accept", 1}};

// NFPROTO_* of include/uapi/linux/netfilter.h, those that packets have: tables of family inet see ip and ip6.
constexpr NamedNumber kProtocolFamilies[] = {{"ip", 2}, {"arp", 3}, {"netdev", 5}, {"bridge", 7}, {"ip6", 10}};

// What fits into the copies that the kernel makes: NFT_TRACETYPE_LL_HSIZE and a VLAN header, _NETWORK_HSIZE, _TRANSPORT_HSIZE.
constexpr uint16_t kLinkHeaderLength = 24;
constexpr uint16_t kNetworkHeaderLength = 40;
constexpr uint16_t kTransportHeaderLength = 20;

constexpr Field kTraceFields[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_TRACE_TABLE), "table", kNameLength, kOutput),
    Text(NETPLANE_ATTRIBUTE(NFTA_TRACE_CHAIN), "chain", kNameLength, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TRACE_RULE_HANDLE), "ruleHandle", FieldType::kU64, kOutput),
    Named(NETPLANE_ATTRIBUTE(NFTA_TRACE_TYPE), "step", FieldType::kEnum32, kTraceTypes, kOutput),
    Nested(NETPLANE_ATTRIBUTE(NFTA_TRACE_VERDICT), "verdict", &kVerdictSchema, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TRACE_ID), "id", FieldType::kU32, kOutput),
    Octets(NETPLANE_ATTRIBUTE(NFTA_TRACE_LL_HEADER), "linkHeader", kLinkHeaderLength, kOutput),
    Octets(NETPLANE_ATTRIBUTE(NFTA_TRACE_NETWORK_HEADER), "networkHeader", kNetworkHeaderLength, kOutput),
    Octets(NETPLANE_ATTRIBUTE(NFTA_TRACE_TRANSPORT_HEADER), "transportHeader", kTransportHeaderLength, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TRACE_IIF), "inInterface", FieldType::kU32, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TRACE_IIFTYPE), "inInterfaceType", FieldType::kU16, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TRACE_OIF), "outInterface", FieldType::kU32, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TRACE_OIFTYPE), "outInterfaceType", FieldType::kU16, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TRACE_MARK), "mark", FieldType::kU32, kOutput),
    Named(NETPLANE_ATTRIBUTE(NFTA_TRACE_NFPROTO), "protocolFamily", FieldType::kEnum32, kProtocolFamilies, kOutput),
    Named(NETPLANE_ATTRIBUTE(NFTA_TRACE_POLICY), "policy", FieldType::kEnum32, kPolicies, kOutput),
    Plain(NETPLANE_ATTRIBUTE(NFTA_TRACE_PAD), "padding", FieldType::kIgnored),
    // Linux 6.16.
    Plain(18, "NFTA_TRACE_CT_ID", "conntrackId", FieldType::kU32, kOutput),
    Plain(19, "NFTA_TRACE_CT_DIRECTION", "conntrackDirection", FieldType::kU8, kOutput),
    Plain(20, "NFTA_TRACE_CT_STATUS", "conntrackStatus", FieldType::kU32, kOutput),
    Plain(21, "NFTA_TRACE_CT_STATE", "conntrackState", FieldType::kU32, kOutput),
};

}  // namespace

constinit const Schema kTraceSchema = {"trace", kTraceFields};

}  // namespace netplane::nftables
