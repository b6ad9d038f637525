#include "netlink/field_type.h"
#include "netlink/schema.h"

namespace netplane {
namespace {

uint64_t NumberOf(const Field& field, const Value& value) {
  if (const auto* number = value.As<uint64_t>()) return *number;
  if (const auto* number = value.As<int64_t>()) return static_cast<uint64_t>(*number);
  if (const auto* truth = value.As<bool>()) return *truth ? 1 : 0;
  const auto* text = value.As<std::string>();
  for (const NamedNumber& named : field.names) {
    if (text != nullptr && *text == named.name) return static_cast<uint64_t>(named.number);
  }
  uint64_t mask = 0;
  if (const auto* list = value.As<List>()) {
    for (const Value& entry : *list) mask |= NumberOf(field, entry);
  }
  return mask;
}

void PutNumber(const Field& field, size_t width, uint64_t number, MessageWriter& writer) {
  uint8_t bytes[sizeof number];
  Store(bytes, number, ByteOrder::kBig);
  const ByteView big = ByteView(bytes).subspan(sizeof number - width);
  if (field.order == ByteOrder::kBig) return writer.Put(field.attribute, big);
  switch (width) {
    case 1:
      return writer.PutInteger(field.attribute, static_cast<uint8_t>(number));
    case 2:
      return writer.PutInteger(field.attribute, static_cast<uint16_t>(number));
    case 4:
      return writer.PutInteger(field.attribute, static_cast<uint32_t>(number));
    default:
      return writer.PutInteger(field.attribute, number);
  }
}

/// Runs `write` inside a nest of the given type.
template <typename Write>
void Nest(uint16_t attribute, MessageWriter& writer, Write write) {
  const size_t token = writer.BeginNest(attribute);
  write();
  writer.EndNest(token);
}

/// Amends the attributes of a variant that were written since `start`.
void Amend(const VariantTable& variants, std::string_view name, MessageWriter::Mark start, MessageWriter& writer) {
  Bytes amended;
  MessageWriter inner(amended);
  if (variants.amend == nullptr || !variants.amend(name, writer.Since(start), inner)) return;
  writer.Restore({start.size, writer.overflowed()});
  writer.PutRaw(amended);
}

void EncodeVariant(const VariantTable& variants, uint16_t attribute, const Record& record, MessageWriter& writer) {
  Nest(attribute, writer, [&] {
    if (record.schema == &OpaqueVariantSchema()) {
      const Value* name = record.Find(kExpressionName);
      const Value* data = record.Find(kExpressionData);
      const auto* text = name == nullptr ? nullptr : name->As<std::string>();
      const auto* bytes = data == nullptr ? nullptr : data->As<Bytes>();
      const std::string_view known = text == nullptr ? std::string_view() : std::string_view(*text);
      writer.PutString(kExpressionName, known);
      if (bytes != nullptr && !bytes->empty()) PutVariantData(variants, known, *bytes, writer);
      return;
    }
    writer.PutString(kExpressionName, record.schema->name);
    // As libnftnl does: what has no attributes at all (notrack) has no DATA either.
    if (record.schema->fields.empty()) return;
    Nest(kExpressionData, writer, [&] {
      const MessageWriter::Mark start = writer.Save();
      EncodeRecord(record, writer);
      Amend(variants, record.schema->name, start, writer);
    });
  });
}

void EncodeData(const Value& value, MessageWriter& writer) {
  if (const auto* bytes = value.As<Bytes>()) writer.Put(kDataValue, *bytes);
  if (const auto* verdict = value.As<Record>()) Nest(kDataVerdict, writer, [&] { EncodeRecord(*verdict, writer); });
}

void EncodeEntry(const Field& field, const Value& entry, MessageWriter& writer) {
  const auto* record = entry.As<Record>();
  const auto* text = entry.As<std::string>();
  if (field.type == FieldType::kStringList) {
    if (text != nullptr) writer.PutString(field.element, *text);
  } else if (record == nullptr) {
    return;
  } else if (field.type == FieldType::kVariantList) {
    EncodeVariant(*field.variants, field.element, *record, writer);
  } else {
    Nest(field.element, writer, [&] { EncodeRecord(*record, writer); });
  }
}

void EncodeRecordValue(const Field& field, const Record& record, MessageWriter& writer) {
  if (field.type == FieldType::kVariant) return EncodeVariant(*field.variants, field.attribute, record, writer);
  Nest(field.attribute, writer, [&] { EncodeRecord(record, writer); });
}

void EncodeField(const Field& field, const Value& value, MessageWriter& writer) {
  if (const size_t width = NumberTypeOf(field.type).width; width != 0) return PutNumber(field, width, NumberOf(field, value), writer);
  const auto* bytes = value.As<Bytes>();
  switch (field.type) {
    case FieldType::kString:
      if (const auto* text = value.As<std::string>()) writer.PutString(field.attribute, *text);
      return;
    case FieldType::kBytes:
      if (bytes != nullptr) writer.Put(field.attribute, *bytes);
      return;
    case FieldType::kPresent:
      if (const auto* truth = value.As<bool>(); truth != nullptr && *truth) writer.PutFlag(field.attribute);
      return;
    case FieldType::kData:
    case FieldType::kDataBytes:
      return Nest(field.attribute, writer, [&] { EncodeData(value, writer); });
    case FieldType::kNested:
    case FieldType::kVariant:
      if (const auto* record = value.As<Record>()) EncodeRecordValue(field, *record, writer);
      return;
    case FieldType::kList:
    case FieldType::kStringList:
    case FieldType::kVariantList:
      if (const auto* list = value.As<List>()) {
        Nest(field.attribute, writer, [&] {
          for (const Value& entry : *list) EncodeEntry(field, entry, writer);
        });
      }
      return;
    default:
      return;
  }
}

}  // namespace

void PutVariantData(const VariantTable& variants, std::string_view name, ByteView attributes, MessageWriter& writer) {
  Bytes amended;
  MessageWriter inner(amended);
  const bool is_amended = variants.amend != nullptr && variants.amend(name, attributes, inner);
  writer.Put(kExpressionData | 0x8000 /* NLA_F_NESTED */, is_amended ? ByteView(amended) : attributes);
}

void EncodeRecord(const Record& record, MessageWriter& writer) {
  for (const auto& [field, value] : record.fields) EncodeField(*field, value, writer);
  for (const OpaqueAttribute& attribute : record.opaque) writer.Put(attribute.type, attribute.payload);
}

}  // namespace netplane
