// Many independent messages in few system calls: generic netlink, rtnetlink, ctnetlink. The kernel works them off inside sendmsg, goes on
// after an error, and answers errors even where no ACK was asked for. Rules and measurements: docs/transport.md.
#ifndef NETPLANE_NETLINK_BATCH_H_
#define NETPLANE_NETLINK_BATCH_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "netlink/attribute_reader.h"
#include "netlink/message_writer.h"
#include "netlink/result.h"
#include "netlink/socket.h"

namespace netplane {

/// One operation that the kernel refused.
struct ItemError {
  /// Index of the operation in the batch.
  uint32_t index = 0;
  /// Positive errno.
  int code = 0;
  /// NLMSGERR_ATTR_MSG.
  std::string message;
  /// NLMSGERR_ATTR_OFFS: bytes from the start of the operation's message.
  std::optional<uint32_t> offset;
  /// Which of the operation's messages, where it has several (transactions), from 0.
  uint32_t part = 0;
  /// The caller's field at fault, where the offset names one: "expressions[2].set".
  std::string field;
  /// The caller's row at fault, where the operation holds many (columns).
  std::optional<uint32_t> row;
};

/// What a batch did. Exact: every operation is applied, refused (in `errors`), or in the unknown range.
struct BatchReport {
  std::vector<ItemError> errors;
  /// Operations [0, sent) were handed to the kernel; the rest were not.
  uint32_t sent = 0;
  /// Operations in [unknown_from, sent) that are not in `errors` may or may not have been applied: replies were lost. Equal to `sent` when
  /// all is known.
  uint32_t unknown_from = 0;
  /// Why it stopped early, or why there is an unknown range (then with outcome_unknown): ECANCELED (`cancelled`, stop_on_error), ETIMEDOUT,
  /// ENOBUFS (replies lost), EINTR (the last operation was never acknowledged), EPROTO (a reply was malformed), or the errno of sendmsg or
  /// recvmmsg.
  Status stopped;
  uint32_t system_calls = 0;
};

struct BatchOptions {
  Deadline deadline;
  /// Stop before the next send once an operation of an earlier one was refused.
  bool stop_on_error = false;
  /// Asked before each send; true stops (AbortSignal).
  std::function<bool()> cancelled;
};

/// Writes operation `index` as one message: the callee calls writer.Begin(type, flags, sequence) with its own flags and `extra_flags`
/// (NLM_F_REQUEST) and the sequence given, its header and attributes, and writer.End(). May be called more than once for an operation.
using MessageEncoder = std::function<void(uint32_t index, uint16_t extra_flags, uint32_t sequence, MessageWriter& writer)>;

/// A refusal as the kernel reported it.
ItemError RefusalOf(uint32_t index, const Acknowledgement& acknowledgement);

/// How many messages lie in `messages`, if they are whole, aligned and hold at least `header_length` bytes each, so that the kernel reads
/// every one: it silently discards what follows a message with a wrong length (netlink_rcv_skb, nfnetlink_rcv_batch).
std::optional<uint32_t> CountMessages(ByteView messages, size_t header_length);

/// Encodes and sends operations 0..count-1. An operation that cannot be sent (longer than any send buffer that is granted, or with an
/// attribute over 65,535 bytes) is in `errors` with EMSGSIZE, and the others go on. Each sendmsg holds 64 KiB, less where the send buffer
/// is smaller, and, at most, as many as the receive buffer has room for errors of; NLM_F_ACK only on the last of each, then replies are
/// drained without blocking.
BatchReport RunBatch(Socket& socket, uint32_t count, const MessageEncoder& encode, const BatchOptions& options);

/// RunBatch for a caller's rows, with room asked for the refusals of one system call, as far as the kernel grants it; refusals of a larger
/// one go through several. `fault`: what is wrong with the rows; then nothing is sent.
BatchReport RunRows(Socket& socket, size_t rows, const Status& fault, const MessageEncoder& encode, const BatchOptions& options);

/// What is wrong with `columns`, for RunRows: EINVAL.
Status ColumnFault(const char* columns, const std::optional<std::string>& fault);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_BATCH_H_
