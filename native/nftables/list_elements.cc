#include <algorithm>
#include <functional>
#include <string_view>

#include "nftables/elements.h"
#include "nftables/request.h"

namespace netplane::nftables {
namespace {

/// What makes a row another element than its neighbours: an interval's end may have the key of the next one's start.
struct Identity {
  ByteView key;
  ByteView key_end;
  uint32_t flags = 0;

  bool operator==(const Identity& other) const {
    return flags == other.flags && std::equal(key.begin(), key.end(), other.key.begin(), other.key.end()) &&
           std::equal(key_end.begin(), key_end.end(), other.key_end.begin(), other.key_end.end());
  }
};

struct Entry {
  size_t hash = 0;
  const ColumnSet* chunk = nullptr;
  size_t row = 0;

  Identity identity() const {
    return {chunk->Fixed(kKey, row), chunk->has(kKeyEnd) ? chunk->Fixed(kKeyEnd, row) : ByteView(),
            chunk->has(kElementFlags) ? chunk->At<uint32_t>(kElementFlags, row) : 0};
  }
};

size_t HashOf(ByteView key) {
  return std::hash<std::string_view>()(std::string_view(reinterpret_cast<const char*>(key.data()), key.size()));
}

}  // namespace

bool HasAnyFlag(const Record& set, std::initializer_list<std::string_view> names) {
  const Value* flags = set.Find(NFTA_SET_FLAGS);
  const List* list = flags ? flags->As<List>() : nullptr;
  if (!list) return false;
  for (const Value& flag : *list) {
    const auto* name = flag.As<std::string>();
    if (name && std::find(names.begin(), names.end(), *name) != names.end()) return true;
  }
  return false;
}

bool HasRepeatedRows(const std::vector<ColumnSet>& chunks) {
  std::vector<Entry> entries;
  for (const ColumnSet& chunk : chunks) {
    for (size_t row = 0; row < chunk.rows(); ++row) entries.push_back({HashOf(chunk.Fixed(kKey, row)), &chunk, row});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.hash < b.hash; });
  for (size_t i = 0; i < entries.size(); ++i) {
    for (size_t j = i + 1; j < entries.size() && entries[j].hash == entries[i].hash; ++j) {
      if (entries[i].identity() == entries[j].identity()) return true;
    }
  }
  return false;
}

}  // namespace netplane::nftables
