#include "route/routes.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "route/schemas.h"
#include "route/single_reply.h"

namespace netplane::route {
namespace {

Bytes Copied(ByteView bytes) { return Bytes(bytes.begin(), bytes.end()); }

// struct rtvia: a gateway of another family than the route's (RFC 5549).
bool TakeVia(ByteView payload, Bytes& gateway) {
  uint16_t family = 0;
  if (payload.size() < sizeof family) return false;
  std::memcpy(&family, payload.data(), sizeof family);
  const ByteView address = payload.subspan(sizeof family);
  if (family != AF_INET && family != AF_INET6) return true;
  if (address.size() != AddressLength(static_cast<uint8_t>(family))) return false;
  gateway = Copied(address);
  return true;
}

// False where an address has not the family's length.
bool TakeAddress(ByteView payload, size_t length, Bytes& address) {
  if (payload.size() != length) return false;
  address = Copied(payload);
  return true;
}

bool TakeHop(const rtnexthop& header, ByteView attributes, size_t length, std::vector<RouteHop>& hops) {
  RouteHop hop;
  hop.link_index = static_cast<uint32_t>(header.rtnh_ifindex);
  hop.weight = uint32_t{header.rtnh_hops} + 1;
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    if (attribute->type == RTA_GATEWAY && !TakeAddress(attribute->payload, length, hop.gateway)) return false;
    if (attribute->type == RTA_VIA && !TakeVia(attribute->payload, hop.gateway)) return false;
  }
  if (reader.malformed()) return false;
  hops.push_back(std::move(hop));
  return true;
}

// RTA_MULTIPATH is a run of struct rtnexthop, each with attributes of its own, and each at a multiple of four bytes.
bool TakeHops(ByteView bytes, size_t length, std::vector<RouteHop>& hops) {
  hops.clear();
  while (bytes.size() >= sizeof(rtnexthop)) {
    rtnexthop header = {};
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.rtnh_len < sizeof header || header.rtnh_len > bytes.size()) return false;
    if (!TakeHop(header, bytes.subspan(sizeof header, header.rtnh_len - sizeof header), length, hops)) return false;
    bytes = bytes.subspan(std::min<size_t>(RTNH_ALIGN(header.rtnh_len), bytes.size()));
  }
  return bytes.empty();
}

constexpr struct {
  uint16_t attribute;
  Bytes Route::*member;
} kAddresses[] = {{RTA_DST, &Route::destination}, {RTA_GATEWAY, &Route::gateway}, {RTA_PREFSRC, &Route::source}};

constexpr struct {
  uint16_t attribute;
  std::optional<uint32_t> Route::*member;
} kNumbers[] = {{RTA_OIF, &Route::link_index}, {RTA_TABLE, &Route::table}, {RTA_PRIORITY, &Route::metric}, {kRtaNhId, &Route::nexthop_id}};

// False where the attribute is malformed; those that nobody asked for are read over.
bool TakeAttribute(const Attribute& attribute, size_t length, Route& route) {
  for (const auto& known : kAddresses) {
    if (known.attribute == attribute.type) return TakeAddress(attribute.payload, length, route.*known.member);
  }
  for (const auto& known : kNumbers) {
    if (known.attribute != attribute.type) continue;
    const auto number = attribute.Integer<uint32_t>();
    route.*known.member = number;
    return number.has_value();
  }
  if (attribute.type == RTA_VIA) return TakeVia(attribute.payload, route.gateway);
  return attribute.type != RTA_MULTIPATH || TakeHops(attribute.payload, length, route.hops);
}

}  // namespace

bool IsLookup(const RouteLookup& lookup) {
  const size_t length = AddressLength(lookup.family);
  return length != 0 && lookup.destination.size() == length && (lookup.source.empty() || lookup.source.size() == length);
}

void EncodeLookup(const RouteLookup& lookup, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
  writer.Begin(RTM_GETROUTE, flags, sequence);
  rtmsg header = {};
  header.rtm_family = lookup.family;
  header.rtm_dst_len = static_cast<uint8_t>(lookup.destination.size() * 8);
  header.rtm_src_len = static_cast<uint8_t>(lookup.source.size() * 8);
  // IPv6 always says the table, and refuses the flag (inet6_rtm_valid_getroute_req).
  if (lookup.family == AF_INET) header.rtm_flags |= RTM_F_LOOKUP_TABLE;
  if (lookup.match) header.rtm_flags |= RTM_F_FIB_MATCH;
  PutHeader(writer, header);
  writer.Put(RTA_DST, lookup.destination);
  if (!lookup.source.empty()) writer.Put(RTA_SRC, lookup.source);
  if (lookup.input_link != 0) writer.PutInteger<uint32_t>(RTA_IIF, lookup.input_link);
  if (lookup.output_link != 0) writer.PutInteger<uint32_t>(RTA_OIF, lookup.output_link);
  if (lookup.mark != 0) writer.PutInteger<uint32_t>(RTA_MARK, lookup.mark);
  if (lookup.user_id) writer.PutInteger<uint32_t>(RTA_UID, *lookup.user_id);
  writer.End();
}

bool IsTableRoute(const Message& message) {
  const auto header = ReadHeader<rtmsg>(message);
  return header && AddressLength(header->rtm_family) != 0 && (header->rtm_flags & RTM_F_CLONED) == 0;
}

std::optional<Route> DecodeRoute(const Message& message) {
  const auto header = ReadHeader<rtmsg>(message);
  if (!header) return std::nullopt;
  const size_t length = AddressLength(header->rtm_family);
  if (length == 0 || header->rtm_dst_len > length * 8) return std::nullopt;
  Route route;
  route.family = header->rtm_family;
  route.destination = Bytes(length);
  route.destination_length = header->rtm_dst_len;
  route.type = header->rtm_type;
  route.scope = header->rtm_scope;
  route.protocol = header->rtm_protocol;
  route.table = header->rtm_table;
  AttributeReader reader = message.Attributes(sizeof *header);
  while (const auto attribute = reader.Next()) {
    if (!TakeAttribute(*attribute, length, route)) return std::nullopt;
  }
  if (reader.malformed()) return std::nullopt;
  return route;
}

Result<Route> LookUpRoute(Socket& socket, const RouteLookup& lookup, Deadline deadline) {
  if (!IsLookup(lookup)) return Error{EINVAL, "RTM_GETROUTE", "addresses of other lengths than the family's"};
  const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) { EncodeLookup(lookup, flags, sequence, writer); };
  return RequestOne(socket, encode, RTM_GETROUTE, RTM_NEWROUTE, DecodeRoute, deadline);
}

}  // namespace netplane::route
