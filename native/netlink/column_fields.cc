#include "netlink/column_fields.h"

namespace netplane {

uint32_t NumberAt(const ColumnSet& columns, size_t column, size_t row) {
  switch (ColumnElementSize(columns.specs()[column].type)) {
    case 1:
      return columns.At<uint8_t>(column, row);
    case 2:
      return columns.At<uint16_t>(column, row);
    default:
      return columns.At<uint32_t>(column, row);
  }
}

void AddNumber(ColumnSet& columns, size_t column, uint32_t number) {
  switch (ColumnElementSize(columns.specs()[column].type)) {
    case 1:
      return columns.Add<uint8_t>(column, static_cast<uint8_t>(number));
    case 2:
      return columns.Add<uint16_t>(column, static_cast<uint16_t>(number));
    default:
      return columns.Add<uint32_t>(column, number);
  }
}

namespace {

void PutField(const ColumnField& field, const ColumnSet& columns, size_t row, size_t address_length, MessageWriter& writer) {
  switch (field.type) {
    case WireType::kU8:
      return writer.PutInteger<uint8_t>(field.attribute, static_cast<uint8_t>(NumberAt(columns, field.column, row)));
    case WireType::kU16:
      return writer.PutInteger<uint16_t>(field.attribute, static_cast<uint16_t>(NumberAt(columns, field.column, row)), field.order);
    case WireType::kU32:
      return writer.PutInteger<uint32_t>(field.attribute, NumberAt(columns, field.column, row), field.order);
    case WireType::kText:
      if (const auto text = columns.Symbol(field.column, row)) writer.PutString(field.attribute, *text);
      return;
    case WireType::kAddress:
      return writer.Put(field.attribute, columns.Fixed(field.column, row).first(address_length));
    case WireType::kBlob:
      if (const ByteView bytes = columns.Blob(field.column, row); !bytes.empty()) writer.Put(field.attribute, bytes);
      return;
    case WireType::kBytes:
      return;
  }
}

}  // namespace

void PutFields(std::span<const ColumnField> fields, const ColumnSet& columns, size_t row, uint8_t parts, size_t address_length,
               MessageWriter& writer) {
  for (const ColumnField& field : fields) {
    if (!(field.when & parts) || !columns.has(field.column)) continue;
    if (field.skips_zero && NumberAt(columns, field.column, row) == 0) continue;
    PutField(field, columns, row, address_length, writer);
  }
}

}  // namespace netplane
