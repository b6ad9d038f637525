#include "test/records.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "nftables/schemas.h"

namespace netplane {

Record Make(const Schema& schema, std::initializer_list<std::pair<const char*, Value>> fields) {
  Record record{&schema, {}, {}};
  for (const auto& [name, value] : fields) {
    const Field* field = schema.FindName(name);
    EXPECT_NE(field, nullptr) << schema.name << " has no field " << name;
    if (field != nullptr) record.Set(field, value);
  }
  return record;
}

Record Expression(const char* name, std::initializer_list<std::pair<const char*, Value>> fields) {
  const Schema* schema = nftables::kExpressionVariants.Find(name);
  EXPECT_NE(schema, nullptr) << "no expression " << name;
  return schema == nullptr ? Record{} : Make(*schema, fields);
}

Value Str(const char* text) { return Value(std::string(text)); }
Value Num(uint64_t number) { return Value(number); }

Value Names(std::initializer_list<const char*> names) {
  List list;
  for (const char* name : names) list.push_back(Str(name));
  return Value(std::move(list));
}

Value Raw(std::initializer_list<int> bytes) {
  Bytes raw;
  for (const int byte : bytes) raw.push_back(static_cast<uint8_t>(byte));
  return Value(std::move(raw));
}

Value Records(std::initializer_list<Record> records) {
  List list;
  for (const Record& record : records) list.emplace_back(record);
  return Value(std::move(list));
}

Bytes Encode(const Record& record) {
  Bytes bytes;
  MessageWriter writer(bytes);
  EncodeRecord(record, writer);
  EXPECT_FALSE(writer.overflowed());
  return bytes;
}

Bytes FromHex(std::string_view hex) {
  Bytes bytes;
  int high = -1;
  for (const char c : hex) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) continue;
    if (high >= 0) bytes.push_back(static_cast<uint8_t>(high << 4 | digit));
    high = high >= 0 ? -1 : digit;
  }
  return bytes;
}

std::string ToHex(ByteView bytes) {
  std::string hex;
  for (const uint8_t byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string FixturePath(const std::string& name) { return (std::filesystem::path(__FILE__).parent_path() / "fixtures" / name).string(); }

Bytes ReadHexFixture(const std::string& name) {
  std::ifstream file(FixturePath(name));
  EXPECT_TRUE(file.is_open()) << "needs " << FixturePath(name);
  std::string hex;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with('#')) hex += line;
  }
  return FromHex(hex);
}

bool IsSame(const Record& a, const Record& b) {
  if (a.schema != b.schema || a.fields.size() != b.fields.size() || a.opaque.size() != b.opaque.size()) return false;
  for (size_t i = 0; i < a.fields.size(); ++i) {
    if (a.fields[i].first != b.fields[i].first || !IsSame(a.fields[i].second, b.fields[i].second)) return false;
  }
  for (size_t i = 0; i < a.opaque.size(); ++i) {
    if (a.opaque[i].type != b.opaque[i].type || a.opaque[i].payload != b.opaque[i].payload) return false;
  }
  return true;
}

bool IsSame(const Value& a, const Value& b) {
  if (a.content().index() != b.content().index()) return false;
  if (const auto* record = a.As<Record>()) return IsSame(*record, *b.As<Record>());
  if (const auto* list = a.As<List>()) {
    const List& other = *b.As<List>();
    if (list->size() != other.size()) return false;
    for (size_t i = 0; i < list->size(); ++i) {
      if (!IsSame((*list)[i], other[i])) return false;
    }
    return true;
  }
  const auto same = [&]<typename T>(const T*) { return a.As<T>() != nullptr && *a.As<T>() == *b.As<T>(); };
  return a.empty() || same((bool*)nullptr) || same((uint64_t*)nullptr) || same((int64_t*)nullptr) || same((std::string*)nullptr) ||
         same((Bytes*)nullptr);
}

}  // namespace netplane
