// What is not a service nor a real server: time-outs, information, synchronisation daemons, counters, and the removal of everything.
#ifndef NETPLANE_IPVS_COMMANDS_H_
#define NETPLANE_IPVS_COMMANDS_H_

#include <vector>

#include "ipvs/services.h"
#include "netlink/result.h"
#include "netlink/value.h"

namespace netplane::ipvs {

/// A command and what it carries.
struct Command {
  /// IPVS_CMD_*.
  uint8_t command = 0;
  /// Fields of kCommandSchema.
  Record value;
  /// The one service that it is about (row 0; IPVS_CMD_ZERO); null: none.
  const ColumnSet* service = nullptr;
};

/// Asks (IPVS_CMD_GET_CONFIG, _GET_INFO, _GET_DAEMON): a record for each answer, of kInfoSchema for information, else of kCommandSchema.
Result<std::vector<Record>> Query(Socket& socket, uint16_t family, const Command& command, Deadline deadline);

/// Tells (IPVS_CMD_SET_CONFIG, _NEW_DAEMON, _DEL_DAEMON, _ZERO, _FLUSH). The ACK of IPVS_CMD_DEL_DAEMON can be missing for ever, as its
/// handler may end in EINTR when it has done its work (stop_sync_thread, netlink_rcv_skb); so a harmless question follows in the same
/// system call, and its ACK without a refusal before it is the success.
Status Run(Socket& socket, uint16_t family, const Command& command, Deadline deadline);

}  // namespace netplane::ipvs

#endif  // NETPLANE_IPVS_COMMANDS_H_
