// Decoded frames as text, for NETPLANE_DEBUG=netlink.
#ifndef NETPLANE_NETLINK_TRACE_H_
#define NETPLANE_NETLINK_TRACE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "netlink/attribute_reader.h"
#include "netlink/schema.h"

namespace netplane {

/// How to print a message of one protocol and type.
struct MessageDescription {
  /// "NFT_MSG_NEWTABLE"; null where unknown.
  const char* name = nullptr;
  /// Bytes of family header before the attributes.
  size_t header_length = 0;
  const Schema* schema = nullptr;
  /// Describes the message by its body, where the type names the family only (generic netlink).
  MessageDescription (*refine)(ByteView body) = nullptr;
};
/// A codec's table: describes a message type, or returns name == nullptr. Registered once per protocol at start-up by the codecs' owner.
using MessageDescriber = MessageDescription (*)(uint16_t type);
void RegisterDescriber(int protocol, MessageDescriber describe);

/// Turned on by the addon when NETPLANE_DEBUG names netlink. Lines go to standard error from whichever thread sends or receives, one write
/// per datagram.
void EnableTrace(bool enabled);
bool TraceEnabled();
/// Describes one datagram, a line a message: `-> NFT_MSG_NEWTABLE seq=7 flags=REQUEST|CREATE len=40 family=2 res_id=0
/// NFTA_TABLE_NAME="app"`. `outgoing` chooses the arrow. All text is escaped (see DescribeAttributes).
std::string DescribeDatagram(int protocol, ByteView datagram, bool outgoing);
/// Called by Socket for every datagram when tracing is on.
void TraceDatagram(int protocol, ByteView datagram, bool outgoing);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_TRACE_H_
