// Between JS values and the plain C++ ones of native/netlink.
#ifndef NETPLANE_ADDON_CONVERT_H_
#define NETPLANE_ADDON_CONVERT_H_

#include <napi.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "netlink/batch.h"
#include "netlink/columns.h"
#include "netlink/result.h"
#include "netlink/schema.h"
#include "netlink/socket.h"
#include "netlink/value.h"

namespace netplane::addon {

/// An entry of a table of names.
template <typename T>
struct NamedValue {
  const char* name;
  T value;
};

/// The value of a name; null where the table has none.
template <typename T, size_t size>
const T* FindNamed(const NamedValue<T> (&table)[size], const std::string& name) {
  for (const auto& entry : table) {
    if (name == entry.name) return &entry.value;
  }
  return nullptr;
}

/// A JS value that does not fit its field (NativeInvalid of src/native/common.ts).
struct Invalid {
  std::string path;
  Napi::Value value;
  std::string allowed;
  Napi::Value ToJs(Napi::Env env) const;
};

/// Reads a JS object by the schema: names, types, ranges and lengths are checked; fields that only the kernel reports are passed over, so
/// that a listed object can be written again.
std::optional<Invalid> ReadRecord(const Napi::Object& object, const Schema& schema, const std::string& path, Record& record);

/// Makes JS objects of records. Names of properties are made once and valid in the handle scope that is current: one writer for each page
/// or job.
class RecordWriter {
 public:
  explicit RecordWriter(Napi::Env env) : env_(env) {}
  Napi::Object Write(const Record& record);

 private:
  Napi::Value WriteValue(const Value& value, FieldType type);
  Napi::Value WriteNumber(uint64_t number, FieldType type);
  Napi::Array WriteOpaque(const std::vector<OpaqueAttribute>& attributes);
  napi_value Name(const char* name);

  Napi::Env env_;
  /// By address: names are literals of the schemas, few and shared.
  std::unordered_map<const char*, napi_value> names_;
};

/// One record as a JS object.
inline Napi::Object WriteRecord(Napi::Env env, const Record& record) { return RecordWriter(env).Write(record); }

/// Copies typed arrays into columns after checking every size against `rows`. Properties that are no column are refused.
std::optional<Invalid> ReadColumns(const Napi::Object& object, ColumnSet& columns);

/// Columns as typed arrays. Memory of 16 KiB or more moves to JS without a copy where the engine takes external memory.
Napi::Object WriteColumns(Napi::Env env, ColumnSet&& columns);

/// NativeFailure of src/native/common.ts.
Napi::Object WriteFailure(Napi::Env env, const Error& error);
/// `{ failure }`, the losing half of NativeOutcome.
Napi::Object FailedOutcome(Napi::Env env, const Error& error);
/// `{ value }`, the winning half.
Napi::Object Outcome(Napi::Env env, const Napi::Value& value);
/// A promise that is resolved already.
Napi::Value Resolved(Napi::Env env, const Napi::Value& value);
Napi::Object WriteItemError(Napi::Env env, const ItemError& error);
Napi::Array WriteItemErrors(Napi::Env env, const std::vector<ItemError>& errors);

/// Bytes as a Uint8Array, moved where possible.
Napi::Value WriteBytes(Napi::Env env, Bytes&& bytes);

/// The enumerable names of an object; empty, with the exception pending, where a proxy throws. Not Napi's GetPropertyNames: where that
/// fails its result has no environment, and the first use of it ends the process.
std::vector<std::string> PropertyNames(const Napi::Object& object);

/// Optional members of an options object; a member of another type counts as absent (options are checked in TypeScript).
std::string ReadText(const Napi::Object& object, const char* name);
std::optional<double> ReadNumber(const Napi::Object& object, const char* name);
bool ReadBool(const Napi::Object& object, const char* name);
/// `deadlineMs` from now; far away where absent.
Deadline ReadDeadline(const Napi::Object& object);

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_CONVERT_H_
