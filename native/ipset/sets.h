// Names of the sets of ipset, which rules of xtables have by index: IPSET_CMD_GET_BYNAME and IPSET_CMD_GET_BYINDEX of
// include/uapi/linux/netfilter/ipset/ip_set.h, since Linux 4.20.
#ifndef NETPLANE_IPSET_SETS_H_
#define NETPLANE_IPSET_SETS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "netlink/dump.h"
#include "netlink/result.h"
#include "netlink/socket.h"

namespace netplane::ipset {

/// The longest name of a set: IPSET_MAXNAMELEN without its NUL.
constexpr size_t kNameLength = 31;

/// Asks for the index of a set.
void EncodeIndexRequest(const std::string& name, uint16_t flags, uint32_t sequence, MessageWriter& writer);
/// Asks for the name of a set.
void EncodeNameRequest(uint16_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer);

/// The index in an answer. Nothing where it is malformed.
std::optional<uint16_t> DecodeIndex(const Message& message);
/// The name in an answer, 1 to kNameLength bytes. Nothing where it is malformed.
std::optional<std::string> DecodeName(const Message& message);

/// The index of the set of this name. ENOENT where there is none; EINVAL where the kernel has sets and not this request.
Result<uint16_t> FindIndex(Socket& socket, const std::string& name, Deadline deadline);
/// The name of the set of this index. Errors as those of FindIndex.
Result<std::string> FindName(Socket& socket, uint16_t index, Deadline deadline);

}  // namespace netplane::ipset

#endif  // NETPLANE_IPSET_SETS_H_
