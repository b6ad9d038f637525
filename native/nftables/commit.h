// A batch of nf_tables operations: encoded, committed, and every refusal named in the caller's terms.
#ifndef NETPLANE_NFTABLES_COMMIT_H_
#define NETPLANE_NFTABLES_COMMIT_H_

#include <memory>
#include <optional>
#include <vector>

#include "netlink/columns.h"
#include "netlink/transaction.h"
#include "netlink/value.h"
#include "nftables/schemas.h"

namespace netplane::nftables {

struct Operation {
  Verb verb = Verb::kAdd;
  Kind kind = Kind::kTable;
  uint8_t family = 0;
  /// By SchemaOf(kind); for kElements the header (table, set, set id).
  Record value;
  /// kElements only; none means "all" for delete (flush the set).
  std::unique_ptr<ColumnSet> elements;
  /// Ask for the object back with its handle (NLM_F_ECHO).
  bool echo = false;
};

struct CommitOptions {
  Deadline deadline;
  std::optional<uint32_t> generation;
  bool dry_run = false;
  /// Keep the bytes sent in CommitReport::bytes (for benchmarks and golden tests).
  bool record = false;
};

/// An object that came back because of Operation::echo.
struct Echo {
  uint32_t index = 0;
  Record value;
};

struct CommitReport {
  TransactionReport transaction;  ///< errors carry `field` and, for elements, `row`.
  std::vector<Echo> echoes;
  /// The namespace's generation after the commit (GETGEN, a system call of its own); 0 where unknown or nothing was applied.
  uint32_t generation = 0;
  Bytes bytes;
};

CommitReport Commit(Socket& socket, const std::vector<Operation>& operations, const CommitOptions& options);

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_COMMIT_H_
