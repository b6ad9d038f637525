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

bool IsAmendedName(std::string_view name) {
  return std::any_of(std::begin(kAmendments), std::end(kAmendments), [name](const Amendment& each) { return name == each.expression; });
}

/// The expressions of xtables in a rule.
constexpr std::string_view kXtables[] = {"match", "target"};

/// Where a family's packets say what they carry: `meta` by this key, or these bytes of a header.
struct ProtocolField {
  uint8_t family;
  uint32_t meta_key;
  uint32_t base;
  uint32_t offset;
  uint32_t length;
};
constexpr ProtocolField kProtocolFields[] = {
    {NFPROTO_IPV4, NFT_META_L4PROTO, NFT_PAYLOAD_NETWORK_HEADER, 9, 1},  // struct iphdr, protocol
    {NFPROTO_IPV6, NFT_META_L4PROTO, NFT_PAYLOAD_NETWORK_HEADER, 6, 1},  // struct ipv6hdr, nexthdr
    {NFPROTO_BRIDGE, NFT_META_PROTOCOL, NFT_PAYLOAD_LL_HEADER, 12, 2},   // struct ethhdr, h_proto
};

/// A number of an expression; nothing where it has none of this type.
std::optional<uint32_t> NumberIn(ByteView attributes, uint16_t type) {
  AttributeReader reader(attributes);
  const ByteView payload = FindLast(reader, type);
  if (payload.size() < sizeof(uint32_t)) return std::nullopt;
  return Load<uint32_t>(payload.data(), kBig);
}

/// The register to which the expression loads what the packet carries; nothing where it loads something else, or nothing.
std::optional<uint32_t> LoadsProtocol(const ProtocolField& field, const VariantParts& expression) {
  const auto is = [&](uint16_t type, uint32_t wanted) { return NumberIn(expression.data, type) == wanted; };
  if (expression.name == "meta" && is(NFTA_META_KEY, field.meta_key)) return NumberIn(expression.data, NFTA_META_DREG);
  const bool loads = expression.name == "payload" && is(NFTA_PAYLOAD_BASE, field.base) && is(NFTA_PAYLOAD_OFFSET, field.offset) &&
                     is(NFTA_PAYLOAD_LEN, field.length);
  return loads ? NumberIn(expression.data, NFTA_PAYLOAD_DREG) : std::nullopt;
}

/// What a comparison asks of the protocol; nothing where it is no comparison for equality of its length.
std::optional<Compat> ReadComparison(const ProtocolField& field, ByteView compare) {
  AttributeReader reader(compare);
  const auto value = OnlyAttribute(FindLast(reader, NFTA_CMP_DATA));
  const auto comparison = NumberIn(compare, NFTA_CMP_OP);
  const bool is_equal = comparison == uint32_t{NFT_CMP_EQ};
  if (!value || value->type != kDataValue || value->payload.size() != field.length) return std::nullopt;
  if (!is_equal && comparison != uint32_t{NFT_CMP_NEQ}) return std::nullopt;
  // struct ebt_entry keeps the EtherType in network order, and the kernel copies the number there as it is.
  const uint32_t protocol = field.length == 2 ? Load<uint16_t>(value->payload.data()) : value->payload[0];
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

bool IsAmended(ByteView expression) {
  const auto parts = SplitVariant(expression);
  return parts && IsAmendedName(parts->name);
}

bool HoldsAmended(ByteView list) {
  bool found = false;
  AttributeReader reader(list);
  while (const auto entry = reader.Next()) found = found || IsAmended(entry->payload);
  return found && !reader.malformed();
}

bool AmendExpression(std::string_view name, ByteView bytes, MessageWriter& writer) {
  const auto attributes = IsAmendedName(name) ? ReadAttributes(bytes) : std::nullopt;
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
    if (!parts || !IsAmendedName(parts->name)) {
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

std::optional<Compat> DeriveCompat(uint8_t family, ByteView expressions) {
  const ProtocolField* field = ProtocolFieldOf(family);
  if (field == nullptr) return std::nullopt;
  // The register that holds the protocol.
  std::optional<uint32_t> loaded;
  std::optional<Compat> asked;
  AttributeReader reader(expressions);
  while (const auto entry = reader.Next()) {
    const auto expression = SplitVariant(entry->payload);
    if (!expression) continue;
    if (std::find(std::begin(kXtables), std::end(kXtables), expression->name) != std::end(kXtables)) return asked;
    if (const auto loads = LoadsProtocol(*field, *expression)) {
      loaded = loads;
    } else if (expression->name == "cmp" && !asked && loaded && NumberIn(expression->data, NFTA_CMP_SREG) == loaded) {
      asked = ReadComparison(*field, expression->data);
      loaded = std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace netplane::nftables
