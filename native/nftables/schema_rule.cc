#include "nftables/kernel.h"
#include "nftables/schemas.h"

namespace netplane::nftables {
namespace {

// NF_DROP, NF_ACCEPT and NF_QUEUE of include/uapi/linux/netfilter.h; enum nft_verdicts.
constexpr NamedNumber kVerdicts[] = {{"accept", 1},        {"drop", 0},        {"queue", 3},       {"continue", NFT_CONTINUE},
                                     {"break", NFT_BREAK}, {"jump", NFT_JUMP}, {"goto", NFT_GOTO}, {"return", NFT_RETURN}};

constexpr Field kVerdictFields[] = {
    Named(NETPLANE_ATTRIBUTE(NFTA_VERDICT_CODE), "verdict", FieldType::kEnum32, kVerdicts, kRequired),
    Text(NETPLANE_ATTRIBUTE(NFTA_VERDICT_CHAIN), "chain", kNameLength),
    Plain(NETPLANE_ATTRIBUTE(NFTA_VERDICT_CHAIN_ID), "chainId", FieldType::kU32),
};

constexpr Field kCompatFields[] = {
    Plain(NETPLANE_ATTRIBUTE(NFTA_RULE_COMPAT_PROTO), "protocol", FieldType::kU32, kRequired),
    Plain(NETPLANE_ATTRIBUTE(NFTA_RULE_COMPAT_FLAGS), "flags", FieldType::kU32, kRequired),
};
constexpr Schema kCompatSchema = {"compat", kCompatFields};

constexpr Field kRuleFields[] = {
    Text(NETPLANE_ATTRIBUTE(NFTA_RULE_TABLE), "table", kNameLength, kRequired),
    Text(NETPLANE_ATTRIBUTE(NFTA_RULE_CHAIN), "chain", kNameLength),
    Plain(NETPLANE_ATTRIBUTE(NFTA_RULE_HANDLE), "handle", FieldType::kU64),
    Expressions(NETPLANE_ATTRIBUTE(NFTA_RULE_EXPRESSIONS), "expressions", FieldType::kVariantList),
    Nested(NETPLANE_ATTRIBUTE(NFTA_RULE_COMPAT), "compat", FieldType::kNested, &kCompatSchema),
    Plain(NETPLANE_ATTRIBUTE(NFTA_RULE_POSITION), "position", FieldType::kU64),
    Userdata(NETPLANE_ATTRIBUTE(NFTA_RULE_USERDATA)),
    Plain(NETPLANE_ATTRIBUTE(NFTA_RULE_PAD), "padding", FieldType::kIgnored),
    Plain(NETPLANE_ATTRIBUTE(NFTA_RULE_ID), "id", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_RULE_POSITION_ID), "positionId", FieldType::kU32),
    Plain(NETPLANE_ATTRIBUTE(NFTA_RULE_CHAIN_ID), "chainId", FieldType::kU32),
};

}  // namespace

constinit const Schema kVerdictSchema = {"verdict", kVerdictFields};
constinit const Schema kRuleSchema = {"rule", kRuleFields};

}  // namespace netplane::nftables
