#include "nftables/operation.h"

#include "netlink/attribute_reader.h"
#include "nftables/amendments.h"
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

bool Has(const Operation& operation, const char* name) {
  const Field* field = name == nullptr ? nullptr : SchemaOf(operation.kind).FindName(name);
  return field != nullptr && FindAttribute(operation, field->attribute);
}

const char* MissingRequired(const Operation& operation) {
  for (const Field& field : SchemaOf(operation.kind).fields) {
    if (field.direction == Direction::kRequired && !FindAttribute(operation, field.attribute)) return field.name;
  }
  return nullptr;
}

bool IsWellFormed(ByteView attributes) {
  AttributeReader reader(attributes);
  while (reader.Next()) continue;
  return !reader.malformed();
}

/// The operation at the begin of a run, and its length; nothing where the bytes are none.
std::optional<Operation> ReadOperation(ByteView run, size_t* length) {
  if (run.size() < kOperationHeader) return std::nullopt;
  *length = Load<uint32_t>(run.data());
  if (*length < kOperationHeader || *length > run.size() || *length != Align4(*length)) return std::nullopt;
  // Each byte is read once, and what is checked is the copy: the caller's memory may be shared with a thread that writes to it.
  const uint8_t verb = run[4];
  const uint8_t kind = run[5];
  if (verb > static_cast<uint8_t>(Verb::kFlush) || kind > static_cast<uint8_t>(Kind::kFlowtable)) return std::nullopt;
  const ByteView attributes = run.subspan(kOperationHeader, *length - kOperationHeader);
  Operation operation{
      static_cast<Verb>(verb), static_cast<Kind>(kind), run[6], Bytes(attributes.begin(), attributes.end()), nullptr, false};
  if (!FormOf(operation.verb, operation.kind) || !IsWellFormed(operation.attributes)) return std::nullopt;
  return operation;
}

bool Makes(Verb verb) { return verb != Verb::kDelete && verb != Verb::kDestroy && verb != Verb::kFlush; }

/// Whether an attribute of the operation holds an expression that is amended, or is the content of an object that is.
bool NeedsAmending(const Operation& operation) {
  const Schema& schema = SchemaOf(operation.kind);
  AttributeReader reader(operation.attributes);
  while (const auto attribute = reader.Next()) {
    const Field* field = schema.FindAttribute(attribute->type);
    if (field == nullptr || field->variants == nullptr) continue;
    if (field->type == FieldType::kVariantList ? HoldsAmended(attribute->payload) : IsAmended(attribute->payload)) return true;
  }
  return operation.kind == Kind::kObject;
}

}  // namespace

void PutOperationHeader(Verb verb, Kind kind, uint8_t family, size_t attributes, Bytes* run) {
  uint8_t header[kOperationHeader] = {0, 0, 0, 0, static_cast<uint8_t>(verb), static_cast<uint8_t>(kind), family, 0};
  Store(header, static_cast<uint32_t>(sizeof header + attributes));
  run->insert(run->end(), std::begin(header), std::end(header));
}

std::optional<RefusedOperation> ReadOperations(ByteView run, bool echoes, std::vector<Operation>* operations) {
  for (uint32_t index = 0; !run.empty(); ++index) {
    size_t length = 0;
    auto operation = ReadOperation(run, &length);
    if (!operation) return RefusedOperation{index, nullptr};
    if (const char* field = MissingField(*operation)) return RefusedOperation{index, field};
    operation->echo = echoes && operation->kind != Kind::kElements && Makes(operation->verb);
    operations->push_back(std::move(*operation));
    run = run.subspan(length);
  }
  return std::nullopt;
}

std::optional<Attribute> FindAttribute(const Operation& operation, uint16_t type) {
  std::optional<Attribute> found;
  AttributeReader reader(operation.attributes);
  while (const auto attribute = reader.Next()) {
    if (attribute->type == type) found = attribute;
  }
  return found;
}

const char* MissingField(const Operation& operation) {
  if (const char* name = MissingRequired(operation)) return name;
  for (const Need& need : kNeeds) {
    if (need.kind != operation.kind || Has(operation, need.field) || Has(operation, need.alternative)) continue;
    for (const Verb verb : need.verbs) {
      if (verb == operation.verb) return need.field;
    }
  }
  // A table's handle does not say which table's rules to delete, and no name at all means the whole ruleset: only nothing at all may mean
  // that.
  const bool flushes = operation.kind == Kind::kTable && operation.verb == Verb::kFlush;
  return flushes && !operation.attributes.empty() && !Has(operation, "name") ? "name" : nullptr;
}

void EncodeAmended(const Operation& operation, MessageWriter& writer) {
  // Decoded and written again only where something of it changes.
  const auto record = NeedsAmending(operation) ? DecodeRecord(SchemaOf(operation.kind), operation.attributes) : std::nullopt;
  const auto object = record && operation.kind == Kind::kObject ? AmendObject(*record) : std::nullopt;
  if (record) {
    EncodeRecord(object ? *object : *record, writer);
  } else {
    writer.PutRaw(operation.attributes);
  }
  if (operation.kind != Kind::kRule || FindAttribute(operation, NFTA_RULE_COMPAT)) return;
  const auto expressions = FindAttribute(operation, NFTA_RULE_EXPRESSIONS);
  const auto compat = expressions ? DeriveCompat(operation.family, expressions->payload) : std::nullopt;
  if (!compat) return;
  const size_t nest = writer.BeginNest(NFTA_RULE_COMPAT);
  writer.PutInteger(NFTA_RULE_COMPAT_PROTO, compat->protocol, kBig);
  writer.PutInteger(NFTA_RULE_COMPAT_FLAGS, compat->flags, kBig);
  writer.EndNest(nest);
}

void EncodeFlush(const Operation& operation, MessageWriter& writer) {
  for (const FlushField& field : kFlushFields) {
    const auto attribute = field.kind == operation.kind ? FindAttribute(operation, field.from) : std::nullopt;
    if (attribute) writer.PutString(field.to, attribute->Text());
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
