#include "nftables/amendments.h"

#include <linux/netfilter.h>
#include <linux/netlink.h>

#include <algorithm>
#include <optional>
#include <span>

#include "netlink/attribute_reader.h"
#include "netlink/field_type.h"
#include "nftables/kernel.h"
#include "nftables/request.h"

namespace netplane::nftables {
namespace {

enum class Act : uint8_t {
  kOmit,       ///< The attribute is left out.
  kOmitZero,   ///< It is left out where it is 0.
  kClearBits,  ///< These bits are taken out of it.
  kSetBits,    ///< These bits are put into it, and it is put there where it is missing.
};

/// One difference between the dump function of an expression and its init function.
struct Amendment {
  const char* expression;
  uint16_t attribute;
  Act act;
  /// An attribute that must be there, and two that must not, for this to apply; 0: none.
  uint16_t with = 0;
  uint16_t without[2] = {0, 0};
  uint32_t bits = 0;
};

// The function named is the one that refuses. Objects of the same name have the same attributes (nft_quota_obj_init).
constexpr Amendment kAmendments[] = {
    // nft_exthdr_tcp_set_init refuses the flags that nft_exthdr_dump_common writes for every operation: EINVAL.
    {"exthdr", NFTA_EXTHDR_FLAGS, Act::kOmit, NFTA_EXTHDR_SREG},
    // nft_exthdr_tcp_strip_init refuses all three, which nft_exthdr_dump_strip writes by nft_exthdr_dump_common: EINVAL.
    {"exthdr", NFTA_EXTHDR_FLAGS, Act::kOmit, 0, {NFTA_EXTHDR_SREG, NFTA_EXTHDR_DREG}},
    {"exthdr", NFTA_EXTHDR_OFFSET, Act::kOmit, 0, {NFTA_EXTHDR_SREG, NFTA_EXTHDR_DREG}},
    {"exthdr", NFTA_EXTHDR_LEN, Act::kOmit, 0, {NFTA_EXTHDR_SREG, NFTA_EXTHDR_DREG}},
    // nft_dynset_init refuses a time-out of sets that have none: EOPNOTSUPP. nft_dynset_dump always writes it; 0 is none.
    {"dynset", NFTA_DYNSET_TIMEOUT, Act::kOmitZero},
    // nft_dynset_init takes several expressions only with this flag (EINVAL), which nft_dynset_dump leaves out.
    {"dynset", NFTA_DYNSET_FLAGS, Act::kSetBits, NFTA_DYNSET_EXPRESSIONS, {}, NFT_DYNSET_F_EXPR},
    // nft_osf_init takes no other flags than NFT_OSF_F_VERSION: EINVAL. nft_osf_dump writes 0 for none.
    {"osf", NFTA_OSF_FLAGS, Act::kOmitZero},
    // nft_quota_do_init refuses the flag by which nft_quota_do_dump tells that the quota is used up: EINVAL, EOPNOTSUPP.
    {"quota", NFTA_QUOTA_FLAGS, Act::kClearBits, 0, {}, NFT_QUOTA_F_DEPLETED},
};

/// The attributes of one expression, in the order in which they are written.
using Attributes = std::vector<Attribute>;

/// Nothing where they are malformed. Of an attribute that comes twice the last one counts for the kernel (lib/nlattr.c,
/// __nla_validate_parse): an earlier one would count in its place where the last is left out.
std::optional<Attributes> ReadAttributes(ByteView bytes) {
  Attributes attributes;
  AttributeReader reader(bytes);
  while (const auto attribute = reader.Next()) {
    std::erase_if(attributes, [&](const Attribute& earlier) { return earlier.type == attribute->type; });
    attributes.push_back(*attribute);
  }
  if (reader.malformed()) return std::nullopt;
  return attributes;
}

bool Has(const Attributes& attributes, uint16_t type) {
  return std::any_of(attributes.begin(), attributes.end(), [type](const Attribute& attribute) { return attribute.type == type; });
}

bool Applies(const Amendment& amendment, const Attributes& attributes) {
  if (amendment.with != 0 && !Has(attributes, amendment.with)) return false;
  return std::none_of(std::begin(amendment.without), std::end(amendment.without),
                      [&](uint16_t type) { return type != 0 && Has(attributes, type); });
}

bool IsZero(ByteView payload) {
  return std::all_of(payload.begin(), payload.end(), [](uint8_t byte) { return byte == 0; });
}

/// Writes an attribute as the amendment of it says; `attribute` is null where it is missing.
void PutAmended(const Amendment& amendment, const Attribute* attribute, MessageWriter& writer) {
  const uint32_t number = attribute == nullptr ? 0 : attribute->Integer<uint32_t>(kBig).value_or(0);
  switch (amendment.act) {
    case Act::kOmit:
      return;
    case Act::kOmitZero:
      if (attribute != nullptr && !IsZero(attribute->payload)) writer.Put(attribute->raw_type, attribute->payload);
      return;
    case Act::kClearBits:
      if (attribute != nullptr) writer.PutInteger(amendment.attribute, number & ~amendment.bits, kBig);
      return;
    case Act::kSetBits:
      return writer.PutInteger(amendment.attribute, number | amendment.bits, kBig);
  }
}

bool IsAmended(std::string_view name) {
  return std::any_of(std::begin(kAmendments), std::end(kAmendments), [name](const Amendment& each) { return name == each.expression; });
}

/// True for a list with an expression that is amended; false for one that is malformed, which is taken as it is.
bool HoldsAmended(ByteView list) {
  bool found = false;
  AttributeReader reader(list);
  while (const auto entry = reader.Next()) {
    const auto parts = SplitVariant(entry->payload);
    found = found || (parts && IsAmended(parts->name));
  }
  return found && !reader.malformed();
}

/// The expressions of xtables in a rule.
constexpr std::string_view kXtables[] = {"match", "target"};

std::string_view NameOf(const Record& expression) {
  if (expression.schema != &OpaqueVariantSchema()) return expression.schema->name;
  const Value* name = expression.Find(kExpressionName);
  const auto* text = name == nullptr ? nullptr : name->As<std::string>();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

/// Where a family's packets say what they carry: `meta` by this key, or these bytes of a header.
struct ProtocolField {
  uint8_t family;
  const char* meta_key;
  const char* base;
  uint64_t offset;
  size_t length;
};
constexpr ProtocolField kProtocolFields[] = {
    {NFPROTO_IPV4, "l4proto", "network", 9, 1},   // struct iphdr, protocol
    {NFPROTO_IPV6, "l4proto", "network", 6, 1},   // struct ipv6hdr, nexthdr
    {NFPROTO_BRIDGE, "protocol", "link", 12, 2},  // struct ethhdr, h_proto
};

/// True where the expression loads what the packet carries.
bool LoadsProtocol(const ProtocolField& field, const Record& expression) {
  const std::string_view name = NameOf(expression);
  if (name == "meta") return TextField(expression, NFTA_META_KEY) == field.meta_key;
  return name == "payload" && TextField(expression, NFTA_PAYLOAD_BASE) == field.base &&
         NumberField(expression, NFTA_PAYLOAD_OFFSET) == field.offset && NumberField(expression, NFTA_PAYLOAD_LEN) == field.length;
}

/// What a comparison asks of the protocol; nothing where it is no comparison for equality of its length.
std::optional<Compat> ReadComparison(const ProtocolField& field, const Record& compare) {
  const Value* value = compare.Find(uint16_t{NFTA_CMP_DATA});
  const auto* bytes = value == nullptr ? nullptr : value->As<Bytes>();
  const std::string comparison = TextField(compare, NFTA_CMP_OP);
  const bool is_equal = comparison == "eq";
  if (bytes == nullptr || bytes->size() != field.length || (!is_equal && comparison != "neq")) return std::nullopt;
  // struct ebt_entry keeps the EtherType in network order, and the kernel copies the number there as it is.
  const uint32_t protocol = field.length == 2 ? Load<uint16_t>(bytes->data()) : (*bytes)[0];
  return Compat{protocol, is_equal ? 0u : uint32_t{NFT_RULE_COMPAT_F_INV}};
}

/// The field that says what packets of the family carry; null where xtables has no such family.
const ProtocolField* ProtocolFieldOf(uint8_t family) {
  const auto* found = std::find_if(std::begin(kProtocolFields), std::end(kProtocolFields),
                                   [family](const ProtocolField& field) { return field.family == family; });
  return found == std::end(kProtocolFields) ? nullptr : found;
}

/// The field of an object that holds the bytes of what it is.
const Field& RawData(const Schema& schema) {
  return *std::find_if(schema.fields.begin(), schema.fields.end(),
                       [](const Field& field) { return field.attribute == NFTA_OBJ_DATA && field.type == FieldType::kBytes; });
}

}  // namespace

bool AmendExpression(std::string_view name, ByteView bytes, MessageWriter& writer) {
  const auto attributes = IsAmended(name) ? ReadAttributes(bytes) : std::nullopt;
  if (!attributes) return false;
  std::vector<const Amendment*> amendments;
  for (const Amendment& amendment : kAmendments) {
    if (name == amendment.expression && Applies(amendment, *attributes)) amendments.push_back(&amendment);
  }
  for (const Attribute& attribute : *attributes) {
    const auto found =
        std::find_if(amendments.begin(), amendments.end(), [&](const Amendment* each) { return each->attribute == attribute.type; });
    if (found == amendments.end()) {
      writer.Put(attribute.raw_type, attribute.payload);
    } else {
      PutAmended(**found, &attribute, writer);
    }
  }
  for (const Amendment* amendment : amendments) {
    if (!Has(*attributes, amendment->attribute)) PutAmended(*amendment, nullptr, writer);
  }
  return true;
}

void PutAmendedList(uint16_t attribute, ByteView list, MessageWriter& writer) {
  if (!HoldsAmended(list)) return writer.Put(attribute | NLA_F_NESTED, list);
  const size_t nest = writer.BeginNest(attribute);
  AttributeReader reader(list);
  while (const auto entry = reader.Next()) {
    const auto parts = SplitVariant(entry->payload);
    if (!parts || !IsAmended(parts->name)) {
      writer.Put(entry->raw_type, entry->payload);
      continue;
    }
    const size_t expression = writer.BeginNest(entry->type);
    writer.PutString(kExpressionName, parts->name);
    PutVariantData(kExpressionVariants, parts->name, parts->data, writer);
    writer.EndNest(expression);
  }
  writer.EndNest(nest);
}

std::optional<Record> AmendObject(const Record& object) {
  const Value* data = object.Find(uint16_t{NFTA_OBJ_DATA});
  if (data == nullptr || NumberField(object, NFTA_OBJ_TYPE) != NFT_OBJECT_QUOTA) return std::nullopt;
  Bytes given, amended;
  MessageWriter attributes(given), writer(amended);
  if (const auto* bytes = data->As<Bytes>()) attributes.PutRaw(*bytes);
  if (const auto* record = data->As<Record>()) EncodeRecord(*record, attributes);
  if (!AmendExpression("quota", given, writer)) return std::nullopt;
  Record copy = object;
  std::erase_if(copy.fields, [](const auto& field) { return field.first->attribute == NFTA_OBJ_DATA; });
  copy.Set(&RawData(*object.schema), Value(std::move(amended)));
  return copy;
}

std::optional<Compat> DeriveCompat(uint8_t family, const Record& rule) {
  const ProtocolField* field = ProtocolFieldOf(family);
  const Value* list = rule.Find(uint16_t{NFTA_RULE_EXPRESSIONS});
  const auto* expressions = list == nullptr ? nullptr : list->As<List>();
  if (field == nullptr || expressions == nullptr || rule.Find(uint16_t{NFTA_RULE_COMPAT}) != nullptr) return std::nullopt;
  // The register that holds the protocol; 0, which nothing is loaded to (nft_parse_register_store), where none does.
  uint64_t loaded = 0;
  std::optional<Compat> asked;
  for (const Value& value : *expressions) {
    const Record* expression = value.As<Record>();
    if (expression == nullptr) continue;
    const std::string_view name = NameOf(*expression);
    if (std::find(std::begin(kXtables), std::end(kXtables), name) != std::end(kXtables)) return asked;
    if (LoadsProtocol(*field, *expression)) {
      loaded = NumberField(*expression, name == "meta" ? uint16_t{NFTA_META_DREG} : uint16_t{NFTA_PAYLOAD_DREG});
    } else if (name == "cmp" && !asked && loaded != 0 && NumberField(*expression, NFTA_CMP_SREG) == loaded) {
      asked = ReadComparison(*field, *expression);
      loaded = 0;
    }
  }
  return std::nullopt;
}

}  // namespace netplane::nftables
