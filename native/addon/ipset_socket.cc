#include "addon/ipset_socket.h"

#include <string>

#include "addon/request_job.h"
#include "ipset/sets.h"

namespace netplane::addon {

MethodTable IpsetSocket::Methods(Napi::Env env) {
  using Self = IpsetSocket;
  return {
      {"close", Napi::Function::New<CallMethod<Self, &Self::CloseSocket>>(env, "close")},
      {"findIndex", Napi::Function::New<CallMethod<Self, &Self::FindIndex>>(env, "findIndex")},
      {"findName", Napi::Function::New<CallMethod<Self, &Self::FindName>>(env, "findName")},
  };
}

Napi::Value IpsetSocket::FindIndex(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const auto work = [name = ReadText(options, "name"), deadline = ReadDeadline(options)](Socket& socket) {
    return ipset::FindIndex(socket, name, deadline);
  };
  const auto write = [](Napi::Env env, uint16_t&& index) -> Napi::Value { return Napi::Number::New(env, index); };
  return RunOnSocket<uint16_t>(info, state(), handle(), work, write);
}

Napi::Value IpsetSocket::FindName(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  const auto work = [index = static_cast<uint16_t>(ReadUint32(options, "index")), deadline = ReadDeadline(options)](Socket& socket) {
    return ipset::FindName(socket, index, deadline);
  };
  const auto write = [](Napi::Env env, std::string&& name) -> Napi::Value { return Napi::String::New(env, name); };
  return RunOnSocket<std::string>(info, state(), handle(), work, write);
}

}  // namespace netplane::addon
