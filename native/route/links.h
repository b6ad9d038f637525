// Links: RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK, RTM_GETLINK.
#ifndef NETPLANE_ROUTE_LINKS_H_
#define NETPLANE_ROUTE_LINKS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "netlink/dump.h"
#include "netlink/result.h"
#include "netlink/socket.h"
#include "netlink/value.h"

namespace netplane::route {

/// A link as the kernel reports it: the fixed part (struct ifinfomsg) and its attributes by kLinkSchema.
struct Link {
  uint32_t index = 0;
  /// ARPHRD_* (include/uapi/linux/if_arp.h).
  uint16_t hardware_type = 0;
  /// IFF_* (include/uapi/linux/if.h).
  uint32_t flags = 0;
  Record value;
};

/// Which link is meant: by index, or where that is 0 by name (up to 15 bytes; alternative names up to 127, Linux 5.5).
struct LinkSelector {
  uint32_t index = 0;
  std::string name;
};

enum class LinkVerb : uint8_t { kCreate, kSet, kDelete };

struct LinkChange {
  LinkVerb verb = LinkVerb::kSet;
  /// The name of the link to create, or the link to change.
  LinkSelector link;
  /// IFF_* bits to change, and their new values.
  uint32_t change_mask = 0;
  uint32_t flags = 0;
  /// By kLinkSchema; not for delete. What identifies the link is not repeated here.
  Record value;
};

/// Reads the link in an RTM_NEWLINK or RTM_DELLINK message. Nothing where it is malformed.
/// Attributes that kLinkSchema does not know are left out: links are never written back as a whole.
std::optional<Link> DecodeLink(const Message& message);

/// All links of the namespace.
Result<std::vector<Link>> ListLinks(Socket& socket, Deadline deadline);

/// One link; ENODEV where it does not exist.
Result<Link> GetLink(Socket& socket, const LinkSelector& link, Deadline deadline);

/// Creates (EEXIST), changes or deletes (ENODEV) a link. The kernel's own words (EXT_ACK) are in the error's message.
Status ChangeLink(Socket& socket, const LinkChange& change, Deadline deadline);

}  // namespace netplane::route

#endif  // NETPLANE_ROUTE_LINKS_H_
