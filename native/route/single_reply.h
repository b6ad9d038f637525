// Requests that one object answers: RTM_GETLINK and RTM_GETROUTE without NLM_F_DUMP.
#ifndef NETPLANE_ROUTE_SINGLE_REPLY_H_
#define NETPLANE_ROUTE_SINGLE_REPLY_H_

#include <cerrno>
#include <optional>
#include <string>

#include "netlink/dump.h"
#include "netlink/result.h"
#include "netlink/socket.h"
#include "route/schemas.h"

namespace netplane::route {

/// Sends a request of type `request` and decodes the answer of type `reply`. EPROTO where there is none, or it is malformed; errors have
/// the request's name as their operation.
template <typename Object>
Result<Object> RequestOne(Socket& socket, const RequestEncoder& encode, uint16_t request, uint16_t reply,
                          std::optional<Object> (*decode)(const Message&), Deadline deadline) {
  const char* const operation = Describe(request).name;
  const std::string answer = Describe(reply).name;
  std::optional<Object> found;
  const auto handle = [&](const Message& message) -> Status {
    if (message.type != reply) return std::nullopt;
    found = decode(message);
    if (!found) return Error{EPROTO, operation, "malformed " + answer};
    return std::nullopt;
  };
  if (Status failure = RunRequest(socket, encode, handle, deadline)) return Named(std::move(*failure), operation);
  if (!found) return Error{EPROTO, operation, "no " + answer + " in the answer"};
  return std::move(*found);
}

}  // namespace netplane::route

#endif  // NETPLANE_ROUTE_SINGLE_REPLY_H_
