// The nfnetlink batch (NFNL_MSG_BATCH_BEGIN … END): all or nothing, in one sendmsg.
#ifndef NETPLANE_NETLINK_TRANSACTION_H_
#define NETPLANE_NETLINK_TRANSACTION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "netlink/batch.h"

namespace netplane {

/// What a kernel has shown of itself: kept by the owner of a socket from one transaction to the next.
struct BatchAnswers {
  /// Whether it acknowledges NFNL_MSG_BATCH_END (6.10).
  std::optional<bool> acknowledges_end;
};

struct TransactionOptions {
  Deadline deadline;
  /// NFNL_SUBSYS_*: whose batch it is.
  uint8_t subsystem = 0;
  /// NFNL_BATCH_GENID: refuse with ERESTART when any process committed since.
  std::optional<uint32_t> generation;
  /// Without BATCH_END: the kernel validates and then aborts (NFNL_ABORT_VALIDATE).
  bool dry_run = false;
  /// Messages that came back because of NLM_F_ECHO, and who asked for them; called on the calling thread. An operation 0 that asks is
  /// answered with NFT_MSG_NEWGEN too (nft_gen_notify answers the batch's first message).
  std::function<void(uint32_t index, const struct Message& message)> echo;
  /// Null: found out with every transaction anew.
  BatchAnswers* answers = nullptr;
};

struct TransactionReport {
  /// True: committed (or, for a dry run, would have been). False with `errors` or `failure`: nothing was changed,
  /// unless failure->outcome_unknown.
  bool applied = false;
  /// Every refusal the kernel reported, by index; later ones may be consequences of the first.
  std::vector<ItemError> errors;
  /// A failure of the whole: EPERM, ERESTART (generation), ENOMEM, EOPNOTSUPP (no nf_tables), EMSGSIZE (names the bytes needed and
  /// granted), what the commit itself answered (EINVAL: an anonymous set that no rule uses); ENOBUFS or EPROTO where the verdict was lost
  /// (outcome_unknown, but for a dry run).
  Status failure;
  /// True where replies were lost although the verdict is known: there may be more refusals, or echoes, than were reported.
  bool replies_lost = false;
  uint32_t system_calls = 0;
  size_t bytes = 0;
};

/// Gives the sequence number of the next message. Every message has its own: an error names the message and an offset in it, and an
/// operation may be several messages (many elements).
using SequenceSource = std::function<uint32_t()>;
/// Writes operation `index` as any number of messages (even none), each with a sequence from `next`. An error means that it cannot be
/// written: nothing is sent, and it is reported as the ItemError of that operation (code, message).
using OperationEncoder = std::function<Status(uint32_t index, const SequenceSource& next, MessageWriter& writer)>;

/// Encodes `count` operations between BEGIN and END, sends them in one call and reads the verdict. Where this kernel acknowledges END
/// (6.10; found out with an empty batch, once for each `answers`), that ACK is the proof of the commit; elsewhere silence is. NLM_F_ACK is
/// added to the first message: the kernel blames a failed commit on that message (nfnetlink_rcv_batch), and its ACK beside the error tells
/// it from a refusal of the message itself; and on kernels that do not acknowledge END it is the proof that the batch was worked through.
/// `messages`, if given, receives the bytes that were sent, BEGIN first: what writer.message_start() said to the encoder is where the
/// message lies (for mapping offsets to fields, and for replay). It is filled also when nothing was applied.
TransactionReport RunTransaction(Socket& socket, uint32_t count, const OperationEncoder& encode, const TransactionOptions& options,
                                 Bytes* messages = nullptr);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_TRANSACTION_H_
