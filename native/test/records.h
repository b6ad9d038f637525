// Making, writing and comparing records in tests.
#ifndef NETPLANE_TEST_RECORDS_H_
#define NETPLANE_TEST_RECORDS_H_

#include <initializer_list>
#include <string>

#include "netlink/schema.h"

namespace netplane {

/// A record of the named fields; a name that the schema lacks fails the test.
Record Make(const Schema& schema, std::initializer_list<std::pair<const char*, Value>> fields);
/// An expression by its kernel name.
Record Expression(const char* name, std::initializer_list<std::pair<const char*, Value>> fields);
Value Str(const char* text);
Value Num(uint64_t number);
Value Names(std::initializer_list<const char*> names);
Value Raw(std::initializer_list<int> bytes);
/// A list of records.
Value Records(std::initializer_list<Record> records);

Bytes Encode(const Record& record);
Bytes FromHex(std::string_view hex);
std::string ToHex(ByteView bytes);
/// The bytes of native/test/fixtures/<name>, without its comment lines.
Bytes ReadHexFixture(const std::string& name);
/// Path of native/test/fixtures/<name>.
std::string FixturePath(const std::string& name);

/// Equal in every field and opaque attribute, in order.
bool IsSame(const Value& a, const Value& b);
bool IsSame(const Record& a, const Record& b);

}  // namespace netplane

#endif  // NETPLANE_TEST_RECORDS_H_
