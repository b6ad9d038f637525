// The connection table of IPVS, /proc/net/ip_vs_conn: netlink does not show it.
#ifndef NETPLANE_IPVS_CONNECTIONS_H_
#define NETPLANE_IPVS_CONNECTIONS_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "netlink/columns.h"
#include "netlink/network_namespace.h"
#include "netlink/result.h"

namespace netplane::ipvs {

/// One row is one entry. Addresses are 16 bytes wide, of which the length column says how many count (4 or 16).
enum ConnectionColumn : size_t {
  kConnectionProtocol,  ///< kSymbol: TCP, UDP, SCTP; IP: a template of a service by fwmark.
  kClientAddress,
  kClientLength,
  kClientPort,  ///< kU16, host order.
  kVirtualAddress,
  kVirtualLength,
  kVirtualPort,
  kRealAddress,
  kRealLength,
  kRealPort,
  kConnectionState,    ///< kSymbol: ESTABLISHED, UDP, NONE …
  kConnectionExpires,  ///< kU32: seconds.
  kConnectionEngine,   ///< kSymbol; kNoSymbol: none.
  kConnectionData,     ///< kSymbol: what the engine looks at; kNoSymbol: none.
  kConnectionColumnCount,
};
extern const std::span<const ColumnSpec> kConnectionColumns;

/// Appends one line of the file. The line with the names of the columns appends nothing. False where it is neither.
bool DecodeConnection(std::string_view line, ColumnSet& rows);

/// The file, read piece by piece. It stays that of the namespace in which it was opened.
class ConnectionTable {
 public:
  /// ENOENT: the namespace has no IPVS.
  static Result<std::unique_ptr<ConnectionTable>> Open(const NetworkNamespace& where);
  ~ConnectionTable();
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

  /// Reads until there are `rows` entries or a few more; none at the end. EPROTO: a line that is none.
  Result<ColumnSet> Read(size_t rows);

 private:
  explicit ConnectionTable(int fd) : fd_(fd) {}
  int fd_;
  bool at_end_ = false;
  /// The beginning of a line whose end has not been read yet.
  std::string rest_;
};

}  // namespace netplane::ipvs

#endif  // NETPLANE_IPVS_CONNECTIONS_H_
