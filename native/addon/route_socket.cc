#include "addon/route_socket.h"

#include <cerrno>

#include "addon/request_job.h"
#include "route/addresses.h"
#include "route/schemas.h"

namespace netplane::addon {
namespace {

using route::AddressVerb;
using route::LinkSelector;
using route::LinkVerb;

struct ChangeReport {
  uint32_t link_index = 0;
  BatchOutcome outcome;
};

struct AddressRequest {
  route::AddressChange change;
  LinkSelector link;
  ColumnSet columns{route::kAddressColumns};
  BatchOptions options;
};

// A name becomes an index once for the whole change, so that a rename in the middle does not divide it; and an index must be a link's, so
// that a missing link is one error rather than one a row.
Result<uint32_t> ResolveLink(Socket& socket, const LinkSelector& link, Deadline deadline) {
  auto found = route::GetLink(socket, link, deadline);
  if (!found.ok()) return found.error();
  return found.value().index;
}

Result<ChangeReport> ApplyAddresses(Socket& socket, AddressRequest& request) {
  auto index = ResolveLink(socket, request.link, request.options.deadline);
  if (!index.ok()) return index.error();
  ChangeReport report;
  report.link_index = request.change.link_index = index.value();
  report.outcome = BatchOutcome(route::ChangeAddresses(socket, request.change, request.columns, request.options));
  return report;
}

Napi::Value WriteReport(Napi::Env env, ChangeReport&& report) {
  auto object = WriteBatchOutcome(env, std::move(report.outcome));
  object.Set("linkIndex", Napi::Number::New(env, report.link_index));
  return object;
}

Napi::Value WriteLinks(Napi::Env env, std::vector<route::Link>&& links) {
  auto array = Napi::Array::New(env, links.size());
  for (uint32_t i = 0; i < links.size(); ++i) array.Set(i, WriteLink(env, links[i]));
  return array;
}

LinkSelector ReadLink(const Napi::Object& object) { return {ReadUint32(object, "link"), ReadText(object, "link")}; }

constexpr NamedValue<LinkVerb> kLinkVerbs[] = {{"create", LinkVerb::kCreate}, {"set", LinkVerb::kSet}, {"delete", LinkVerb::kDelete}};

constexpr NamedValue<AddressVerb> kAddressVerbs[] = {
    {"add", AddressVerb::kAdd}, {"replace", AddressVerb::kReplace}, {"delete", AddressVerb::kDelete}};

}  // namespace

Napi::Object WriteLink(Napi::Env env, const route::Link& link) {
  auto object = Napi::Object::New(env);
  object.Set("index", Napi::Number::New(env, link.index));
  object.Set("hardwareType", Napi::Number::New(env, link.hardware_type));
  object.Set("flags", Napi::Number::New(env, link.flags));
  object.Set("value", WriteRecord(env, link.value));
  return object;
}

MethodTable RouteSocket::Methods(Napi::Env env) {
  using Self = RouteSocket;
  return {
      {"close", Napi::Function::New<CallMethod<Self, &Self::CloseSocket>>(env, "close")},
      {"listLinks", Napi::Function::New<CallMethod<Self, &Self::ListLinks>>(env, "listLinks")},
      {"getLink", Napi::Function::New<CallMethod<Self, &Self::GetLink>>(env, "getLink")},
      {"changeLink", Napi::Function::New<CallMethod<Self, &Self::ChangeLink>>(env, "changeLink")},
      {"listAddresses", Napi::Function::New<CallMethod<Self, &Self::ListAddresses>>(env, "listAddresses")},
      {"changeAddresses", Napi::Function::New<CallMethod<Self, &Self::ChangeAddresses>>(env, "changeAddresses")},
  };
}

Napi::Value RouteSocket::ListLinks(const Napi::CallbackInfo& info) {
  const Deadline deadline = ReadDeadline(OptionsOf(info));
  const auto work = [deadline](Socket& socket) { return route::ListLinks(socket, deadline); };
  return RunOnSocket<std::vector<route::Link>>(info, state(), handle(), work, WriteLinks);
}

Napi::Value RouteSocket::GetLink(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const auto work = [link = ReadLink(options), deadline = ReadDeadline(options)](Socket& socket) {
    return route::GetLink(socket, link, deadline);
  };
  const auto write = [](Napi::Env env, route::Link&& link) -> Napi::Value { return WriteLink(env, link); };
  return RunOnSocket<route::Link>(info, state(), handle(), work, write);
}

Napi::Value RouteSocket::ChangeLink(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const LinkVerb* verb = FindNamed(kLinkVerbs, ReadText(options, "verb"));
  const Napi::Value value = options.Get("value");
  route::LinkChange change;
  change.value.schema = &route::kLinkSchema;
  if (!verb || !value.IsObject()) return Refused(info.Env(), "changeLink", "an unknown verb, or no value");
  if (auto invalid = ReadRecord(value.As<Napi::Object>(), route::kLinkSchema, "", change.value)) {
    return Refused(info.Env(), "changeLink", invalid->path + " should be " + invalid->allowed);
  }
  change.verb = *verb;
  change.link = ReadLink(options);
  change.change_mask = ReadUint32(options, "changeMask");
  change.flags = ReadUint32(options, "flags");
  const auto work = [change = std::move(change), deadline = ReadDeadline(options)](Socket& socket) -> Result<std::monostate> {
    if (Status failure = route::ChangeLink(socket, change, deadline)) return *failure;
    return std::monostate{};
  };
  const auto write = [](Napi::Env env, std::monostate&&) -> Napi::Value { return env.Undefined(); };
  return RunOnSocket<std::monostate>(info, state(), handle(), work, write);
}

Napi::Value RouteSocket::ListAddresses(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  route::AddressListRequest request;
  request.family = static_cast<uint8_t>(ReadUint32(options, "family"));
  request.deadline = ReadDeadline(options);
  const auto work = [request, link = ReadLink(options)](Socket& socket) mutable -> Result<std::vector<ColumnSet>> {
    if (link.index != 0 || !link.name.empty()) {
      auto index = ResolveLink(socket, link, request.deadline);
      if (!index.ok()) return index.error();
      request.link_index = index.value();
    }
    return route::ListAddresses(socket, request);
  };
  return RunOnSocket<std::vector<ColumnSet>>(info, state(), handle(), work, WritePieces);
}

Napi::Value RouteSocket::ChangeAddresses(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  auto request = std::make_shared<AddressRequest>();
  const AddressVerb* verb = FindNamed(kAddressVerbs, ReadText(options, "verb"));
  const Napi::Value columns = options.Get("columns");
  if (!verb || !columns.IsObject()) return Refused(info.Env(), "changeAddresses", "an unknown verb, or no columns");
  if (auto invalid = ReadColumns(columns.As<Napi::Object>(), request->columns)) {
    return Refused(info.Env(), "changeAddresses", invalid->path + " should be " + invalid->allowed);
  }
  request->change.verb = *verb;
  request->link = ReadLink(options);
  request->options.deadline = ReadDeadline(options);
  const auto work = [request](Socket& socket) { return ApplyAddresses(socket, *request); };
  return RunOnSocket<ChangeReport>(info, state(), handle(), work, WriteReport);
}

}  // namespace netplane::addon
