// The attribute tables of nf_tables objects (include/uapi/linux/netfilter/nf_tables.h).
#ifndef NETPLANE_NFTABLES_SCHEMAS_H_
#define NETPLANE_NFTABLES_SCHEMAS_H_

#include "netlink/schema.h"
#include "netlink/trace.h"

namespace netplane::nftables {

extern const Schema kTableSchema;
extern const Schema kChainSchema;
extern const Schema kRuleSchema;
extern const Schema kSetSchema;
extern const Schema kObjectSchema;
extern const Schema kFlowtableSchema;
/// NFTA_SET_ELEM_LIST_*: the header of an element message; the elements themselves go in columns (elements.h).
extern const Schema kElementListSchema;
extern const Schema kGenerationSchema;
/// A step of a packet on its way through rules; only ever reported.
extern const Schema kTraceSchema;
/// `verdict` of a data: { code, chain }.
extern const Schema kVerdictSchema;

/// The expressions of rules, sets and elements, by name.
extern const VariantTable kExpressionVariants;

/// The families' names and NFPROTO_* numbers: inet 1, ip 2, arp 3, netdev 5, bridge 7, ip6 10; "unspec" 0 for lists over all.
extern const std::span<const NamedNumber> kFamilies;

enum class Kind : uint8_t { kTable, kChain, kRule, kSet, kElements, kObject, kFlowtable };
/// add: ensure it exists · create: must not exist · insert, replace: rules · delete: must exist · destroy: ensure gone (6.3) · flush: empty
/// it (chain or table: its rules; set: its elements; no table name: the whole ruleset).
enum class Verb : uint8_t { kAdd, kCreate, kInsert, kReplace, kDelete, kDestroy, kFlush };

const Schema& SchemaOf(Kind kind);

/// nlmsg_type and flags of a verb on a kind; nothing where nf_tables has no such message.
struct MessageForm {
  uint16_t type = 0;
  uint16_t flags = 0;
};
std::optional<MessageForm> FormOf(Verb verb, Kind kind);

/// For traces; see trace.h.
MessageDescription Describe(uint16_t type);

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_SCHEMAS_H_
