#include <cstring>
#include <memory>
#include <utility>

#include "addon/convert.h"

namespace netplane::addon {
namespace {

struct ArrayForm {
  napi_typedarray_type type;
  const char* name;
};

// By ColumnType.
constexpr ArrayForm kForms[] = {
    {napi_uint8_array, "Uint8Array"}, {napi_uint16_array, "Uint16Array"},       {napi_uint32_array, "Uint32Array"},
    {napi_int32_array, "Int32Array"}, {napi_biguint64_array, "BigUint64Array"}, {napi_float64_array, "Float64Array"},
    {napi_uint8_array, "Uint8Array"}, {napi_uint8_array, "Uint8Array"},         {napi_uint32_array, "Uint32Array"},
};

// An attribute's payload, its NUL included (struct nlattr has 16 bits for the length with the header).
constexpr size_t kMaxTextBytes = 65'531;

// Below this a copy is cheaper than what the engine keeps for memory that is not its own.
constexpr size_t kMinExternalBytes = size_t{16} << 10;

const ArrayForm& FormOf(ColumnType type) { return kForms[static_cast<size_t>(type)]; }

Napi::Value WriteTypedArray(Napi::Env env, napi_typedarray_type type, size_t length, Bytes&& bytes) {
  const size_t size = bytes.size();
  auto owned = std::make_unique<Bytes>(std::move(bytes));
  napi_value buffer = nullptr;
  const auto finalize = [](napi_env, void*, void* hint) { delete static_cast<Bytes*>(hint); };
  // Engines with a memory cage refuse memory that is not theirs.
  if (size >= kMinExternalBytes && napi_create_external_arraybuffer(env, owned->data(), size, finalize, owned.get(), &buffer) == napi_ok) {
    static_cast<void>(owned.release());  // The finalizer has it now.
  } else {
    void* data = nullptr;
    if (napi_create_arraybuffer(env, size, &data, &buffer) != napi_ok) return env.Undefined();
    if (size > 0) std::memcpy(data, owned->data(), size);
  }
  napi_value array = nullptr;
  if (napi_create_typedarray(env, type, length, buffer, 0, &array) != napi_ok) return env.Undefined();
  return {env, array};
}

Bytes BytesOf(const std::vector<uint32_t>& numbers) {
  const auto* first = reinterpret_cast<const uint8_t*>(numbers.data());
  return Bytes(first, first + numbers.size() * sizeof(uint32_t));
}

size_t LengthOf(ColumnType type, const Column& column) {
  const size_t size = ColumnElementSize(type);
  return size == 0 ? column.data.size() : column.data.size() / size;
}

// The bytes behind a property that must be a typed array of one kind; nothing where it is another thing.
std::optional<ByteView> ViewOf(const Napi::Value& value, const ArrayForm& form) {
  if (!value.IsTypedArray()) return std::nullopt;
  napi_typedarray_type type{};
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok || type != form.type)
    return std::nullopt;
  return ByteView(static_cast<const uint8_t*>(data), value.As<Napi::TypedArray>().ByteLength());
}

class ColumnReader {
 public:
  ColumnReader(const Napi::Object& object, ColumnSet& columns) : object_(object), columns_(columns) {}

  std::optional<Invalid> Read() {
    const auto rows = ReadNumber(object_, "rows");
    if (!rows || !(*rows >= 0 && *rows <= UINT32_MAX / 64) || *rows != static_cast<double>(static_cast<uint32_t>(*rows))) {
      return Invalid{"rows", object_.Get("rows"), "a whole number of rows up to 67108863"};
    }
    columns_.set_rows(static_cast<size_t>(*rows));
    if (auto invalid = RefuseUnknown()) return invalid;
    for (size_t i = 0; i < columns_.specs().size(); ++i) {
      if (auto invalid = ReadColumn(columns_.specs()[i], columns_[i])) return invalid;
    }
    if (auto fault = columns_.Check()) {
      const std::string name = fault->substr(0, fault->find(':'));
      return Invalid{name, object_.Get(name), "a column that fits the number of rows (" + *fault + ")"};
    }
    return std::nullopt;
  }

 private:
  bool IsKnown(const std::string& name) const {
    if (name == "rows") return true;
    for (const ColumnSpec& spec : columns_.specs()) {
      if (!name.starts_with(spec.name)) continue;
      const std::string suffix = name.substr(std::strlen(spec.name));
      if (suffix.empty() || (suffix == "Width" && spec.type == ColumnType::kFixed) ||
          (suffix == "Offsets" && spec.type == ColumnType::kBlob) || (suffix == "Table" && spec.type == ColumnType::kSymbol)) {
        return true;
      }
    }
    return false;
  }

