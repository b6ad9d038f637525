// Where what the kernel dumps is not what it takes: what was listed is amended when it is written.
#ifndef NETPLANE_NFTABLES_AMENDMENTS_H_
#define NETPLANE_NFTABLES_AMENDMENTS_H_

#include <optional>
#include <string_view>

#include "netlink/message_writer.h"
#include "netlink/value.h"

namespace netplane::nftables {

/// Appends the attributes inside NFTA_EXPR_DATA of the expression `name` as its init function takes them; false where nothing is appended,
/// because they are taken as they are. What is malformed is taken as it is: the kernel has to refuse it.
bool AmendExpression(std::string_view name, ByteView attributes, MessageWriter& writer);

/// Whether an expression ({NAME, DATA}) is one that AmendExpression changes.
bool IsAmended(ByteView expression);
/// True for a list with such an expression; false for one that is malformed, which is taken as it is.
bool HoldsAmended(ByteView list);

/// Appends a nest of expressions ({NFTA_LIST_ELEM: {NAME, DATA}} …), each amended.
void PutAmendedList(uint16_t attribute, ByteView list, MessageWriter& writer);

/// The object as its init function takes it; nothing where it is taken as it is.
std::optional<Record> AmendObject(const Record& object);

/// NFTA_RULE_COMPAT of a rule with matches or targets of xtables, which the kernel reads and never dumps: the protocol that the rule asks
/// for before them, as the extensions check it (xt_check_match, xt_check_target: "only valid for protocol …").
struct Compat {
  uint32_t protocol = 0;
  uint32_t flags = 0;
};
/// Nothing where the rule's expressions (the payload of NFTA_RULE_EXPRESSIONS) have none of them, or ask for no protocol. `family` is
/// NFPROTO_*: bridges ask for an EtherType instead (nft_match_set_mtchk_param).
std::optional<Compat> DeriveCompat(uint8_t family, ByteView expressions);

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_AMENDMENTS_H_
