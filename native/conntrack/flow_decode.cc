#include <sys/socket.h>

#include <algorithm>

#include "conntrack/flow.h"
#include "conntrack/kernel.h"

// Of an attribute that comes twice the last one counts, as for the kernel (lib/nlattr.c, __nla_validate_parse): readers of a nest begin by
// forgetting what an earlier one said.
namespace netplane::conntrack {
namespace {

void ReadAddress(ByteView payload, Address* address) {
  *address = {};
  std::copy_n(payload.begin(), std::min(payload.size(), address->size()), address->begin());
}

bool ReadAddresses(ByteView attributes, Tuple* tuple) {
  tuple->source = tuple->destination = {};
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    const bool is_source = attribute->type == CTA_IP_V4_SRC || attribute->type == CTA_IP_V6_SRC;
    if (!is_source && attribute->type != CTA_IP_V4_DST && attribute->type != CTA_IP_V6_DST) continue;
    ReadAddress(attribute->payload, is_source ? &tuple->source : &tuple->destination);
  }
  return !reader.malformed();
}

bool ReadProtocol(ByteView attributes, Tuple* tuple) {
  tuple->protocol = 0;
  tuple->source_port = tuple->destination_port = 0;
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    const auto byte = attribute->Integer<uint8_t>().value_or(0);
    switch (attribute->type) {
      case CTA_PROTO_NUM:
        tuple->protocol = byte;
        break;
      case CTA_PROTO_SRC_PORT:
      case CTA_PROTO_ICMP_ID:
      case CTA_PROTO_ICMPV6_ID:
        tuple->source_port = attribute->Integer<uint16_t>(kBig).value_or(0);
        break;
      case CTA_PROTO_DST_PORT:
        tuple->destination_port = attribute->Integer<uint16_t>(kBig).value_or(0);
        break;
      case CTA_PROTO_ICMP_TYPE:
      case CTA_PROTO_ICMPV6_TYPE:
        tuple->destination_port = static_cast<uint16_t>((tuple->destination_port & 0xff) | (byte << 8));
        break;
      case CTA_PROTO_ICMP_CODE:
      case CTA_PROTO_ICMPV6_CODE:
        tuple->destination_port = static_cast<uint16_t>((tuple->destination_port & 0xff00) | byte);
        break;
      default:
        break;
    }
  }
  return !reader.malformed();
}

bool ReadCounters(ByteView attributes, Counters* counters) {
  *counters = {};
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    const auto number = attribute->Integer<uint64_t>(kBig).value_or(0);
    if (attribute->type == CTA_COUNTERS_PACKETS) counters->packets = number;
    if (attribute->type == CTA_COUNTERS_BYTES) counters->bytes = number;
  }
  return !reader.malformed();
}

bool ReadTimestamp(ByteView attributes, Flow* flow) {
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    const auto number = attribute->Integer<uint64_t>(kBig);
    if (!number) continue;
    if (attribute->type == CTA_TIMESTAMP_START) {
      flow->start = *number;
      flow->present |= kHasStart;
    } else if (attribute->type == CTA_TIMESTAMP_STOP) {
      flow->stop = *number;
      flow->present |= kHasStop;
    }
  }
  return !reader.malformed();
}

bool ReadTcp(ByteView attributes, Flow* flow) {
  AttributeReader reader(attributes);
  flow->present |= kHasTcp;
  while (const auto attribute = reader.Next()) {
    const auto byte = attribute->Integer<uint8_t>().value_or(0);
    switch (attribute->type) {
      case CTA_PROTOINFO_TCP_STATE:
        flow->state = byte;
        flow->present |= kHasState;
        break;
      case CTA_PROTOINFO_TCP_WSCALE_ORIGINAL:
        flow->window_scale[0] = byte;
        break;
      case CTA_PROTOINFO_TCP_WSCALE_REPLY:
        flow->window_scale[1] = byte;
        break;
      // struct nf_ct_tcp_flags: flags, mask.
      case CTA_PROTOINFO_TCP_FLAGS_ORIGINAL:
        flow->tcp_flags[0] = byte;
        break;
      case CTA_PROTOINFO_TCP_FLAGS_REPLY:
        flow->tcp_flags[1] = byte;
        break;
      default:
        break;
    }
  }
  return !reader.malformed();
}

bool ReadSctp(ByteView attributes, Flow* flow) {
  AttributeReader reader(attributes);
  flow->present |= kHasTags;
  while (const auto attribute = reader.Next()) {
    if (attribute->type == CTA_PROTOINFO_SCTP_STATE) {
      flow->state = attribute->Integer<uint8_t>().value_or(0);
      flow->present |= kHasState;
    } else if (attribute->type == CTA_PROTOINFO_SCTP_VTAG_ORIGINAL) {
      flow->tags[0] = attribute->Integer<uint32_t>(kBig).value_or(0);
    } else if (attribute->type == CTA_PROTOINFO_SCTP_VTAG_REPLY) {
      flow->tags[1] = attribute->Integer<uint32_t>(kBig).value_or(0);
    }
  }
  return !reader.malformed();
}