  // A misspelt column would otherwise be a column without effect.
  std::optional<Invalid> RefuseUnknown() const {
    for (const std::string& name : PropertyNames(object_)) {
      if (IsKnown(name)) continue;
      std::string known = "rows";
      for (const ColumnSpec& spec : columns_.specs()) known += std::string(", ") + spec.name;
      return Invalid{name, object_.Get(name), "one of the columns " + known};
    }
    return std::nullopt;
  }

  std::optional<Invalid> ReadColumn(const ColumnSpec& spec, Column& column) {
    const Napi::Value value = object_.Get(spec.name);
    if (value.IsUndefined()) {
      if (spec.required) return Invalid{spec.name, value, FormOf(spec.type).name};
      return std::nullopt;
    }
    const auto view = ViewOf(value, FormOf(spec.type));
    if (!view) return Invalid{spec.name, value, FormOf(spec.type).name};
    if (!CanAllocate(view->size())) return Invalid{spec.name, value, "less than the memory that is left: there is none to copy it"};
    column.present = true;
    column.data.assign(view->begin(), view->end());
    if (spec.type == ColumnType::kFixed) {
      column.width = WidthOf(spec, *view);
      if (column.width == 0 && columns_.rows() > 0) return Invalid{spec.name, value, "at least a byte for every row"};
    }
    if (spec.type == ColumnType::kBlob) return ReadOffsets(spec, column);
    if (spec.type == ColumnType::kSymbol) return ReadTable(spec, column);
    return std::nullopt;
  }

  uint32_t WidthOf(const ColumnSpec& spec, ByteView view) const {
    if (spec.width != 0) return spec.width;
    return columns_.rows() == 0 ? 0 : static_cast<uint32_t>(view.size() / columns_.rows());
  }

  std::optional<Invalid> ReadOffsets(const ColumnSpec& spec, Column& column) {
    const std::string name = std::string(spec.name) + "Offsets";
    const Napi::Value value = object_.Get(name);
    const auto view = ViewOf(value, FormOf(ColumnType::kU32));
    if (!view) return Invalid{name, value, "Uint32Array"};
    column.offsets.resize(view->size() / sizeof(uint32_t));
    if (!view->empty()) std::memcpy(column.offsets.data(), view->data(), view->size());
    return std::nullopt;
  }

  std::optional<Invalid> ReadTable(const ColumnSpec& spec, Column& column) {
    const std::string name = std::string(spec.name) + "Table";
    const Napi::Value value = object_.Get(name);
    if (!value.IsArray()) return Invalid{name, value, "a list of texts"};
    const auto array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) {
      const Napi::Value entry = array.Get(i);
      std::string text = entry.IsString() ? entry.As<Napi::String>().Utf8Value() : std::string(1, '\0');
      if (text.find('\0') != std::string::npos || text.size() >= kMaxTextBytes) {
        return Invalid{name + "[" + std::to_string(i) + "]", entry, "text of less than 65531 bytes without NUL"};
      }
      column.table.push_back(std::move(text));
    }
    return std::nullopt;
  }

  const Napi::Object& object_;
  ColumnSet& columns_;
};

}  // namespace

std::optional<Invalid> ReadColumns(const Napi::Object& object, ColumnSet& columns) { return ColumnReader(object, columns).Read(); }

Napi::Value WriteBytes(Napi::Env env, Bytes&& bytes) {
  const size_t length = bytes.size();
  return WriteTypedArray(env, napi_uint8_array, length, std::move(bytes));
}

Napi::Object WriteColumns(Napi::Env env, ColumnSet&& columns) {
  auto object = Napi::Object::New(env);
  object.Set("rows", Napi::Number::New(env, static_cast<double>(columns.rows())));
  for (size_t i = 0; i < columns.specs().size(); ++i) {
    const ColumnSpec& spec = columns.specs()[i];
    Column& column = columns[i];
    if (!column.present) continue;
    const std::string name = spec.name;
    if (spec.type == ColumnType::kFixed) object.Set(name + "Width", Napi::Number::New(env, column.width));
    if (spec.type == ColumnType::kBlob) {
      object.Set(name + "Offsets", WriteTypedArray(env, napi_uint32_array, column.offsets.size(), BytesOf(column.offsets)));
    }
    if (spec.type == ColumnType::kSymbol) {
      auto table = Napi::Array::New(env, column.table.size());
      for (uint32_t entry = 0; entry < column.table.size(); ++entry) table.Set(entry, column.table[entry]);
      object.Set(name + "Table", table);
    }
    const size_t length = LengthOf(spec.type, column);
    object.Set(name, WriteTypedArray(env, FormOf(spec.type).type, length, std::move(column.data)));
  }
  return object;
}

}  // namespace netplane::addon
