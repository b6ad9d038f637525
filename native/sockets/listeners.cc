#include "sockets/listeners.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace netplane::sockets {
namespace {

constexpr ColumnSpec kColumns[kListenerColumnCount] = {
    {"family", ColumnType::kU8, true},
    {"address", ColumnType::kFixed, true, kAddressWidth},
    {"port", ColumnType::kU16, true},
    {"user", ColumnType::kU32},
};

// About 25 bytes a row, so well below 4 MiB.
constexpr size_t kRowsPerPiece = 65536;

// include/net/tcp_states.h. UDP sockets that are bound and not connected are TCP_CLOSE.
constexpr uint32_t kCloseState = 1U << 7;
constexpr uint32_t kListenState = 1U << 10;

constexpr const char* kOperation = "SOCK_DIAG_BY_FAMILY";

}  // namespace

const std::span<const ColumnSpec> kListenerColumns = kColumns;

void EncodeListenerRequest(const ListenerRequest& request, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
  writer.Begin(SOCK_DIAG_BY_FAMILY, flags, sequence);
  inet_diag_req_v2 header = {};
  header.sdiag_family = request.family;
  header.sdiag_protocol = request.protocol;
  header.idiag_states = request.protocol == IPPROTO_TCP ? kListenState : kCloseState;
  header.id.idiag_cookie[0] = header.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
  writer.End();
}

bool DecodeListener(const Message& message, ColumnSet& listeners) {
  inet_diag_msg header;
  if (message.body.size() < sizeof header) return false;
  std::memcpy(&header, message.body.data(), sizeof header);
  if (header.idiag_family != AF_INET && header.idiag_family != AF_INET6) return true;
  const uint16_t port = ntohs(header.id.idiag_sport);
  // An UDP socket that is not bound has no port.
  if (port == 0) return true;
  uint8_t address[kAddressWidth] = {};
  std::memcpy(address, header.id.idiag_src, header.idiag_family == AF_INET ? 4 : kAddressWidth);
  listeners.Add<uint8_t>(kFamily, header.idiag_family);
  listeners.AddFixed(kAddress, ByteView(address, sizeof address));
  listeners.Add<uint16_t>(kPort, port);
  listeners.Add<uint32_t>(kUser, header.idiag_uid);
  listeners.EndRow();
  return true;
}

Result<std::vector<ColumnSet>> ListListeners(Socket& socket, const ListenerRequest& request) {
  std::vector<ColumnSet> pieces;
  DumpOptions options;
  options.deadline = request.deadline;
  options.restart = [&] { pieces.assign(1, ColumnSet(kListenerColumns)); };
  const auto handle = [&](const Message& message) -> Status {
    if (message.type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
    if (pieces.empty() || pieces.back().rows() >= kRowsPerPiece) pieces.emplace_back(kListenerColumns);
    if (!DecodeListener(message, pieces.back())) return Error{EPROTO, kOperation, "malformed inet_diag_msg"};
    return std::nullopt;
  };
  const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    EncodeListenerRequest(request, flags, sequence, writer);
  };
  if (Status failure = RunDump(socket, encode, handle, options)) {
    failure->operation = kOperation;
    return *failure;
  }
  return pieces;
}

}  // namespace netplane::sockets
