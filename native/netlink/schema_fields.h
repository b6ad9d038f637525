// How the tables of all families write their fields: a builder for each form. Numbers are in network byte order unless Host says otherwise.
#ifndef NETPLANE_NETLINK_SCHEMA_FIELDS_H_
#define NETPLANE_NETLINK_SCHEMA_FIELDS_H_

#include <cstdint>
#include <span>

#include "netlink/schema.h"

namespace netplane {

constexpr Direction kOptional = Direction::kOptional;
constexpr Direction kRequired = Direction::kRequired;
constexpr Direction kOutput = Direction::kOutput;

/// A number, a truth, bytes or texts of any length, or what is read over.
constexpr Field Plain(uint16_t attribute, const char* kernel_name, const char* name, FieldType type, Direction direction = kOptional) {
  return {attribute, kernel_name, name, type, ByteOrder::kBig, direction};
}

/// A text of at most `max_length` bytes without its NUL.
constexpr Field Text(uint16_t attribute, const char* kernel_name, const char* name, uint16_t max_length, Direction direction = kOptional) {
  return {attribute, kernel_name, name, FieldType::kString, ByteOrder::kBig, direction, {}, nullptr, 1, max_length};
}

/// Texts, each in an attribute of type `element`.
constexpr Field Texts(uint16_t attribute, const char* kernel_name, const char* name, uint16_t element, Direction direction = kOptional) {
  return {attribute, kernel_name, name, FieldType::kStringList, ByteOrder::kBig, direction, {}, nullptr, element};
}

/// At most `max_length` bytes.
constexpr Field Octets(uint16_t attribute, const char* kernel_name, const char* name, uint16_t max_length,
                       Direction direction = kOptional) {
  return {attribute, kernel_name, name, FieldType::kBytes, ByteOrder::kBig, direction, {}, nullptr, 1, max_length};
}

/// An enumeration or flags.
constexpr Field Named(uint16_t attribute, const char* kernel_name, const char* name, FieldType type, std::span<const NamedNumber> names,
                      Direction direction = kOptional) {
  return {attribute, kernel_name, name, type, ByteOrder::kBig, direction, names};
}

/// Something with a schema of its own: a record, a list of records, or data that may be one.
constexpr Field Nested(uint16_t attribute, const char* kernel_name, const char* name, FieldType type, const Schema* nested,
                       Direction direction = kOptional) {
  return {attribute, kernel_name, name, type, ByteOrder::kBig, direction, {}, nested};
}

/// A record with a schema of its own.
constexpr Field Nested(uint16_t attribute, const char* kernel_name, const char* name, const Schema* nested,
                       Direction direction = kOptional) {
  return Nested(attribute, kernel_name, name, FieldType::kNested, nested, direction);
}

/// A variant, or a list of them.
constexpr Field Variant(uint16_t attribute, const char* kernel_name, const char* name, FieldType type, const VariantTable* variants) {
  Field field = Plain(attribute, kernel_name, name, type);
  field.variants = variants;
  return field;
}

/// The same field in the machine's byte order.
constexpr Field Host(Field field) {
  field.order = ByteOrder::kHost;
  return field;
}

}  // namespace netplane

// An attribute by its kernel name: the number and the spelling.
#define NETPLANE_ATTRIBUTE(attribute) attribute, #attribute

#endif  // NETPLANE_NETLINK_SCHEMA_FIELDS_H_
