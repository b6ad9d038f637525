#include <netinet/in.h>

#include "conntrack/flow.h"
#include "conntrack/kernel.h"

namespace netplane::conntrack {
namespace {

// What a protocol's tuple holds beside its number (nf_ct_port_tuple_to_nlattr, icmp_tuple_to_nlattr, icmpv6_tuple_to_nlattr).
enum class TupleForm : uint8_t { kNumber, kPorts, kIcmp, kIcmpV6 };

TupleForm FormOf(uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
    case IPPROTO_SCTP:
    case IPPROTO_DCCP:
    case IPPROTO_GRE:
      return TupleForm::kPorts;
    case IPPROTO_ICMP:
      return TupleForm::kIcmp;
    case IPPROTO_ICMPV6:
      return TupleForm::kIcmpV6;
    default:
      return TupleForm::kNumber;
  }
}

void PutIcmp(const Tuple& tuple, uint16_t id, uint16_t type, uint16_t code, MessageWriter& writer) {
  writer.PutInteger<uint16_t>(id, tuple.source_port, kBig);
  writer.PutInteger<uint8_t>(type, static_cast<uint8_t>(tuple.destination_port >> 8));
  writer.PutInteger<uint8_t>(code, static_cast<uint8_t>(tuple.destination_port));
}

void PutProtocol(const Tuple& tuple, MessageWriter& writer) {
  const size_t nest = writer.BeginNest(CTA_TUPLE_PROTO);
  writer.PutInteger<uint8_t>(CTA_PROTO_NUM, tuple.protocol);
  switch (FormOf(tuple.protocol)) {
    case TupleForm::kPorts:
      writer.PutInteger<uint16_t>(CTA_PROTO_SRC_PORT, tuple.source_port, kBig);
      writer.PutInteger<uint16_t>(CTA_PROTO_DST_PORT, tuple.destination_port, kBig);
      break;
    case TupleForm::kIcmp:
      PutIcmp(tuple, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE, writer);
      break;
    case TupleForm::kIcmpV6:
      PutIcmp(tuple, CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE, writer);
      break;
    case TupleForm::kNumber:
      break;
  }
  writer.EndNest(nest);
}

}  // namespace

void EncodeTuple(uint16_t attribute, uint8_t family, const Tuple& tuple, std::optional<uint16_t> zone, MessageWriter& writer) {
  const size_t length = AddressLength(family);
  const bool is_v4 = length == 4;
  const size_t nest = writer.BeginNest(attribute);
  const size_t addresses = writer.BeginNest(CTA_TUPLE_IP);
  writer.Put(is_v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, ByteView(tuple.source).first(length));
  writer.Put(is_v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, ByteView(tuple.destination).first(length));
  writer.EndNest(addresses);
  PutProtocol(tuple, writer);
  if (zone) writer.PutInteger<uint16_t>(CTA_TUPLE_ZONE, *zone, kBig);
  writer.EndNest(nest);
}

}  // namespace netplane::conntrack
