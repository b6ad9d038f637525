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
  /// Attributes of SchemaOf(kind); for kElements those of the header (table, set, set id). Each is padded to 4.
  Bytes attributes;
  /// kElements only; none means "all" for delete and destroy (the set is emptied), no rows mean nothing at all.
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
  /// What is known of the kernel behind the socket; see TransactionOptions. Shared, as a commit may outlive whoever asked for it.
  std::shared_ptr<BatchAnswers> answers;
};

/// An object that came back because of Operation::echo.
struct Echo {
  uint32_t index = 0;
  Record value;
};

struct CommitReport {
  TransactionReport transaction;  ///< errors carry `field` and, for elements, `row`.
  std::vector<Echo> echoes;
  /// The generation that this commit made, as the kernel's NFT_MSG_NEWGEN to the committer says; where the batch changed nothing, the one
  /// that was asked for in CommitOptions or else the current one. 0 where unknown or nothing was applied. What others commit afterwards is
  /// not in it.
  uint32_t generation = 0;
  Bytes bytes;
};

/// The field that this verb needs and the operation lacks, or null. Without it the kernel would refuse, or take the message for a larger
/// one (deleting a rule without a handle empties the chain). Commit refuses such an operation itself: EINVAL, nothing is sent.
const char* MissingField(const Operation& operation);

/// Commits the operations in one batch. A set without an `id` is given one that no other has.
CommitReport Commit(Socket& socket, const std::vector<Operation>& operations, const CommitOptions& options);

}  // namespace netplane::nftables

#endif  // NETPLANE_NFTABLES_COMMIT_H_
