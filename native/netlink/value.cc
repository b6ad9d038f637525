#include "netlink/value.h"

#include "netlink/schema.h"

namespace netplane {

const Value* Record::Find(const Field* field) const {
  for (const auto& [key, value] : fields) {
    if (key == field) return &value;
  }
  return nullptr;
}

const Value* Record::Find(uint16_t attribute) const {
  for (const auto& [key, value] : fields) {
    if (key->attribute == attribute) return &value;
  }
  return nullptr;
}

void Record::Set(const Field* field, Value value) {
  for (auto& [key, present] : fields) {
    if (key == field) {
      present = std::move(value);
      return;
    }
  }
  fields.emplace_back(field, std::move(value));
}

}  // namespace netplane
