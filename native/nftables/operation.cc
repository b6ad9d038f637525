#include "nftables/operation.h"

#include "netlink/attribute_reader.h"
#include "nftables/kernel.h"

namespace netplane::nftables {
namespace {

/// A text field of the emptied object, and the attribute of the emptying message that it goes to.
struct FlushField {
  Kind kind;
  uint16_t from;
  uint16_t to;
};
constexpr FlushField kFlushFields[] = {
    {Kind::kTable, NFTA_TABLE_NAME, NFTA_RULE_TABLE},
    {Kind::kChain, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE},
    {Kind::kChain, NFTA_CHAIN_NAME, NFTA_RULE_CHAIN},
    {Kind::kSet, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE},
    {Kind::kSet, NFTA_SET_NAME, NFTA_SET_ELEM_LIST_SET},
    {Kind::kElements, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_TABLE},
    {Kind::kElements, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_SET},
};

/// What operations cannot do without, beside the table. Either of two fields where there is an alternative.
struct Need {
  Kind kind;
  std::initializer_list<Verb> verbs;
  const char* field;
  const char* alternative;
};

constexpr auto kMakes = {Verb::kAdd, Verb::kCreate};
constexpr auto kRemoves = {Verb::kDelete, Verb::kDestroy};
constexpr auto kEmpties = {Verb::kFlush};
constexpr auto kPlaces = {Verb::kAdd, Verb::kInsert, Verb::kReplace};
constexpr auto kReplaces = {Verb::kReplace};

const Need kNeeds[] = {
    {Kind::kTable, kMakes, "name", nullptr},
    {Kind::kTable, kRemoves, "name", "handle"},
    {Kind::kChain, kMakes, "name", "id"},
    {Kind::kChain, kRemoves, "name", "handle"},
    {Kind::kChain, kEmpties, "name", nullptr},
    {Kind::kRule, kPlaces, "chain", "chainId"},
    {Kind::kRule, kReplaces, "handle", nullptr},
    // Without either, NFT_MSG_DELRULE empties the chain, or the table.
    {Kind::kRule, kRemoves, "handle", "id"},
    {Kind::kRule, kRemoves, "chain", nullptr},
    {Kind::kSet, kMakes, "name", nullptr},
    {Kind::kSet, kMakes, "keyLength", nullptr},
    {Kind::kSet, kRemoves, "name", "handle"},
    {Kind::kSet, kEmpties, "name", nullptr},
    {Kind::kObject, kMakes, "name", nullptr},
    {Kind::kObject, kMakes, "objectType", nullptr},
    {Kind::kObject, kRemoves, "name", "handle"},
    {Kind::kObject, kRemoves, "objectType", nullptr},
    {Kind::kFlowtable, kMakes, "name", nullptr},
    {Kind::kFlowtable, kMakes, "hook", nullptr},
    {Kind::kFlowtable, kRemoves, "name", "handle"},
};

bool Has(const Record& record, const char* name) {
  const Field* field = name == nullptr ? nullptr : record.schema->FindName(name);
  return field != nullptr && record.Find(field) != nullptr;
}

const char* MissingRequired(const Record& record) {
  for (const Field& field : record.schema->fields) {
    if (field.direction == Direction::kRequired && record.Find(&field) == nullptr) return field.name;
  }
  return nullptr;
}

}  // namespace

const char* MissingField(const Operation& operation) {
  const Record& record = operation.value;
  if (const char* name = MissingRequired(record)) return name;
  for (const Need& need : kNeeds) {
    if (need.kind != operation.kind || Has(record, need.field) || Has(record, need.alternative)) continue;
    for (const Verb verb : need.verbs) {
      if (verb == operation.verb) return need.field;
    }
  }
  // A table's handle does not say which table's rules to delete, and no name at all means the whole ruleset: only nothing at all may mean
  // that.
  const bool flushes = operation.kind == Kind::kTable && operation.verb == Verb::kFlush;
  return flushes && !record.fields.empty() && !Has(record, "name") ? "name" : nullptr;
}

void EncodeFlush(const Operation& operation, MessageWriter& writer) {
  for (const FlushField& field : kFlushFields) {
    const Value* value = field.kind == operation.kind ? operation.value.Find(field.from) : nullptr;
    const auto* text = value == nullptr ? nullptr : value->As<std::string>();
    if (text != nullptr) writer.PutString(field.to, *text);
  }
}

std::string LocateFlush(const Operation& operation, ByteView attributes, size_t offset) {
  AttributeReader reader(attributes);
  while (auto attribute = reader.Next()) {
    if (offset < attribute->offset || offset >= attribute->offset + Align4(4 + attribute->payload.size())) continue;
    for (const FlushField& field : kFlushFields) {
      if (field.kind == operation.kind && field.to == attribute->type) return SchemaOf(operation.kind).FindAttribute(field.from)->name;
    }
  }
  return {};
}

}  // namespace netplane::nftables
