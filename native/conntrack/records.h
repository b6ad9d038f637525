// What is few: expectations and statistics, as records.
#ifndef NETPLANE_CONNTRACK_RECORDS_H_
#define NETPLANE_CONNTRACK_RECORDS_H_

#include <cstdint>
#include <vector>

#include "netlink/dump.h"
#include "netlink/result.h"
#include "netlink/socket.h"
#include "netlink/value.h"

namespace netplane::conntrack {

/// A record and what the message's header says beside it.
struct HeaderedRecord {
  /// AF_INET or AF_INET6 of an expectation.
  uint8_t family = 0;
  /// nfgenmsg.res_id: the processor of statistics.
  uint16_t resource = 0;
  Record value;
};

/// All expectations (kExpectationSchema).
Result<std::vector<HeaderedRecord>> ListExpectations(Socket& socket, Deadline deadline);

/// What is done with an expectation (ctnetlink_new_expect and ctnetlink_del_expect, net/netfilter/nf_conntrack_netlink.c).
enum class ExpectationVerb : uint8_t {
  kCreate,  ///< Needs a tuple, a mask and a master. EEXIST where one is there that the tuple meets.
  kUpdate,  ///< Changes the time-out of the one that the tuple meets, and nothing else; the same fields are needed. ENOENT.
  kDelete,  ///< The one with this tuple (and id and zone, where the record has them); ENOENT. A record without a tuple deletes all.
};

/// Changes an expectation (kExpectationSchema).
Status ChangeExpectation(Socket& socket, ExpectationVerb verb, const HeaderedRecord& expectation, Deadline deadline);

/// Counters of every processor: of flows (kProcessorStatisticsSchema) or of expectations (kExpectationStatisticsSchema).
Result<std::vector<HeaderedRecord>> ListProcessorStatistics(Socket& socket, bool of_expectations, Deadline deadline);

/// Flows now and at most (kGlobalStatisticsSchema).
Result<HeaderedRecord> GetGlobalStatistics(Socket& socket, Deadline deadline);

}  // namespace netplane::conntrack

#endif  // NETPLANE_CONNTRACK_RECORDS_H_
