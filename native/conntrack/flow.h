// One flow of connection tracking, as it lies in a message. Decoded once, then matched, listed or deleted.
#ifndef NETPLANE_CONNTRACK_FLOW_H_
#define NETPLANE_CONNTRACK_FLOW_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "netlink/attribute_reader.h"
#include "netlink/message_writer.h"

namespace netplane::conntrack {

/// Network order; an IPv4 address is the first 4 bytes.
using Address = std::array<uint8_t, 16>;

/// One direction (struct nf_conntrack_tuple). Integers in host order.
struct Tuple {
  Address source{};
  Address destination{};
  /// What the kernel keeps in the tuple's unions: ports (tcp, udp, udplite, sctp, dccp); for icmp and icmpv6 the identifier here, and
  /// type << 8 | code below; for gre the keys; 0 for other protocols.
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t protocol = 0;
  /// CTA_TUPLE_ZONE: a zone of this direction alone.
  uint16_t zone = 0;
};

/// Which attributes a flow has: what is off (accounting, timestamps) is absent, not zero.
enum FlowPart : uint32_t {
  kHasTimeout = 1 << 0,
  kHasMark = 1 << 1,
  kHasOriginalCounters = 1 << 2,
  kHasReplyCounters = 1 << 3,
  kHasStart = 1 << 4,
  kHasStop = 1 << 5,
  kHasState = 1 << 6,  ///< CTA_PROTOINFO_*_STATE
  kHasTcp = 1 << 7,    ///< Window scales and flags.
  kHasTags = 1 << 8,   ///< CTA_PROTOINFO_SCTP_VTAG_*
  kHasLabels = 1 << 9,
  kHasUse = 1 << 10,
  kHasId = 1 << 11,
  kHasStatus = 1 << 12,
  kHasZone = 1 << 13,          ///< CTA_ZONE: of both directions.
  kHasOriginalZone = 1 << 14,  ///< CTA_TUPLE_ZONE
  kHasReplyZone = 1 << 15,
  kHasEventTime = 1 << 16,  ///< CTA_TIMESTAMP_EVENT
};

struct Counters {
  uint64_t packets = 0;
  uint64_t bytes = 0;
};

/// The views live as long as the message.
struct Flow {
  uint8_t family = 0;
  Tuple original;
  Tuple reply;
  /// FlowPart bits.
  uint32_t present = 0;
  /// IPS_* (include/uapi/linux/netfilter/nf_conntrack_common.h).
  uint32_t status = 0;
  uint32_t timeout_seconds = 0;
  uint32_t mark = 0;
  uint32_t id = 0;
  uint32_t use = 0;
  uint16_t zone = 0;
  uint8_t state = 0;
  std::array<uint8_t, 2> window_scale{};
  std::array<uint8_t, 2> tcp_flags{};
  std::array<uint32_t, 2> tags{};
  std::array<Counters, 2> counters{};
  /// Nanoseconds since 1970.
  uint64_t start = 0;
  uint64_t stop = 0;
  uint64_t event_time = 0;
  ByteView labels;
  std::optional<std::string_view> helper;
  std::optional<std::string_view> security_context;
  /// Has attributes that only kDetailSchema reads.
  bool has_details = false;

  /// The zone that a direction's tuple is looked up in.
  uint16_t ZoneOf(bool reply_direction) const {
    const bool own = present & (reply_direction ? kHasReplyZone : kHasOriginalZone);
    if (own) return reply_direction ? reply.zone : original.zone;
    return zone;
  }
};

/// Reads a flow; `attributes` is everything after struct nfgenmsg. False where the attributes are malformed or the original tuple is
/// missing.
bool DecodeFlow(uint8_t family, ByteView attributes, Flow* flow);

/// Reads CTA_TUPLE_* content. False where it is malformed.
bool DecodeTuple(ByteView attributes, Tuple* tuple, bool* has_zone);

/// Appends a tuple as attribute CTA_TUPLE_ORIG or the like; `zone` adds CTA_TUPLE_ZONE.
void EncodeTuple(uint16_t attribute, uint8_t family, const Tuple& tuple, std::optional<uint16_t> zone, MessageWriter& writer);

/// Length of an address of the family: 4, 16, or 0 where the family is neither AF_INET nor AF_INET6.
size_t AddressLength(uint8_t family);

}  // namespace netplane::conntrack

#endif  // NETPLANE_CONNTRACK_FLOW_H_
