#include "addon/request_job.h"

#include <cerrno>

namespace netplane::addon {
namespace {

enum ErrorColumn : size_t { kIndex, kErrno, kMessage, kField };
constexpr ColumnSpec kErrorColumns[] = {
    {"index", ColumnType::kU32},
    {"errno", ColumnType::kU32},
    {"message", ColumnType::kSymbol},
    {"field", ColumnType::kSymbol},
};

ColumnSet ToColumns(const std::vector<ItemError>& errors) {
  ColumnSet columns(kErrorColumns);
  for (const ItemError& error : errors) {
    columns.Add<uint32_t>(kIndex, error.index);
    columns.Add<uint32_t>(kErrno, static_cast<uint32_t>(error.code));
    columns.AddSymbol(kMessage, error.message);
    columns.AddSymbol(kField, error.field);
    columns.EndRow();
  }
  return columns;
}

}  // namespace

BatchOutcome::BatchOutcome(BatchReport done) : report(std::move(done)), errors(ToColumns(report.errors)) {}

Napi::Object WriteBatchOutcome(Napi::Env env, BatchOutcome&& outcome) {
  auto object = Napi::Object::New(env);
  object.Set("errors", WriteColumns(env, std::move(outcome.errors)));
  object.Set("sent", Napi::Number::New(env, outcome.report.sent));
  object.Set("unknownFrom", Napi::Number::New(env, outcome.report.unknown_from));
  object.Set("systemCalls", Napi::Number::New(env, outcome.report.system_calls));
  if (outcome.report.stopped) object.Set("stopped", WriteFailure(env, *outcome.report.stopped));
  return object;
}

Napi::Value WritePieces(Napi::Env env, std::vector<ColumnSet>&& pieces) {
  auto array = Napi::Array::New(env, pieces.size());
  for (uint32_t i = 0; i < pieces.size(); ++i) array.Set(i, WriteColumns(env, std::move(pieces[i])));
  return array;
}

Napi::Object OptionsOf(const Napi::CallbackInfo& info) {
  return info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(info.Env());
}

uint32_t ReadUint32(const Napi::Object& object, const char* name) {
  const double number = ReadNumber(object, name).value_or(0);
  return number >= 0 && number <= UINT32_MAX ? static_cast<uint32_t>(number) : 0;
}

Napi::Value Refused(Napi::Env env, const char* operation, const std::string& why) {
  return Resolved(env, FailedOutcome(env, Error{EINVAL, operation, why}));
}

}  // namespace netplane::addon
