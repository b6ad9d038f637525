#include "addon/diagnostic_socket.h"

#include <vector>

#include "addon/request_job.h"
#include "sockets/listeners.h"

namespace netplane::addon {

MethodTable DiagnosticSocket::Methods(Napi::Env env) {
  using Self = DiagnosticSocket;
  return {
      {"close", Napi::Function::New<CallMethod<Self, &Self::CloseSocket>>(env, "close")},
      {"listListeners", Napi::Function::New<CallMethod<Self, &Self::ListListeners>>(env, "listListeners")},
  };
}

Napi::Value DiagnosticSocket::ListListeners(const Napi::CallbackInfo& info) {
  const Napi::Object options = OptionsOf(info);
  sockets::ListenerRequest request;
  request.family = static_cast<uint8_t>(ReadUint32(options, "family"));
  request.protocol = static_cast<uint8_t>(ReadUint32(options, "protocol"));
  request.deadline = ReadDeadline(options);
  const auto work = [request](Socket& socket) { return sockets::ListListeners(socket, request); };
  return RunOnSocket<std::vector<ColumnSet>>(info, state(), handle(), work, WritePieces);
}

}  // namespace netplane::addon
