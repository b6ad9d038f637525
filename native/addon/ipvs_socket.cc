#include "addon/ipvs_socket.h"

#include <cerrno>

#include "addon/request_job.h"
#include "ipvs/commands.h"
#include "ipvs/list.h"
#include "ipvs/schemas.h"
#include "ipvs/servers.h"

namespace netplane::addon {
namespace {

constexpr NamedValue<ipvs::Verb> kVerbs[] = {{"add", ipvs::Verb::kAdd}, {"update", ipvs::Verb::kUpdate}, {"remove", ipvs::Verb::kRemove}};
constexpr NamedValue<uint8_t> kQueries[] = {
    {"timeouts", IPVS_CMD_GET_CONFIG}, {"info", IPVS_CMD_GET_INFO}, {"daemons", IPVS_CMD_GET_DAEMON}};
constexpr NamedValue<uint8_t> kCommandNames[] = {{"setTimeouts", IPVS_CMD_SET_CONFIG},
                                                 {"startDaemon", IPVS_CMD_NEW_DAEMON},
                                                 {"stopDaemon", IPVS_CMD_DEL_DAEMON},
                                                 {"zero", IPVS_CMD_ZERO},
                                                 {"flush", IPVS_CMD_FLUSH}};

// Reads the columns in a property; false where it is there and is none. `given` says whether it was there.
bool ReadColumnsOf(const Napi::Object& options, const char* name, ColumnSet& columns, bool* given) {
  const Napi::Value value = options.Get(name);
  *given = value.IsObject();
  return !*given || !ReadColumns(value.As<Napi::Object>(), columns);
}

// What a job needs; shared, as a std::function must be copyable.
struct ChangeRequest {
  ipvs::Verb verb = ipvs::Verb::kAdd;
  bool of_servers = false;
  ColumnSet services{ipvs::kServiceColumns};
  ColumnSet servers{ipvs::kServerColumns};
  BatchOptions options;
};

struct ListJob {
  ColumnSet keys{ipvs::kServiceColumns};
  ipvs::ListRequest request;
};

struct CommandJob {
  ipvs::Command command;
  ColumnSet service{ipvs::kServiceColumns};
  Deadline deadline;
};

Napi::Value WriteListing(Napi::Env env, ipvs::Listing&& listing) {
  auto object = Napi::Object::New(env);
  object.Set("services", WritePieces(env, std::move(listing.services)));
  object.Set("servers", WritePieces(env, std::move(listing.servers)));
  return object;
}

Napi::Value WriteRecords(Napi::Env env, std::vector<Record>&& records) {
  auto array = Napi::Array::New(env, records.size());
  for (uint32_t i = 0; i < records.size(); ++i) array.Set(i, WriteRecord(env, records[i]));
  return array;
}

Napi::Value WriteOutcome(Napi::Env env, BatchOutcome&& outcome) { return WriteBatchOutcome(env, std::move(outcome)); }
Napi::Value WriteNothing(Napi::Env env, std::monostate&&) { return env.Undefined(); }

// Nothing where a value does not fit; then `why` says which. `number`: of the command; null: unknown.
std::shared_ptr<CommandJob> ReadCommand(const Napi::Object& options, const uint8_t* number, std::string* why) {
  auto job = std::make_shared<CommandJob>();
  job->command.value.schema = &ipvs::kCommandSchema;
  job->deadline = ReadDeadline(options);
  bool is_about_service = false;
  *why = "an unknown command, or no key";
  if (!number || !ReadColumnsOf(options, "service", job->service, &is_about_service)) return nullptr;
  job->command.command = *number;
  if (is_about_service) {
    if (job->service.rows() != 1 || ipvs::CheckServices(job->service, true)) return nullptr;
    job->command.service = &job->service;
  }
  const Napi::Value value = options.Get("value");
  if (!value.IsObject()) return job;
  const auto invalid = ReadRecord(value.As<Napi::Object>(), ipvs::kCommandSchema, "", job->command.value);
  if (!invalid) return job;
  *why = invalid->path + " should be " + invalid->allowed;
  return nullptr;
}

}  // namespace

MethodTable IpvsSocket::Methods(Napi::Env env) {
  using Self = IpvsSocket;
  return {
      {"close", Napi::Function::New<CallMethod<Self, &Self::CloseSocket>>(env, "close")},
      {"resolve", Napi::Function::New<CallMethod<Self, &Self::Resolve>>(env, "resolve")},
      {"change", Napi::Function::New<CallMethod<Self, &Self::Change>>(env, "change")},
      {"list", Napi::Function::New<CallMethod<Self, &Self::List>>(env, "list")},
      {"query", Napi::Function::New<CallMethod<Self, &Self::Query>>(env, "query")},
      {"command", Napi::Function::New<CallMethod<Self, &Self::Command>>(env, "command")},
  };
}

Napi::Value IpvsSocket::Resolve(const Napi::CallbackInfo& info) {
  const auto work = [family = family_, deadline = ReadDeadline(OptionsOf(info))](Socket& socket) {
    auto id = ipvs::ResolveFamily(socket, deadline);
    if (id.ok()) *family = id.value();
    return id;
  };
  const auto write = [](Napi::Env env, uint16_t&& id) -> Napi::Value { return Napi::Number::New(env, id); };
  return RunOnSocket<uint16_t>(info, state(), handle(), work, write);
}

Napi::Value IpvsSocket::Change(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  auto request = std::make_shared<ChangeRequest>();
  const ipvs::Verb* verb = FindNamed(kVerbs, ReadText(options, "verb"));
  bool has_services = false;
  const bool is_fine = verb && ReadColumnsOf(options, "services", request->services, &has_services) &&
                       ReadColumnsOf(options, "servers", request->servers, &request->of_servers);
  if (!is_fine || !has_services) return Refused(info.Env(), "change", "an unknown verb, or columns that are none");
  request->verb = *verb;
  request->options.deadline = ReadDeadline(options);
  const auto work = [request, family = family_](Socket& socket) -> Result<BatchOutcome> {
    const auto& [verb, of_servers, services, servers, options] = *request;
    return BatchOutcome(of_servers ? ipvs::ChangeServers(socket, *family, verb, services, servers, options)
                                   : ipvs::ChangeServices(socket, *family, verb, services, options));
  };
  return RunOnSocket<BatchOutcome>(info, state(), handle(), work, WriteOutcome);
}

Napi::Value IpvsSocket::List(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  auto job = std::make_shared<ListJob>();
  bool has_keys = false;
  if (!ReadColumnsOf(options, "services", job->keys, &has_keys) || (has_keys && ipvs::CheckServices(job->keys, true))) {
    return Refused(info.Env(), "list", "services that are no keys");
  }
  job->request = {has_keys ? &job->keys : nullptr, ReadBool(options, "servers"), ReadBool(options, "statistics"), ReadDeadline(options)};
  const auto work = [job, family = family_](Socket& socket) { return ipvs::List(socket, *family, job->request); };
  return RunOnSocket<ipvs::Listing>(info, state(), handle(), work, WriteListing);
}

Napi::Value IpvsSocket::Query(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  std::string why;
  auto job = ReadCommand(options, FindNamed(kQueries, ReadText(options, "command")), &why);
  if (!job) return Refused(info.Env(), "query", why);
  const auto work = [job, family = family_](Socket& socket) { return ipvs::Query(socket, *family, job->command, job->deadline); };
  return RunOnSocket<std::vector<Record>>(info, state(), handle(), work, WriteRecords);
}

Napi::Value IpvsSocket::Command(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  std::string why;
  auto job = ReadCommand(options, FindNamed(kCommandNames, ReadText(options, "command")), &why);
  if (!job) return Refused(info.Env(), "command", why);
  const auto work = [job, family = family_](Socket& socket) -> Result<std::monostate> {
    if (Status failure = ipvs::Run(socket, *family, job->command, job->deadline)) return *failure;
    return std::monostate{};
  };
  return RunOnSocket<std::monostate>(info, state(), handle(), work, WriteNothing);
}

}  // namespace netplane::addon
