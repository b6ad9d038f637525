// Dumps and single requests.
#ifndef NETPLANE_NETLINK_DUMP_H_
#define NETPLANE_NETLINK_DUMP_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "netlink/attribute_reader.h"
#include "netlink/message_writer.h"
#include "netlink/result.h"
#include "netlink/socket.h"

namespace netplane {

/// Writes the one request message; flags already hold NLM_F_REQUEST and, for dumps, NLM_F_DUMP.
using RequestEncoder = std::function<void(uint16_t flags, uint32_t sequence, MessageWriter& writer)>;
/// Takes one reply message. Returning an error ends the request with it.
using ReplyHandler = std::function<Status(const Message& message)>;

struct DumpOptions {
  Deadline deadline;
  /// How often an interrupted dump (NLM_F_DUMP_INTR, EINTR) is begun again before EINTR is returned.
  int retries = 16;
  /// Called before each attempt, so that the handler's collection can be emptied.
  std::function<void()> restart;
};

/// A request and its replies, read a datagram at a time. The kernel goes on with a dump only as it is read, so one of any length needs no
/// more memory than its reader keeps. What is left over of one that is given up, the next use of the socket drains.
class Exchange {
 public:
  /// `is_dump`: the replies end with NLMSG_DONE; otherwise with the ACK.
  Exchange(Socket& socket, bool is_dump) : socket_(socket), is_dump_(is_dump) {}

  /// Sends the request. `is_drained`: the caller knows that nothing is queued (its last exchange ended well), which saves a system call.
  Status Begin(const RequestEncoder& encode, bool is_drained = false);
  /// Reads one datagram and hands over its messages. Errors as those of RunDump and RunRequest, but for EINTR.
  Status Read(const ReplyHandler& handle, Deadline deadline);
  bool is_done() const { return is_done_; }
  /// NLM_F_DUMP_INTR was seen: what was handed over is not one state of the kernel's.
  bool is_interrupted() const { return is_interrupted_; }
  /// NLM_F_DUMP_FILTERED was seen: the kernel applied the filter of the request.
  bool is_filtered() const { return is_filtered_; }

 private:
  Status ReceiveError(Received received) const;
  Error NoVerdict(Error error) const;
  Status ReadDatagram(ByteView datagram, const ReplyHandler& handle);
  Status ReadMessage(const Message& message, const ReplyHandler& handle);

  Socket& socket_;
  const bool is_dump_;
  uint32_t sequence_ = 0;
  bool is_done_ = false;
  bool is_interrupted_ = false;
  bool is_filtered_ = false;
};

/// Runs a dump to its NLMSG_DONE. An incomplete dump is an error, never a shorter result: EINTR (interrupted too often), ENOBUFS,
/// EPROTO (malformed), ETIMEDOUT (deadline), or the kernel's own errno.
Status RunDump(Socket& socket, const RequestEncoder& encode, const ReplyHandler& handle, const DumpOptions& options);

/// Sends one request that is no dump and hands over its replies: until the ACK (asked for with NLM_F_ACK). The kernel's own errno, what
/// `handle` returned, or ENOBUFS, EPROTO, ETIMEDOUT: the ACK was not seen, so the outcome is unknown. Replies that carry NLM_F_MULTI
/// without a DONE, as ctnetlink's do, end at the ACK too.
Status RunRequest(Socket& socket, const RequestEncoder& encode, const ReplyHandler& handle, Deadline deadline);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_DUMP_H_
