#include "nftables/schemas.h"

#include <linux/netlink.h>

#include "nftables/kernel.h"

namespace netplane::nftables {
namespace {

// NFPROTO_*, include/uapi/linux/netfilter.h.
constexpr NamedNumber kFamilyNames[] = {{"unspec", 0}, {"inet", 1}, {"ip", 2}, {"arp", 3}, {"netdev", 5}, {"bridge", 7}, {"ip6", 10}};

struct KindRow {
  const Schema* schema;
  uint8_t create;
  uint8_t remove;
  uint8_t destroy;
  /// The message that empties it; 0: nothing does (NFT_MSG_NEWTABLE is 0 and empties nothing).
  uint8_t flush;
  /// What `add` says beside NLM_F_CREATE.
  uint16_t add_flags;
  /// Rules have a place and are replaced, and each is new: they are not created exclusively.
  bool placed;
};

// In the order of Kind.
constexpr KindRow kKinds[] = {
    {&kTableSchema, NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, kDestroyTable, NFT_MSG_DELRULE, 0, false},
    {&kChainSchema, NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN, kDestroyChain, NFT_MSG_DELRULE, 0, false},
    {&kRuleSchema, NFT_MSG_NEWRULE, NFT_MSG_DELRULE, kDestroyRule, 0, NLM_F_APPEND, true},
    {&kSetSchema, NFT_MSG_NEWSET, NFT_MSG_DELSET, kDestroySet, NFT_MSG_DELSETELEM, 0, false},
    {&kElementListSchema, NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM, kDestroySetElement, NFT_MSG_DELSETELEM, 0, false},
    {&kObjectSchema, NFT_MSG_NEWOBJ, NFT_MSG_DELOBJ, kDestroyObject, 0, 0, false},
    {&kFlowtableSchema, NFT_MSG_NEWFLOWTABLE, NFT_MSG_DELFLOWTABLE, kDestroyFlowtable, 0, 0, false},
};

std::optional<MessageForm> Form(bool exists, uint8_t message, int flags) {
  if (!exists) return std::nullopt;
  return MessageForm{MessageType(message), static_cast<uint16_t>(flags)};
}

struct MessageRow {
  uint8_t message;
  const char* name;
  const Schema* schema;
};

#define NETPLANE_MESSAGE(message) message, #message
constexpr MessageRow kMessages[] = {
    {NETPLANE_MESSAGE(NFT_MSG_NEWTABLE), &kTableSchema},
    {NETPLANE_MESSAGE(NFT_MSG_GETTABLE), &kTableSchema},
    {NETPLANE_MESSAGE(NFT_MSG_DELTABLE), &kTableSchema},
    {NETPLANE_MESSAGE(NFT_MSG_NEWCHAIN), &kChainSchema},
    {NETPLANE_MESSAGE(NFT_MSG_GETCHAIN), &kChainSchema},
    {NETPLANE_MESSAGE(NFT_MSG_DELCHAIN), &kChainSchema},
    {NETPLANE_MESSAGE(NFT_MSG_NEWRULE), &kRuleSchema},
    {NETPLANE_MESSAGE(NFT_MSG_GETRULE), &kRuleSchema},
    {NETPLANE_MESSAGE(NFT_MSG_DELRULE), &kRuleSchema},
    {NETPLANE_MESSAGE(NFT_MSG_NEWSET), &kSetSchema},
    {NETPLANE_MESSAGE(NFT_MSG_GETSET), &kSetSchema},
    {NETPLANE_MESSAGE(NFT_MSG_DELSET), &kSetSchema},
    {NETPLANE_MESSAGE(NFT_MSG_NEWSETELEM), &kElementListSchema},
    {NETPLANE_MESSAGE(NFT_MSG_GETSETELEM), &kElementListSchema},
    {NETPLANE_MESSAGE(NFT_MSG_DELSETELEM), &kElementListSchema},
    {NETPLANE_MESSAGE(NFT_MSG_NEWGEN), &kGenerationSchema},
    {NETPLANE_MESSAGE(NFT_MSG_GETGEN), &kGenerationSchema},
    {NETPLANE_MESSAGE(NFT_MSG_TRACE), &kTraceSchema},
    {NETPLANE_MESSAGE(NFT_MSG_NEWOBJ), &kObjectSchema},
    {NETPLANE_MESSAGE(NFT_MSG_GETOBJ), &kObjectSchema},
    {NETPLANE_MESSAGE(NFT_MSG_DELOBJ), &kObjectSchema},
    {NETPLANE_MESSAGE(NFT_MSG_GETOBJ_RESET), &kObjectSchema},
    {NETPLANE_MESSAGE(NFT_MSG_NEWFLOWTABLE), &kFlowtableSchema},
    {NETPLANE_MESSAGE(NFT_MSG_GETFLOWTABLE), &kFlowtableSchema},
    {NETPLANE_MESSAGE(NFT_MSG_DELFLOWTABLE), &kFlowtableSchema},
    {kGetRuleReset, "NFT_MSG_GETRULE_RESET", &kRuleSchema},
    {kDestroyTable, "NFT_MSG_DESTROYTABLE", &kTableSchema},
    {kDestroyChain, "NFT_MSG_DESTROYCHAIN", &kChainSchema},
    {kDestroyRule, "NFT_MSG_DESTROYRULE", &kRuleSchema},
    {kDestroySet, "NFT_MSG_DESTROYSET", &kSetSchema},
    {kDestroySetElement, "NFT_MSG_DESTROYSETELEM", &kElementListSchema},
    {kDestroyObject, "NFT_MSG_DESTROYOBJ", &kObjectSchema},
    {kDestroyFlowtable, "NFT_MSG_DESTROYFLOWTABLE", &kFlowtableSchema},
    {kGetSetElementReset, "NFT_MSG_GETSETELEM_RESET", &kElementListSchema},
};
#undef NETPLANE_MESSAGE

}  // namespace

constinit const std::span<const NamedNumber> kFamilies = kFamilyNames;

const Schema& SchemaOf(Kind kind) { return *kKinds[static_cast<size_t>(kind)].schema; }

std::optional<MessageForm> FormOf(Verb verb, Kind kind) {
  const KindRow& row = kKinds[static_cast<size_t>(kind)];
  const struct {
    Verb verb;
    bool exists;
    uint8_t message;
    int flags;
  } forms[] = {
      {Verb::kAdd, true, row.create, NLM_F_CREATE | row.add_flags},
      {Verb::kCreate, !row.placed, row.create, NLM_F_CREATE | NLM_F_EXCL},
      {Verb::kInsert, row.placed, row.create, NLM_F_CREATE},
      {Verb::kReplace, row.placed, row.create, NLM_F_REPLACE},
      {Verb::kDelete, true, row.remove, 0},
      {Verb::kDestroy, true, row.destroy, 0},
      {Verb::kFlush, row.flush != 0, row.flush, 0},
  };
  for (const auto& form : forms) {
    if (form.verb == verb) return Form(form.exists, form.message, form.flags);
  }
  return std::nullopt;
}

MessageDescription Describe(uint16_t type) {
  for (const MessageRow& row : kMessages) {
    if (type == MessageType(row.message)) return {row.name, sizeof(nfgenmsg), row.schema};
  }
  return {};
}

}  // namespace netplane::nftables
