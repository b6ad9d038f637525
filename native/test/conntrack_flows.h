// Flow messages as the kernel writes them.
#ifndef NETPLANE_TEST_CONNTRACK_FLOWS_H_
#define NETPLANE_TEST_CONNTRACK_FLOWS_H_

#include <netinet/in.h>

#include "conntrack/flow.h"
#include "conntrack/kernel.h"
#include "netlink/message_writer.h"

namespace netplane::conntrack {

inline Tuple MakeTuple(uint8_t last, uint16_t port, uint8_t protocol = IPPROTO_UDP) {
  Tuple tuple;
  tuple.source = {10, 0, 0, last};
  tuple.destination = {10, 96, 0, 10};
  tuple.source_port = port;
  tuple.destination_port = 53;
  tuple.protocol = protocol;
  return tuple;
}

/// struct nfgenmsg and the attributes of a flow, of which `last` is the end of its source address and its id.
inline Bytes MakeFlow(uint8_t last, uint32_t mark = 0) {
  Bytes message;
  MessageWriter writer(message);
  writer.Begin(FlowMessage(IPCTNL_MSG_CT_NEW), 0, 0);
  writer.PutHeader(FamilyHeader(AF_INET));
  const Tuple tuple = MakeTuple(last, 1000);
  EncodeTuple(CTA_TUPLE_ORIG, AF_INET, tuple, std::nullopt, writer);
  Tuple reply = tuple;
  std::swap(reply.source, reply.destination);
  std::swap(reply.source_port, reply.destination_port);
  EncodeTuple(CTA_TUPLE_REPLY, AF_INET, reply, 7, writer);
  writer.PutInteger<uint32_t>(CTA_STATUS, IPS_CONFIRMED | IPS_ASSURED, kBig);
  writer.PutInteger<uint32_t>(CTA_TIMEOUT, 30, kBig);
  writer.PutInteger<uint32_t>(CTA_MARK, mark, kBig);
  writer.PutInteger<uint32_t>(CTA_ID, last, kBig);
  writer.PutInteger<uint16_t>(CTA_ZONE, 3, kBig);
  writer.Put(CTA_LABELS, Bytes{2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0});
  const size_t counters = writer.BeginNest(CTA_COUNTERS_ORIG);
  writer.PutInteger<uint64_t>(CTA_COUNTERS_PACKETS, 5, kBig);
  writer.PutInteger<uint64_t>(CTA_COUNTERS_BYTES, 500, kBig);
  writer.EndNest(counters);
  const size_t help = writer.BeginNest(CTA_HELP);
  writer.PutString(CTA_HELP_NAME, "ftp");
  writer.EndNest(help);
  const size_t info = writer.BeginNest(CTA_PROTOINFO);
  const size_t tcp = writer.BeginNest(CTA_PROTOINFO_TCP);
  writer.PutInteger<uint8_t>(CTA_PROTOINFO_TCP_STATE, 3);
  writer.EndNest(tcp);
  writer.EndNest(info);
  writer.End();
  constexpr size_t kHeader = 16;
  return Bytes(message.begin() + kHeader, message.end());
}

inline ByteView AttributesOf(const Bytes& body) { return ByteView(body).subspan(sizeof(nfgenmsg)); }

}  // namespace netplane::conntrack

#endif  // NETPLANE_TEST_CONNTRACK_FLOWS_H_