bool ReadProtocolInfo(ByteView attributes, Flow* flow) {
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    if (attribute->type == CTA_PROTOINFO_TCP && !ReadTcp(attribute->payload, flow)) return false;
    if (attribute->type == CTA_PROTOINFO_SCTP && !ReadSctp(attribute->payload, flow)) return false;
    if (attribute->type == CTA_PROTOINFO_DCCP) flow->has_details = true;
  }
  return !reader.malformed();
}

std::optional<std::string_view> NameIn(ByteView attributes, uint16_t name) {
  std::optional<std::string_view> found;
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    if (attribute->type == name) found = attribute->Text();
  }
  return found;
}

// Every flow made by netlink has room for a SYN proxy's numbers; all zero, it has none.
bool IsZero(ByteView attributes) {
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    if (std::ranges::any_of(attribute->payload, [](uint8_t byte) { return byte != 0; })) return false;
  }
  return !reader.malformed();
}

void SetNumber(const Attribute& attribute, uint32_t part, uint32_t* number, Flow* flow) {
  const auto value = attribute.Integer<uint32_t>(kBig);
  if (!value) return;
  *number = *value;
  flow->present |= part;
}

// The attributes that a listing of 200,000 flows repeats 200,000 times, each read in place.
bool ReadAttribute(const Attribute& attribute, Flow* flow) {
  bool has_zone = false;
  switch (attribute.type) {
    case CTA_TUPLE_ORIG:
      if (!DecodeTuple(attribute.payload, &flow->original, &has_zone)) return false;
      if (has_zone) flow->present |= kHasOriginalZone;
      return true;
    case CTA_TUPLE_REPLY:
      if (!DecodeTuple(attribute.payload, &flow->reply, &has_zone)) return false;
      if (has_zone) flow->present |= kHasReplyZone;
      return true;
    case CTA_STATUS:
      SetNumber(attribute, kHasStatus, &flow->status, flow);
      return true;
    case CTA_TIMEOUT:
      SetNumber(attribute, kHasTimeout, &flow->timeout_seconds, flow);
      return true;
    case CTA_MARK:
      SetNumber(attribute, kHasMark, &flow->mark, flow);
      return true;
    case CTA_ID:
      SetNumber(attribute, kHasId, &flow->id, flow);
      return true;
    case CTA_USE:
      SetNumber(attribute, kHasUse, &flow->use, flow);
      return true;
    case CTA_ZONE:
      if (const auto zone = attribute.Integer<uint16_t>(kBig)) {
        flow->zone = *zone;
        flow->present |= kHasZone;
      }
      return true;
    case CTA_PROTOINFO:
      return ReadProtocolInfo(attribute.payload, flow);
    case CTA_COUNTERS_ORIG:
      flow->present |= kHasOriginalCounters;
      return ReadCounters(attribute.payload, &flow->counters[0]);
    case CTA_COUNTERS_REPLY:
      flow->present |= kHasReplyCounters;
      return ReadCounters(attribute.payload, &flow->counters[1]);
    case CTA_TIMESTAMP:
      return ReadTimestamp(attribute.payload, flow);
    case CTA_LABELS:
      flow->labels = attribute.payload;
      flow->present |= kHasLabels;
      return true;
    case CTA_HELP:
      flow->helper = NameIn(attribute.payload, CTA_HELP_NAME);
      return true;
    case CTA_SECCTX:
      flow->security_context = NameIn(attribute.payload, CTA_SECCTX_NAME);
      return true;
    case kTimestampEvent:
      if (const auto time = attribute.Integer<uint64_t>(kBig)) {
        flow->event_time = *time;
        flow->present |= kHasEventTime;
      }
      return true;
    case CTA_SYNPROXY:
      if (!IsZero(attribute.payload)) flow->has_details = true;
      return true;
    // The security context in numbers, which mean nothing outside of the kernel.
    case CTA_SECMARK:
      return true;
    default:
      flow->has_details = true;
      return true;
  }
}

}  // namespace

size_t AddressLength(uint8_t family) {
  if (family == AF_INET) return 4;
  return family == AF_INET6 ? 16 : 0;
}

bool DecodeTuple(ByteView attributes, Tuple* tuple, bool* has_zone) {
  *tuple = {};
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    if (attribute->type == CTA_TUPLE_IP && !ReadAddresses(attribute->payload, tuple)) return false;
    if (attribute->type == CTA_TUPLE_PROTO && !ReadProtocol(attribute->payload, tuple)) return false;
    if (attribute->type == CTA_TUPLE_ZONE) {
      tuple->zone = attribute->Integer<uint16_t>(kBig).value_or(0);
      *has_zone = true;
    }
  }
  return !reader.malformed();
}

bool DecodeFlow(uint8_t family, ByteView attributes, Flow* flow) {
  *flow = Flow{};
  flow->family = family;
  bool has_tuple = false;
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    if (!ReadAttribute(*attribute, flow)) return false;
    if (attribute->type == CTA_TUPLE_ORIG) has_tuple = true;
  }
  return has_tuple && !reader.malformed();
}

}  // namespace netplane::conntrack
