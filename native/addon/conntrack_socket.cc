#include "addon/conntrack_socket.h"

#include <linux/netfilter/nfnetlink_conntrack.h>

#include <cerrno>

#include "addon/conntrack_convert.h"
#include "addon/request_job.h"
#include "conntrack/flow_columns.h"
#include "conntrack/records.h"
#include "conntrack/schemas.h"
#include "netlink/namespace_file.h"

namespace netplane::addon {
namespace {

using conntrack::FlowChange;
using conntrack::FlowPiece;
using conntrack::FlowQuery;
using conntrack::FlowStream;
using conntrack::HeaderedRecord;
using conntrack::RemovalReport;
using Records = std::vector<HeaderedRecord>;

constexpr NamedValue<uint8_t> kSources[] = {
    {"table", IPCTNL_MSG_CT_GET},
    {"zero", IPCTNL_MSG_CT_GET_CTRZERO},
    {"dying", IPCTNL_MSG_CT_GET_DYING},
    {"unconfirmed", IPCTNL_MSG_CT_GET_UNCONFIRMED},
};
constexpr NamedValue<conntrack::ExpectationVerb> kExpectationVerbs[] = {
    {"create", conntrack::ExpectationVerb::kCreate},
    {"update", conntrack::ExpectationVerb::kUpdate},
    {"delete", conntrack::ExpectationVerb::kDelete},
};

// Null where the filter or the source is none; the client has checked both, so this is its mistake.
std::optional<FlowQuery> ReadQuery(const Napi::Object& options) {
  const uint8_t* message = FindNamed(kSources, ReadText(options, "source"));
  auto filter = ReadFilter(options);
  if (!message || !filter) return std::nullopt;
  return FlowQuery{std::move(filter), *message};
}

Napi::Value WriteFlowPieces(Napi::Env env, std::vector<FlowPiece>&& pieces) {
  auto array = Napi::Array::New(env, pieces.size());
  for (uint32_t i = 0; i < pieces.size(); ++i) array.Set(i, WritePiece(env, std::move(pieces[i])));
  return array;
}

Napi::Value WriteOnePiece(Napi::Env env, FlowPiece&& piece) { return WritePiece(env, std::move(piece)); }

Napi::Value WriteNothing(Napi::Env env, std::monostate&&) { return env.Undefined(); }

Napi::Value WriteCount(Napi::Env env, conntrack::FlowCount&& count) {
  auto object = Napi::Object::New(env);
  object.Set("matched", Number(env, count.matched));
  object.Set("scanned", Number(env, count.scanned));
  return object;
}

Napi::Value WriteRecords(Napi::Env env, Records&& records) {
  auto array = Napi::Array::New(env, records.size());
  for (uint32_t i = 0; i < records.size(); ++i) {
    auto object = Napi::Object::New(env);
    object.Set("family", Napi::Number::New(env, records[i].family));
    object.Set("resource", Napi::Number::New(env, records[i].resource));
    object.Set("value", WriteRecord(env, records[i].value));
    array.Set(i, object);
  }
  return array;
}

// A part of a dump, and whether more may come.
struct StreamPart {
  FlowPiece piece;
  uint64_t scanned = 0;
  bool done = false;
};

Napi::Value WritePart(Napi::Env env, StreamPart&& part) {
  auto object = Napi::Object::New(env);
  object.Set("piece", WritePiece(env, std::move(part.piece)));
  object.Set("scanned", Number(env, part.scanned));
  object.Set("done", Napi::Boolean::New(env, part.done));
  return object;
}

Result<StreamPart> ReadPart(FlowStream& stream, size_t rows, Deadline deadline) {
  StreamPart part;
  const auto take = [&](const conntrack::Flow& flow, ByteView attributes) -> Status {
    conntrack::AppendTo(part.piece, flow, attributes);
    return std::nullopt;
  };
  while (!stream.is_done() && part.piece.columns.rows() < rows) {
    if (auto error = stream.Read(take, deadline)) return *error;
  }
  part.scanned = stream.scanned();
  part.done = stream.is_done();
  return part;
}

// A file of /proc/sys/net/netfilter, by its name; empty where the name could lead elsewhere.
std::string SettingPath(const std::string& name) {
  const bool is_plain = !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
  return is_plain ? "/proc/sys/net/netfilter/" + name : "";
}

constexpr size_t kMostSettingBytes = 4096;

}  // namespace

MethodTable ConntrackSocket::Methods(Napi::Env env) {
  using Self = ConntrackSocket;
  return {
      {"close", Napi::Function::New<CallMethod<Self, &Self::CloseSocket>>(env, "close")},
      {"list", Napi::Function::New<CallMethod<Self, &Self::List>>(env, "list")},
      {"readStream", Napi::Function::New<CallMethod<Self, &Self::ReadStream>>(env, "readStream")},
      {"count", Napi::Function::New<CallMethod<Self, &Self::Count>>(env, "count")},
      {"get", Napi::Function::New<CallMethod<Self, &Self::GetFlow>>(env, "get")},
      {"change", Napi::Function::New<CallMethod<Self, &Self::Change>>(env, "change")},
      {"removeMatching", Napi::Function::New<CallMethod<Self, &Self::RemoveMatching>>(env, "removeMatching")},
      {"cancel", Napi::Function::New<CallMethod<Self, &Self::Cancel>>(env, "cancel")},
      {"flush", Napi::Function::New<CallMethod<Self, &Self::Flush>>(env, "flush")},
      {"listExpectations", Napi::Function::New<CallMethod<Self, &Self::ListExpectations>>(env, "listExpectations")},
      {"changeExpectation", Napi::Function::New<CallMethod<Self, &Self::ChangeExpectation>>(env, "changeExpectation")},
      {"processorStatistics", Napi::Function::New<CallMethod<Self, &Self::ProcessorStatistics>>(env, "processorStatistics")},
      {"globalStatistics", Napi::Function::New<CallMethod<Self, &Self::GlobalStatistics>>(env, "globalStatistics")},
      {"readSetting", Napi::Function::New<CallMethod<Self, &Self::ReadSetting>>(env, "readSetting")},
      {"writeSetting", Napi::Function::New<CallMethod<Self, &Self::WriteSetting>>(env, "writeSetting")},
  };
}

Napi::Value ConntrackSocket::List(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const auto query = ReadQuery(options);
  if (!query) return Refused(info.Env(), "list", "an unknown source, or a filter that is none");
  const auto work = [query = *query, deadline = ReadDeadline(options)](Socket& socket) {
    return conntrack::ListFlows(socket, query, deadline);
  };
  return RunOnSocket<std::vector<FlowPiece>>(info, state(), handle(), work, WriteFlowPieces);
}

Napi::Value ConntrackSocket::ReadStream(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  if (!stream_) {
    auto query = ReadQuery(options);
    if (!query || !handle()->socket)
      return Refused(info.Env(), "readStream", "an unknown source, a filter that is none, or a closed socket");
    stream_ = std::make_shared<FlowStream>(*handle()->socket, std::move(*query));
  }
  const auto work = [stream = stream_, rows = ReadUint32(options, "rows"), deadline = ReadDeadline(options)](Socket&) {
    return ReadPart(*stream, rows, deadline);
  };
  return RunOnSocket<StreamPart>(info, state(), handle(), work, WritePart);
}

Napi::Value ConntrackSocket::Count(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const auto query = ReadQuery(options);
  if (!query) return Refused(info.Env(), "count", "an unknown source, or a filter that is none");
  const auto work = [query = *query, deadline = ReadDeadline(options)](Socket& socket) {
    return conntrack::CountFlows(socket, query, deadline);
  };
  return RunOnSocket<conntrack::FlowCount>(info, state(), handle(), work, WriteCount);
}

Napi::Value ConntrackSocket::GetFlow(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  auto change = std::make_shared<FlowChange>();
  const auto problem = ReadChange(options, *change);
  if (problem || change->columns.rows() != 1) return Refused(info.Env(), "get", problem.value_or("not one row"));
  const auto work = [change, by_reply = ReadBool(options, "byReply"), deadline = ReadDeadline(options)](Socket& socket) {
    return conntrack::GetFlow(socket, change->columns, 0, by_reply, deadline);
  };
  return RunOnSocket<FlowPiece>(info, state(), handle(), work, WriteOnePiece);
}

Napi::Value ConntrackSocket::Change(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  auto change = std::make_shared<FlowChange>();
  if (auto problem = ReadChange(options, *change)) return Refused(info.Env(), "change", *problem);
  const auto work = [change, deadline = ReadDeadline(options)](Socket& socket) -> Result<BatchOutcome> {
    return BatchOutcome(conntrack::ChangeFlows(socket, *change, BatchOptions{deadline, false, nullptr}));
  };
  const auto write = [](Napi::Env env, BatchOutcome&& outcome) -> Napi::Value { return WriteBatchOutcome(env, std::move(outcome)); };
  return RunOnSocket<BatchOutcome>(info, state(), handle(), work, write);
}

Napi::Value ConntrackSocket::RemoveMatching(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const auto query = ReadQuery(options);
  if (!query) return Refused(info.Env(), "removeMatching", "an unknown source, or a filter that is none");
  cancelled_ = std::make_shared<std::atomic<bool>>(false);
  const auto work = [query = *query, cancelled = cancelled_, deadline = ReadDeadline(options)](Socket& socket) -> Result<RemovalReport> {
    return conntrack::RemoveFlows(socket, query, BatchOptions{deadline, false, [cancelled] { return cancelled->load(); }});
  };
  return RunOnSocket<RemovalReport>(info, state(), handle(), work, WriteRemoval);
}

Napi::Value ConntrackSocket::Cancel(const Napi::CallbackInfo& info) {
  if (cancelled_) cancelled_->store(true);
  return info.Env().Undefined();
}

Napi::Value ConntrackSocket::Flush(const Napi::CallbackInfo& info) {
  const auto work = [deadline = ReadDeadline(OptionsOf(info))](Socket& socket) -> Result<std::monostate> {
    if (Status failure = conntrack::FlushFlows(socket, deadline)) return *failure;
    return std::monostate{};
  };
  return RunOnSocket<std::monostate>(info, state(), handle(), work, WriteNothing);
}

Napi::Value ConntrackSocket::ListExpectations(const Napi::CallbackInfo& info) {
  const auto work = [deadline = ReadDeadline(OptionsOf(info))](Socket& socket) { return conntrack::ListExpectations(socket, deadline); };
  return RunOnSocket<Records>(info, state(), handle(), work, WriteRecords);
}

Napi::Value ConntrackSocket::ChangeExpectation(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const Napi::Value value = options.Get("value");
  auto expectation = std::make_shared<HeaderedRecord>();
  expectation->family = static_cast<uint8_t>(ReadUint32(options, "family"));
  expectation->value.schema = &conntrack::kExpectationSchema;
  if (!value.IsObject()) return Refused(info.Env(), "changeExpectation", "no value");
  if (auto invalid = ReadRecord(value.As<Napi::Object>(), conntrack::kExpectationSchema, "", expectation->value)) {
    return Refused(info.Env(), "changeExpectation", invalid->path + " should be " + invalid->allowed);
  }
  const auto* verb = FindNamed(kExpectationVerbs, ReadText(options, "verb"));
  if (!verb) return Refused(info.Env(), "changeExpectation", "verb should be create, update or delete");
  const auto work = [verb = *verb, expectation, deadline = ReadDeadline(options)](Socket& socket) -> Result<std::monostate> {
    if (Status failure = conntrack::ChangeExpectation(socket, verb, *expectation, deadline)) return *failure;
    return std::monostate{};
  };
  return RunOnSocket<std::monostate>(info, state(), handle(), work, WriteNothing);
}

Napi::Value ConntrackSocket::ProcessorStatistics(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const auto work = [of_expectations = ReadBool(options, "expectations"), deadline = ReadDeadline(options)](Socket& socket) {
    return conntrack::ListProcessorStatistics(socket, of_expectations, deadline);
  };
  return RunOnSocket<Records>(info, state(), handle(), work, WriteRecords);
}

Napi::Value ConntrackSocket::GlobalStatistics(const Napi::CallbackInfo& info) {
  const auto work = [deadline = ReadDeadline(OptionsOf(info))](Socket& socket) { return conntrack::GetGlobalStatistics(socket, deadline); };
  const auto write = [](Napi::Env env, HeaderedRecord&& record) -> Napi::Value { return WriteRecord(env, record.value); };
  return RunOnSocket<HeaderedRecord>(info, state(), handle(), work, write);
}

Napi::Value ConntrackSocket::ReadSetting(const Napi::CallbackInfo& info) {
  const std::string path = SettingPath(ReadText(OptionsOf(info), "name"));
  if (path.empty()) return Refused(info.Env(), "readSetting", "the name is none");
  const auto work = [path](Socket& socket) { return ReadNamespaceFile(socket.options().network_namespace, path, kMostSettingBytes); };
  const auto write = [](Napi::Env env, std::string&& content) -> Napi::Value { return Napi::String::New(env, content); };
  return RunOnSocket<std::string>(info, state(), handle(), work, write);
}

Napi::Value ConntrackSocket::WriteSetting(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const std::string path = SettingPath(ReadText(options, "name"));
  if (path.empty()) return Refused(info.Env(), "writeSetting", "the name is none");
  const auto work = [path, content = ReadText(options, "value")](Socket& socket) -> Result<std::monostate> {
    if (Status failure = WriteNamespaceFile(socket.options().network_namespace, path, content)) return *failure;
    return std::monostate{};
  };
  return RunOnSocket<std::monostate>(info, state(), handle(), work, WriteNothing);
}

}  // namespace netplane::addon
