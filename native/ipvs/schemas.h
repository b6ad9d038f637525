// The attribute tables of IPVS (include/uapi/linux/ip_vs.h), and the header of generic netlink before them. IPVS is in host byte order, but
// for addresses, ports, and the mask of an IPv4 service.
#ifndef NETPLANE_IPVS_SCHEMAS_H_
#define NETPLANE_IPVS_SCHEMAS_H_

#include <linux/genetlink.h>
#include <linux/ip_vs.h>

#include <optional>

#include "netlink/message_writer.h"
#include "netlink/result.h"
#include "netlink/schema.h"
#include "netlink/trace.h"

namespace netplane::ipvs {

/// What a message of each command carries (IPVS_CMD_ATTR_*): `service`, `destination`, `daemon`, and the time-outs.
extern const Schema kCommandSchema;
/// The answer to IPVS_CMD_GET_INFO, whose attributes are numbered by themselves (IPVS_INFO_ATTR_*).
extern const Schema kInfoSchema;

/// Begins a message of the family with its genlmsghdr.
void BeginCommand(uint16_t family, uint8_t command, uint16_t flags, uint32_t sequence, MessageWriter& writer);
/// The command of a message of generic netlink; nothing where the body is shorter than its header.
std::optional<uint8_t> CommandOf(const Message& message);

/// The error with the command that it is about as its operation: the transport knows it as a request or a dump only.
Error Named(Error error, uint8_t command);
/// "IPVS_CMD_NEW_SERVICE".
const char* CommandName(uint8_t command);

/// For traces of NETLINK_GENERIC; see trace.h. Knows CTRL_CMD_GETFAMILY, and the family's own messages once ResolveFamily has found it.
MessageDescription Describe(uint16_t type);
/// Tells Describe which message type is IPVS.
void RememberFamily(uint16_t family);

}  // namespace netplane::ipvs

#endif  // NETPLANE_IPVS_SCHEMAS_H_
