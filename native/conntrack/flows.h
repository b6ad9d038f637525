// Requests about flows: list, get, count, change, delete, flush.
#ifndef NETPLANE_CONNTRACK_FLOWS_H_
#define NETPLANE_CONNTRACK_FLOWS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "conntrack/filter.h"
#include "conntrack/flow.h"
#include "netlink/batch.h"
#include "netlink/columns.h"
#include "netlink/dump.h"
#include "netlink/result.h"
#include "netlink/socket.h"
#include "netlink/value.h"

namespace netplane::conntrack {

/// Flows as columns, and the rare attributes of those that have any: row and record of kDetailSchema.
struct FlowPiece {
  FlowPiece();
  ColumnSet columns;
  std::vector<std::pair<uint32_t, Record>> details;
};

/// Which flows, and of which list.
struct FlowQuery {
  std::shared_ptr<const FlowFilter> filter;
  /// IPCTNL_MSG_CT_GET; GET_CTRZERO reads and zeroes the counters of every flow that the kernel gives, whether it matches or not, so the
  /// caller must not pair it with more filter than the kernel's own; GET_DYING, GET_UNCONFIRMED: flows on their way out or in.
  uint8_t message = 1;
};

/// A dump of flows, read as fast as its reader wants: bounded memory for any number of them. One at a time on a socket.
class FlowStream {
 public:
  /// Takes what matches; returning an error ends the dump with it.
  using Taker = std::function<Status(const Flow& flow, ByteView attributes)>;

  FlowStream(Socket& socket, FlowQuery query) : query_(std::move(query)), exchange_(socket, true) {}

  /// Reads one datagram, which holds up to about 200 flows; the first call sends the request. Where the kernel refuses its part of the
  /// filter, the dump begins again without it.
  Status Read(const Taker& take, Deadline deadline);
  bool is_done() const { return has_begun_ && exchange_.is_done(); }
  /// Flows that the kernel gave so far.
  uint64_t scanned() const { return scanned_; }
  /// The kernel filtered too (NLM_F_DUMP_FILTERED).
  bool is_filtered() const { return exchange_.is_filtered(); }

 private:
  Status Begin();
  void WriteRequest(uint16_t flags, uint32_t sequence, MessageWriter& writer) const;

  const FlowQuery query_;
  Exchange exchange_;
  bool has_begun_ = false;
  bool use_kernel_filter_ = true;
  uint64_t scanned_ = 0;
};

/// Appends a flow that a stream gave.
void AppendTo(FlowPiece& piece, const Flow& flow, ByteView attributes);

/// Flows a piece at most: below 4 MiB of columns.
constexpr size_t kRowsPerPiece = 16384;

/// All that match, in pieces.
Result<std::vector<FlowPiece>> ListFlows(Socket& socket, const FlowQuery& query, Deadline deadline);

struct FlowCount {
  uint64_t matched = 0;
  uint64_t scanned = 0;
};
Result<FlowCount> CountFlows(Socket& socket, const FlowQuery& query, Deadline deadline);

/// The flow that has the original tuple of `row` (with its zone); ENOENT. `by_reply`: the reply tuple.
Result<FlowPiece> GetFlow(Socket& socket, const ColumnSet& columns, size_t row, bool by_reply, Deadline deadline);

enum class FlowVerb : uint8_t { kCreate, kUpdate, kDelete };

/// Changes, one a row. `present` says which attributes are sent.
struct FlowChange {
  FlowVerb verb = FlowVerb::kUpdate;
  ColumnSet columns;
  /// By row: further attributes (kDetailSchema).
  std::vector<std::pair<uint32_t, Record>> details;
};

/// Carries out one change a row, in order, going on after refusals. create: EEXIST where one of its tuples is in use; update, delete:
/// ENOENT (a delete with an id: the tuple is another flow's by now).
BatchReport ChangeFlows(Socket& socket, const FlowChange& change, const BatchOptions& options);

/// What a delete by filter did.
struct RemovalReport {
  uint64_t scanned = 0;
  uint64_t matched = 0;
  uint64_t deleted = 0;
  /// Gone by themselves (or reused) between being listed and being removed.
  uint64_t vanished = 0;
  bool kernel_filtered = false;
  /// The first refusal other than ENOENT, and how many there were.
  std::optional<ItemError> refusal;
  uint64_t refused = 0;
  /// Why it stopped early; with outcome_unknown, up to `unknown` matches may or may not have been deleted.
  Status stopped;
  uint64_t unknown = 0;
  uint32_t system_calls = 0;
};

/// Deletes the flows that match, while they are listed: dump, match and exact deletes (original tuple, zone and id, so that a tuple in use
/// again is not removed) in one go, with memory for some thousand matches. Lists on socket.Companion(): events name
/// the socket that deletes.
RemovalReport RemoveFlows(Socket& socket, const FlowQuery& query, const BatchOptions& options);

/// Deletes all flows of the namespace in one request.
Status FlushFlows(Socket& socket, Deadline deadline);

}  // namespace netplane::conntrack

#endif  // NETPLANE_CONNTRACK_FLOWS_H_
