// Reading services and real servers.
#ifndef NETPLANE_IPVS_LIST_H_
#define NETPLANE_IPVS_LIST_H_

#include <vector>

#include "ipvs/servers.h"
#include "netlink/dump.h"
#include "netlink/result.h"

namespace netplane::ipvs {

/// The id that this kernel gave generic netlink's family "IPVS", which stays the same until ip_vs is unloaded; asking loads the module
/// where the kernel can. ENOENT: there is no IPVS.
Result<uint16_t> ResolveFamily(Socket& socket, Deadline deadline);

struct ListRequest {
  /// Only these services, by key (ServiceColumn); null: all.
  const ColumnSet* services = nullptr;
  /// Their real servers too.
  bool servers = false;
  /// Fill the statistics' columns.
  bool statistics = false;
  Deadline deadline;
};

/// Rows of `servers` name rows of `services`, counted over all pieces; those of one service follow one another. Pieces are of at most 4
/// MiB.
struct Listing {
  std::vector<ColumnSet> services;
  std::vector<ColumnSet> servers;
};

/// Reads what was asked for; services that do not exist are left out. IPVS has one dump of services and one of real servers for each of
/// them, flags no change in between (NLM_F_DUMP_INTR), and answers for a service that has gone as for one without real servers. So what
/// came in more than one datagram is read twice, the services once more at the end, and everything again where the keys differ; EINTR after
/// 16 tries.
Result<Listing> List(Socket& socket, uint16_t family, const ListRequest& request);

}  // namespace netplane::ipvs

#endif  // NETPLANE_IPVS_LIST_H_
