// Virtual services: columns <-> IPVS_CMD_*_SERVICE.
#ifndef NETPLANE_IPVS_SERVICES_H_
#define NETPLANE_IPVS_SERVICES_H_

#include <cstdint>
#include <span>

#include "netlink/batch.h"
#include "netlink/columns.h"
#include "netlink/socket.h"

namespace netplane::ipvs {

/// The counters of a service or real server, in the order of IPVS_STATS_ATTR_*: connections, packets and bytes each way, and their rates.
constexpr size_t kStatisticsCount = 10;

/// One row is one virtual service. What a list returns can be given to a change again. Keys need the columns up to kFwmark only.
enum ServiceColumn : size_t {
  kServiceFamily,      ///< kU8: AF_INET 2 or AF_INET6 10.
  kServiceProtocol,    ///< kU8: IPPROTO_*; 0 where the row is a fwmark.
  kServiceAddress,     ///< kFixed, 16 bytes, network order; an IPv4 address is the first 4 of them.
  kServicePort,        ///< kU16, host order.
  kServiceFwmark,      ///< kU32: not 0 where the row is a fwmark.
  kServiceScheduler,   ///< kSymbol.
  kServiceFlags,       ///< kU32: IP_VS_SVC_F_*; IP_VS_SVC_F_HASHED is the kernel's own and neither listed nor written.
  kServiceTimeout,     ///< kU32: seconds.
  kServiceNetmask,     ///< kU32, host order: a mask for IPv4 (0xffffff00), a prefix length for IPv6.
  kServiceEngine,      ///< kSymbol: the persistence engine; kNoSymbol: none.
  kServiceStatistics,  ///< kStatisticsCount columns of kU64; absent where they were not asked for or are all 0.
  kServiceColumnCount = kServiceStatistics + kStatisticsCount,
};
extern const std::span<const ColumnSpec> kServiceColumns;
constexpr size_t kAddressWidth = 16;

/// What is done with each row. add: EEXIST where it is there. update: replaces every setting; an engine that is not given is taken away.
/// remove: ESRCH (service) or ENOENT (real server) where it is not there.
enum class Verb : uint8_t { kAdd, kUpdate, kRemove };

/// What makes a row impossible to write, with its number; nothing when all are fine. `keys_only`: settings are not looked at.
std::optional<std::string> CheckServices(const ColumnSet& services, bool keys_only);

/// Appends IPVS_CMD_ATTR_SERVICE with what identifies the row; `settings`: with the rest too.
void PutService(const ColumnSet& services, size_t row, bool settings, MessageWriter& writer);

/// Writes one row as one message.
void EncodeService(uint16_t family, Verb verb, const ColumnSet& services, size_t row, uint16_t flags, uint32_t sequence,
                   MessageWriter& writer);

/// Carries out one change a row, in order, going on after refusals. `errors[].index` is the row.
/// EINVAL as `stopped` where CheckServices finds fault: then nothing was sent.
BatchReport ChangeServices(Socket& socket, uint16_t family, Verb verb, const ColumnSet& services, const BatchOptions& options);

/// Appends the service in an IPVS_CMD_NEW_SERVICE message. False where it is malformed.
bool DecodeService(const Message& message, bool statistics, ColumnSet& services);

/// Appends the counters (IPVS_*_ATTR_STATS64, or before Linux 4.1 the 32-bit ones) as kStatisticsCount columns from `first` on, before the
/// row ends. Columns in which every row is 0 stay absent: most of many objects have seen no packet, and 80 bytes of zeros would be more
/// than all else that is read of one.
void AppendStatistics(ByteView wide, ByteView narrow, size_t first, ColumnSet& columns);

}  // namespace netplane::ipvs

#endif  // NETPLANE_IPVS_SERVICES_H_
