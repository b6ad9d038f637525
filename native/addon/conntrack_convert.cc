#include "addon/conntrack_convert.h"

#include "addon/convert.h"
#include "addon/request_job.h"
#include "conntrack/flow_columns.h"
#include "conntrack/schemas.h"

namespace netplane::addon {
namespace {

using conntrack::FlowVerb;

constexpr NamedValue<FlowVerb> kVerbs[] = {{"create", FlowVerb::kCreate}, {"update", FlowVerb::kUpdate}, {"delete", FlowVerb::kDelete}};

}  // namespace

Napi::Object WritePiece(Napi::Env env, conntrack::FlowPiece&& piece) {
  auto object = Napi::Object::New(env);
  auto details = Napi::Array::New(env, piece.details.size());
  RecordWriter writer(env);
  for (uint32_t i = 0; i < piece.details.size(); ++i) {
    auto entry = Napi::Object::New(env);
    entry.Set("row", Napi::Number::New(env, piece.details[i].first));
    entry.Set("value", writer.Write(piece.details[i].second));
    details.Set(i, entry);
  }
  object.Set("details", details);
  object.Set("columns", WriteColumns(env, std::move(piece.columns)));
  return object;
}

std::shared_ptr<const conntrack::FlowFilter> ReadFilter(const Napi::Object& options) {
  const Napi::Value value = options.Get("filter");
  ByteView program;
  if (value.IsTypedArray()) {
    const auto bytes = value.As<Napi::Uint8Array>();
    program = ByteView(bytes.Data(), bytes.ByteLength());
  }
  auto filter = conntrack::FlowFilter::Parse(program);
  return filter ? std::make_shared<const conntrack::FlowFilter>(std::move(*filter)) : nullptr;
}

Napi::Value WriteRemoval(Napi::Env env, conntrack::RemovalReport&& report) {
  auto object = Napi::Object::New(env);
  const NamedValue<uint64_t> numbers[] = {
      {"scanned", report.scanned}, {"matched", report.matched}, {"deleted", report.deleted},          {"vanished", report.vanished},
      {"refused", report.refused}, {"unknown", report.unknown}, {"systemCalls", report.system_calls},
  };
  for (const auto& number : numbers) object.Set(number.name, Number(env, number.value));
  object.Set("kernelFiltered", Napi::Boolean::New(env, report.kernel_filtered));
  if (report.refusal) object.Set("refusal", WriteItemError(env, *report.refusal));
  if (report.stopped) object.Set("stopped", WriteFailure(env, *report.stopped));
  return object;
}

std::optional<std::string> ReadChange(const Napi::Object& options, conntrack::FlowChange& change) {
  const FlowVerb* verb = FindNamed(kVerbs, ReadText(options, "verb"));
  const Napi::Value columns = options.Get("columns");
  if (!verb || !columns.IsObject()) return "an unknown verb, or no columns";
  change.verb = *verb;
  change.columns = ColumnSet(conntrack::kFlowColumns);
  if (auto invalid = ReadColumns(columns.As<Napi::Object>(), change.columns)) return invalid->path + " should be " + invalid->allowed;
  const Napi::Value details = options.Get("details");
  if (!details.IsArray()) return std::nullopt;
  const auto list = details.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const auto entry = list.Get(i).As<Napi::Object>();
    Record record;
    record.schema = &conntrack::kDetailSchema;
    if (auto invalid = ReadRecord(entry.Get("value").As<Napi::Object>(), conntrack::kDetailSchema, "", record)) {
      return invalid->path + " should be " + invalid->allowed;
    }
    change.details.emplace_back(ReadUint32(entry, "row"), std::move(record));
  }
  return std::nullopt;
}

}  // namespace netplane::addon
