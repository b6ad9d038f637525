// The attribute tables of rtnetlink's links, addresses and routes (include/uapi/linux/if_link.h, if_addr.h, rtnetlink.h), and the headers
// before them.
// All of rtnetlink is in host byte order, but for the addresses themselves.
#ifndef NETPLANE_ROUTE_SCHEMAS_H_
#define NETPLANE_ROUTE_SCHEMAS_H_

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <optional>

#include "netlink/message_writer.h"
#include "netlink/result.h"
#include "netlink/schema.h"
#include "netlink/trace.h"

namespace netplane::route {

/// IFA_PROTO (Linux 5.18), which older headers do not have.
constexpr uint16_t kIfaProto = 11;
/// RTA_NH_ID (Linux 5.3).
constexpr uint16_t kRtaNhId = 30;

/// IFLA_*: what netplane reads and writes of a link. Statistics and settings of drivers and protocols are read over.
extern const Schema kLinkSchema;
/// IFA_*: for traces and for naming the attribute that a refusal points at; addresses themselves travel as columns (addresses.h).
extern const Schema kAddressSchema;
/// RTA_*: for traces; routes are read by routes.h.
extern const Schema kRouteSchema;

/// Bytes of an address of AF_INET or AF_INET6; 0 for other families.
size_t AddressLength(uint8_t family);

/// The fixed part of a message, where the body is long enough for it.
template <typename Header>
std::optional<Header> ReadHeader(const Message& message) {
  if (message.body.size() < sizeof(Header)) return std::nullopt;
  Header header;
  std::memcpy(&header, message.body.data(), sizeof header);
  return header;
}

/// Appends a fixed part.
template <typename Header>
void PutHeader(MessageWriter& writer, const Header& header) {
  writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
}

/// The error with the message that it is about as its operation: the transport knows it as a request or a dump only.
Error Named(Error error, const char* operation);

/// For traces of NETLINK_ROUTE; see trace.h.
MessageDescription Describe(uint16_t type);

}  // namespace netplane::route

#endif  // NETPLANE_ROUTE_SCHEMAS_H_
