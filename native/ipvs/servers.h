// Real servers: columns <-> IPVS_CMD_*_DEST.
#ifndef NETPLANE_IPVS_SERVERS_H_
#define NETPLANE_IPVS_SERVERS_H_

#include "ipvs/services.h"

namespace netplane::ipvs {

/// One row is one real server of one service. What a list returns can be given to a change again. Keys need the columns up to kServerPort
/// only.
enum ServerColumn : size_t {
  kServerService,      ///< kU32: the row of the service in the columns beside.
  kServerFamily,       ///< kU8: AF_INET 2 or AF_INET6 10.
  kServerAddress,      ///< kFixed, 16 bytes, network order; an IPv4 address is the first 4 of them.
  kServerPort,         ///< kU16, host order.
  kServerForwarding,   ///< kU8: IP_VS_CONN_F_FWD_MASK.
  kServerWeight,       ///< kU32: up to INT_MAX.
  kServerUpper,        ///< kU32: connections.
  kServerLower,        ///< kU32: connections.
  kServerTunnelType,   ///< kU8: IP_VS_CONN_F_TUNNEL_TYPE_*.
  kServerTunnelPort,   ///< kU16, host order.
  kServerTunnelFlags,  ///< kU16: IP_VS_TUNNEL_ENCAP_FLAG_*.
  kServerActive,       ///< kU32: listed only, as what follows.
  kServerInactive,     ///< kU32.
  kServerPersistent,   ///< kU32.
  kServerStatistics,   ///< kStatisticsCount columns of kU64; absent where they were not asked for or are all 0.
  kServerColumnCount = kServerStatistics + kStatisticsCount,
};
extern const std::span<const ColumnSpec> kServerColumns;

/// What makes a row impossible to write, with its number; nothing when all are fine.
std::optional<std::string> CheckServers(const ColumnSet& services, const ColumnSet& servers, bool keys_only);

/// Writes one row as one message.
void EncodeServer(uint16_t family, Verb verb, const ColumnSet& services, const ColumnSet& servers, size_t row, uint16_t flags,
                  uint32_t sequence, MessageWriter& writer);

/// Carries out one change a row, in order, going on after refusals: ESRCH where the service does not exist. `errors[].index` is the row.
/// EINVAL as `stopped` where CheckServers finds fault: then nothing was sent.
BatchReport ChangeServers(Socket& socket, uint16_t family, Verb verb, const ColumnSet& services, const ColumnSet& servers,
                          const BatchOptions& options);

/// Whose real servers an IPVS_CMD_NEW_DEST message lists: it does not say itself.
struct ServerContext {
  uint32_t service_row = 0;
  /// For kernels before 3.18, which do not say the real server's own.
  uint8_t service_family = 0;
  bool statistics = false;
};

/// Appends the real server in the message. False where it is malformed.
bool DecodeServer(const Message& message, const ServerContext& context, ColumnSet& servers);

}  // namespace netplane::ipvs

#endif  // NETPLANE_IPVS_SERVERS_H_
