#include "addon/route_socket.h"

#include <algorithm>
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

LinkSelector ReadLink(const Napi::Object& object, const char* name = "link") { return {ReadUint32(object, name), ReadText(object, name)}; }

// At most as many bytes as an address has; a longer one is no address, which the look-up says.
Bytes ReadAddress(const Napi::Object& object, const char* name) {
  constexpr size_t kLongest = 17;
  const Napi::Value value = object.Get(name);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return {};
  const auto array = value.As<Napi::Uint8Array>();
  return Bytes(array.Data(), array.Data() + std::min(array.ElementLength(), kLongest));
}

struct LookupRequest {
  route::RouteLookup lookup;
  LinkSelector input;
  LinkSelector output;
  Deadline deadline;
};

// The index of a link that may be none.
Status ResolveIfAny(Socket& socket, const LinkSelector& link, Deadline deadline, uint32_t& index) {
  if (link.index == 0 && link.name.empty()) return std::nullopt;
  auto found = ResolveLink(socket, link, deadline);
  if (!found.ok()) return found.error();
  index = found.value();
  return std::nullopt;
}

Result<route::Route> LookUp(Socket& socket, LookupRequest request) {
  if (Status failure = ResolveIfAny(socket, request.input, request.deadline, request.lookup.input_link)) return *failure;
  if (Status failure = ResolveIfAny(socket, request.output, request.deadline, request.lookup.output_link)) return *failure;
  return route::LookUpRoute(socket, request.lookup, request.deadline);
}

void SetAddress(Napi::Object& object, const char* name, Bytes&& bytes) {
  if (!bytes.empty()) object.Set(name, WriteBytes(object.Env(), std::move(bytes)));
}

void SetNumber(Napi::Object& object, const char* name, std::optional<uint32_t> number) {
  if (number) object.Set(name, Napi::Number::New(object.Env(), *number));
}

Napi::Array WriteHops(Napi::Env env, std::vector<route::RouteHop>&& hops) {
  auto array = Napi::Array::New(env, hops.size());
  for (uint32_t i = 0; i < hops.size(); ++i) {
    auto object = Napi::Object::New(env);
    SetNumber(object, "linkIndex", hops[i].link_index);
    SetNumber(object, "weight", hops[i].weight);
    SetAddress(object, "gateway", std::move(hops[i].gateway));
    array.Set(i, object);
  }
  return array;
}

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

Napi::Object WriteRoute(Napi::Env env, route::Route&& route) {
  auto object = Napi::Object::New(env);
  SetAddress(object, "destination", std::move(route.destination));
  SetNumber(object, "destinationLength", route.destination_length);
  SetNumber(object, "type", route.type);
  SetNumber(object, "scope", route.scope);
  SetNumber(object, "protocol", route.protocol);
  SetNumber(object, "table", route.table);
  SetNumber(object, "linkIndex", route.link_index);
  SetAddress(object, "gateway", std::move(route.gateway));
  SetAddress(object, "source", std::move(route.source));
  SetNumber(object, "metric", route.metric);
  SetNumber(object, "nexthopId", route.nexthop_id);
  object.Set("hops", WriteHops(env, std::move(route.hops)));
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
      {"lookUpRoute", Napi::Function::New<CallMethod<Self, &Self::LookUpRoute>>(env, "lookUpRoute")},
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

Napi::Value RouteSocket::LookUpRoute(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  LookupRequest request;
  request.lookup.destination = ReadAddress(options, "destination");
  request.lookup.family = static_cast<uint8_t>(ReadUint32(options, "family"));
  request.lookup.source = ReadAddress(options, "source");
  request.lookup.mark = ReadUint32(options, "mark");
  request.lookup.match = ReadBool(options, "match");
  if (options.Get("userId").IsNumber()) request.lookup.user_id = ReadUint32(options, "userId");
  request.input = ReadLink(options, "inputLink");
  request.output = ReadLink(options, "outputLink");
  request.deadline = ReadDeadline(options);
  const auto work = [request = std::move(request)](Socket& socket) { return LookUp(socket, request); };
  const auto write = [](Napi::Env env, route::Route&& route) -> Napi::Value { return WriteRoute(env, std::move(route)); };
  return RunOnSocket<route::Route>(info, state(), handle(), work, write);
}

}  // namespace netplane::addon
