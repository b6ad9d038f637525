// The attribute tables as TypeScript has them (src/nftables/wire/tables.json) are those of the schemas.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "netlink/schema.h"
#include "nftables/schemas.h"

namespace netplane::nftables {
namespace {

// In the order of FieldType.
constexpr const char* kTypes[] = {"u8",     "u16",        "u32",       "u64",     "s32",     "safe64",      "enum8",   "enum16",
                                  "enum32", "flags8",     "flags16",   "flags32", "string",  "bytes",       "present", "nested",
                                  "list",   "stringList", "dataBytes", "data",    "variant", "variantList", "ignored"};
static_assert(std::size(kTypes) == static_cast<size_t>(FieldType::kIgnored) + 1);
constexpr Kind kKinds[] = {Kind::kTable, Kind::kChain, Kind::kRule, Kind::kSet, Kind::kElements, Kind::kObject, Kind::kFlowtable};

std::string Quoted(const char* text) { return std::string("\"") + text + "\""; }

// Names for numbers: {"accept": 1}.
std::string Names(std::span<const NamedNumber> names) {
  std::string text;
  for (const NamedNumber& entry : names) text += (text.empty() ? "" : ", ") + Quoted(entry.name) + ": " + std::to_string(entry.number);
  return "{ " + text + " }";
}

/// Writes schemas, each once; fields refer to them by number.
class TablesWriter {
 public:
  size_t NumberOf(const Schema* schema) {
    for (size_t i = 0; i < schemas_.size(); ++i) {
      if (schemas_[i] == schema) return i;
    }
    schemas_.push_back(schema);
    return schemas_.size() - 1;
  }

  std::string Write() {
    std::string kinds;
    for (const Kind kind : kKinds) kinds += (kinds.empty() ? "" : ", ") + std::to_string(NumberOf(&SchemaOf(kind)));
    std::string variants;
    for (const Schema* schema : kExpressionVariants.schemas) variants += (variants.empty() ? "" : ", ") + std::to_string(NumberOf(schema));
    const size_t opaque = NumberOf(&OpaqueVariantSchema());
    std::string schemas;
    for (size_t i = 0; i < schemas_.size(); ++i) schemas += (i == 0 ? "    " : ",\n    ") + WriteSchema(*schemas_[i]);
    return "{\n  \"kinds\": [" + kinds + "],\n  \"variants\": [" + variants + "],\n  \"opaque\": " + std::to_string(opaque) +
           ",\n  \"families\": " + Names(kFamilies) + ",\n  \"schemas\": [\n" + schemas + "\n  ]\n}\n";
  }

 private:
  std::string WriteSchema(const Schema& schema) {
    std::string text =
        "{ \"name\": " + Quoted(schema.name) + ", \"isVariant\": " + (schema.is_variant ? "true" : "false") + ", \"fields\": [";
    for (size_t i = 0; i < schema.fields.size(); ++i) text += (i == 0 ? "\n      " : ",\n      ") + WriteField(schema.fields[i]);
    return text + (schema.fields.empty() ? "] }" : "\n    ] }");
  }

  std::string WriteField(const Field& field) {
    std::string text = "{ \"attribute\": " + std::to_string(field.attribute) + ", \"name\": " + Quoted(field.name) +
                       ", \"type\": " + Quoted(kTypes[static_cast<size_t>(field.type)]);
    if (field.order == ByteOrder::kHost) text += ", \"isHost\": true";
    if (field.direction == Direction::kRequired) text += ", \"direction\": \"required\"";
    if (field.direction == Direction::kOutput) text += ", \"direction\": \"output\"";
    if (!field.names.empty()) text += ", \"names\": " + Names(field.names);
    // What is ignored is described for traces only.
    if (field.nested != nullptr && field.type != FieldType::kIgnored) text += ", \"nested\": " + std::to_string(NumberOf(field.nested));
    if (field.element != 1) text += ", \"element\": " + std::to_string(field.element);
    if (field.max_length != 0) text += ", \"most\": " + std::to_string(field.max_length);
    if (field.when != nullptr) {
      text += ", \"when\": { \"attribute\": " + std::to_string(field.when->attribute) +
              ", \"number\": " + std::to_string(field.when->number) + " }";
    }
    return text + " }";
  }

  std::vector<const Schema*> schemas_;
};

TEST(NftablesTables, AreThoseOfTypeScript) {
  const auto path = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "src/nftables/wire/tables.json";
  const std::string written = TablesWriter().Write();
  // What renews the file after a change of the schemas.
  if (std::getenv("NETPLANE_WRITE_TABLES") != nullptr) std::ofstream(path) << written;
  std::stringstream kept;
  kept << std::ifstream(path).rdbuf();
  EXPECT_EQ(kept.str(), written) << "src/nftables/wire/tables.json is renewed by NETPLANE_WRITE_TABLES=1 npm run test:native";
}

}  // namespace
}  // namespace netplane::nftables
