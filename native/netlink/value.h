// A plain tree of values: what an object looks like between the caller's language and netlink attributes.
#ifndef NETPLANE_NETLINK_VALUE_H_
#define NETPLANE_NETLINK_VALUE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "netlink/bytes.h"

namespace netplane {

struct Field;
struct Schema;
class Value;

/// An attribute that no schema knows, kept as it came so that it can be written again.
struct OpaqueAttribute {
  /// nla_type with its flags (NLA_F_NESTED 0x8000, NLA_F_NET_BYTEORDER 0x4000).
  uint16_t type = 0;
  Bytes payload;
};

/// A set of named fields; `schema` names them and says how each lies on the wire.
struct Record {
  const Schema* schema = nullptr;
  std::vector<std::pair<const Field*, Value>> fields;
  std::vector<OpaqueAttribute> opaque;

  /// Null where the field is not set.
  const Value* Find(const Field* field) const;
  const Value* Find(uint16_t attribute) const;
  /// Sets the field, in place of an earlier value.
  void Set(const Field* field, Value value);
};

using List = std::vector<Value>;

/// Nothing, a truth, an integer (unsigned or signed), text, bytes, a list or a record. Decoders give unsigned integers as uint64_t and kS32
/// as int64_t; encoders take either.
class Value {
 public:
  using Content = std::variant<std::monostate, bool, uint64_t, int64_t, std::string, Bytes, List, Record>;
  Value() = default;
  template <typename T>
  explicit Value(T content) : content_(std::move(content)) {}

  template <typename T>
  const T* As() const {
    return std::get_if<T>(&content_);
  }
  template <typename T>
  T* As() {
    return std::get_if<T>(&content_);
  }
  bool empty() const { return std::holds_alternative<std::monostate>(content_); }
  const Content& content() const { return content_; }

 private:
  Content content_;
};

}  // namespace netplane

#endif  // NETPLANE_NETLINK_VALUE_H_
