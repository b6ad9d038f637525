#include "conntrack/filter.h"

#include <netinet/in.h>

#include <algorithm>

#include "conntrack/kernel.h"

namespace netplane::conntrack {
namespace {

constexpr size_t kSidedHeader = 4;
constexpr size_t kEndpointBytes = 20;

// An address and a port as one text; 16 bytes are always compared, as those behind an IPv4 address are 0.
std::string EndpointKey(uint8_t family, uint16_t port, const Address& address) {
  std::string key(address.size() + 3, '\0');
  key[0] = static_cast<char>(family);
  std::memcpy(&key[1], &port, sizeof port);
  std::memcpy(&key[3], address.data(), address.size());
  return key;
}

Address LoadAddress(const uint8_t* from) {
  Address address;
  std::copy_n(from, address.size(), address.begin());
  return address;
}

bool InPrefix(const Address& address, const Address& prefix, uint8_t length) {
  const size_t whole = length / 8;
  if (!std::equal(address.begin(), address.begin() + static_cast<ptrdiff_t>(whole), prefix.begin())) return false;
  const int rest = length % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return (address[whole] & mask) == (prefix[whole] & mask);
}

// Nothing where the number is something else: a key of gre, an identifier of icmp.
std::optional<uint16_t> PortOf(const Flow& flow, uint16_t number) {
  switch (flow.original.protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
    case IPPROTO_SCTP:
    case IPPROTO_DCCP:
      return number;
    default:
      return std::nullopt;
  }
}

template <size_t size>
void SetBits(ByteView payload, std::bitset<size>* bits) {
  for (const uint8_t bit : payload) bits->set(bit);
}

template <typename List, typename Test>
bool AnyOf(const List& list, Test test) {
  return list.empty() || std::any_of(list.begin(), list.end(), test);
}

bool HasLabels(const std::array<uint8_t, 16>& wanted, ByteView labels) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    const uint8_t has = i < labels.size() ? labels[i] : 0;
    if ((has & wanted[i]) != wanted[i]) return false;
  }
  return true;
}

}  // namespace

std::optional<FlowFilter> FlowFilter::Parse(ByteView program) {
  FlowFilter filter;
  AttributeReader reader(program);
  while (const auto attribute = reader.Next()) {
    const auto condition = static_cast<Condition>(attribute->type);
    if (condition == Condition::kClause) {
      filter.clauses_.emplace_back();
    } else if (filter.clauses_.empty() || !ParseCondition(condition, attribute->payload, &filter.clauses_.back())) {
      return std::nullopt;
    }
  }
  if (reader.malformed()) return std::nullopt;
  filter.BuildIndex();
  return filter;
}

bool FlowFilter::ParseCondition(Condition condition, ByteView payload, Clause* clause) {
  switch (condition) {
    case Condition::kFamily:
      if (payload.size() != 1 || AddressLength(payload[0]) == 0) return false;
      clause->family = payload[0];
      return true;
    case Condition::kProtocols:
      clause->has_protocols = true;
      SetBits(payload, &clause->protocols);
      return true;
    case Condition::kStates:
      clause->has_states = true;
      SetBits(payload, &clause->states);
      return true;
    case Condition::kIcmpTypes:
      clause->has_icmp_types = true;
      SetBits(payload, &clause->icmp_types);
      return true;
    case Condition::kHelper:
      clause->helpers.emplace_back(AsText(payload));
      return true;
    case Condition::kLabels:
      if (payload.size() > clause->labels.size()) return false;
      clause->has_labels = true;
      std::ranges::copy(payload, clause->labels.begin());
      return true;
    case Condition::kAddress:
    case Condition::kPorts:
    case Condition::kEndpoints:
    case Condition::kZone:
      return ParseSided(condition, payload, clause);
    default:
      return ParseValue(condition, payload, clause);
  }
}

// Conditions that begin with a direction and a side.
bool FlowFilter::ParseSided(Condition condition, ByteView payload, Clause* clause) {
  if (payload.size() < kSidedHeader || payload[0] > 1 || payload[1] > 1) return false;
  if (condition == Condition::kZone) {
    clause->zones[payload[0]] = Load<uint16_t>(payload.data() + 2);
    return payload.size() == kSidedHeader;
  }
  Side& side = clause->sides[payload[0]][payload[1]];
  const ByteView rest = payload.subspan(kSidedHeader);
  if (condition == Condition::kAddress) {
    if (rest.size() != 16 || payload[3] > AddressLength(payload[2]) * 8) return false;
    side.prefixes.push_back({payload[2], payload[3], LoadAddress(rest.data())});
    return true;
  }
  if (condition == Condition::kPorts) {
    if (rest.size() != 4) return false;
    side.ports.push_back({Load<uint16_t>(rest.data()), Load<uint16_t>(rest.data() + 2)});
    return true;
  }
  if (rest.size() % kEndpointBytes != 0) return false;
  EndpointSet& endpoints = side.endpoints[payload[2] != 0 ? 1 : 0];
  endpoints.used = true;
  endpoints.with_port = payload[3] != 0;
  for (size_t at = 0; at < rest.size(); at += kEndpointBytes) {
    const uint16_t port = endpoints.with_port ? Load<uint16_t>(rest.data() + at + 2) : uint16_t{0};
    endpoints.members.insert(EndpointKey(rest[at], port, LoadAddress(rest.data() + at + 4)));
  }
  return true;
}

bool FlowFilter::ParseValue(Condition condition, ByteView payload, Clause* clause) {
  if (condition == Condition::kId) {
    if (payload.size() != sizeof(uint32_t)) return false;
    clause->id = Load<uint32_t>(payload.data());
    return true;
  }
  if (condition == Condition::kStarted) {
    if (payload.size() != 2 * sizeof(uint64_t)) return false;
    clause->started.push_back({Load<uint64_t>(payload.data()), Load<uint64_t>(payload.data() + 8)});
    return true;
  }
  if (payload.size() != 2 * sizeof(uint32_t)) return false;
  const auto first = Load<uint32_t>(payload.data());
  const auto second = Load<uint32_t>(payload.data() + 4);
  if (condition == Condition::kMark) {
    clause->marks.push_back({first, second});
  } else if (condition == Condition::kStatus) {
    clause->statuses.push_back({first, second});
  } else if (condition == Condition::kTimeout) {
    clause->timeouts.push_back({first, second});
  } else {
    return false;
  }
  return true;
}

std::optional<std::string> FlowFilter::IndexKey(const Clause& clause) {
  const Side& side = clause.sides[0][1];
  if (clause.protocols.count() != 1 || side.prefixes.size() != 1 || side.ports.size() != 1) return std::nullopt;
  const Prefix& prefix = side.prefixes[0];
  const PortRange& port = side.ports[0];
  if (prefix.length != AddressLength(prefix.family) * 8 || port.first != port.last) return std::nullopt;
  size_t protocol = 0;
  while (!clause.protocols.test(protocol)) ++protocol;
  return EndpointKey(prefix.family, port.first, prefix.address) + static_cast<char>(protocol);
}

void FlowFilter::BuildIndex() {
  for (uint32_t i = 0; i < clauses_.size(); ++i) {
    if (auto key = IndexKey(clauses_[i])) {
      indexed_[*key].push_back(i);
    } else {
      others_.push_back(i);
    }
  }
}

bool FlowFilter::Matches(const Flow& flow) const {
  if (clauses_.empty()) return true;
  const auto matches = [&](uint32_t index) { return MatchesClause(clauses_[index], flow); };
  if (std::any_of(others_.begin(), others_.end(), matches)) return true;
  if (indexed_.empty()) return false;
  const std::string key = EndpointKey(flow.family, flow.original.destination_port, flow.original.destination);
  const auto found = indexed_.find(key + static_cast<char>(flow.original.protocol));
  return found != indexed_.end() && std::any_of(found->second.begin(), found->second.end(), matches);
}

bool FlowFilter::MatchesSide(const Side& side, uint8_t family, const Address& address, std::optional<uint16_t> port) {
  const auto in_prefix = [&](const Prefix& prefix) { return prefix.family == family && InPrefix(address, prefix.address, prefix.length); };
  if (!AnyOf(side.prefixes, in_prefix)) return false;
  if (!AnyOf(side.ports, [&](const PortRange& range) { return port && *port >= range.first && *port <= range.last; })) return false;
  const auto is_member = [&](const EndpointSet& endpoints) {
    if (!port && endpoints.with_port) return false;
    return endpoints.members.contains(EndpointKey(family, endpoints.with_port ? *port : uint16_t{0}, address));
  };
  const auto& [in, not_in] = side.endpoints;
  return (!in.used || is_member(in)) && !(not_in.used && is_member(not_in));
}

bool FlowFilter::MatchesClause(const Clause& clause, const Flow& flow) {
  if (clause.family != 0 && clause.family != flow.family) return false;
  if (clause.has_protocols && !clause.protocols.test(flow.original.protocol)) return false;
  for (size_t direction = 0; direction < 2; ++direction) {
    const Tuple& tuple = direction == 0 ? flow.original : flow.reply;
    const auto& sides = clause.sides[direction];
    if (!MatchesSide(sides[0], flow.family, tuple.source, PortOf(flow, tuple.source_port))) return false;
    if (!MatchesSide(sides[1], flow.family, tuple.destination, PortOf(flow, tuple.destination_port))) return false;
    const auto& zone = clause.zones[direction];
    if (zone && *zone != flow.ZoneOf(direction == 1)) return false;
  }
  return MatchesRest(clause, flow);
}

bool FlowFilter::MatchesRest(const Clause& clause, const Flow& flow) {
  const auto masked = [](const MaskedValue& wanted, uint32_t value) { return (value & wanted.mask) == wanted.value; };
  for (const MaskedValue& mark : clause.marks) {
    if (!masked(mark, flow.mark)) return false;
  }
  for (const MaskedValue& status : clause.statuses) {
    if (!masked(status, flow.status)) return false;
  }
  if (clause.has_states && !((flow.present & kHasState) && clause.states.test(flow.state))) return false;
  if (clause.has_icmp_types && !clause.icmp_types.test(flow.original.destination_port >> 8)) return false;
  for (const Window& window : clause.timeouts) {
    if (!(flow.present & kHasTimeout) || flow.timeout_seconds < window.least || flow.timeout_seconds > window.most) return false;
  }
  for (const Window& window : clause.started) {
    if (!(flow.present & kHasStart) || flow.start < window.least || flow.start > window.most) return false;
  }
  if (!AnyOf(clause.helpers, [&](const std::string& name) { return flow.helper && *flow.helper == name; })) return false;
  if (clause.has_labels && !HasLabels(clause.labels, flow.labels)) return false;
  return !clause.id || ((flow.present & kHasId) && *clause.id == flow.id);
}

// One address and one port of one protocol: more, or a prefix, the kernel cannot be told.
void FlowFilter::NarrowTuple(const Clause& clause, size_t direction, KernelPart* part) {
  constexpr uint8_t kIpv4Bits = 32;
  uint32_t flags = 0;
  Tuple& tuple = part->tuples[direction];
  for (size_t at = 0; at < 2; ++at) {
    const Side& side = clause.sides[direction][at];
    if (side.prefixes.size() == 1 && side.prefixes[0].length == kIpv4Bits && AddressLength(side.prefixes[0].family) == 4) {
      (at == 0 ? tuple.source : tuple.destination) = side.prefixes[0].address;
      flags |= at == 0 ? kFilterSource : kFilterDestination;
    }
    // Ports count for the kernel only beside the protocol.
    const bool one_port = side.ports.size() == 1 && side.ports[0].first == side.ports[0].last;
    if (one_port && clause.protocols.count() == 1 && tuple.protocol != 0) {
      (at == 0 ? tuple.source_port : tuple.destination_port) = side.ports[0].first;
      flags |= at == 0 ? kFilterSourcePort : kFilterDestinationPort;
    }
  }
  if (clause.protocols.count() == 1 && tuple.protocol != 0 && (flags != 0 || direction == 0)) flags |= kFilterProtocol;
  part->tuple_flags[direction] = flags;
}

FlowFilter::KernelPart FlowFilter::ForKernel() const {
  KernelPart part;
  if (clauses_.empty()) return part;
  part.family = clauses_[0].family;
  for (const Clause& clause : clauses_) {
    if (clause.family != part.family) part.family = 0;
  }
  if (clauses_.size() > 1) return part;
  const Clause& clause = clauses_[0];
  if (!clause.marks.empty()) part.mark = {clause.marks[0].value, clause.marks[0].mask};
  if (!clause.statuses.empty() && clause.statuses[0].mask != 0) part.status = {clause.statuses[0].value, clause.statuses[0].mask};
  if (part.family == 0) return part;
  uint8_t protocol = 0;
  for (size_t number = 1; clause.protocols.count() == 1 && number < clause.protocols.size(); ++number) {
    if (clause.protocols.test(number)) protocol = static_cast<uint8_t>(number);
  }
  for (size_t direction = 0; direction < 2; ++direction) {
    part.tuples[direction].protocol = protocol;
    NarrowTuple(clause, direction, &part);
  }
  return part;
}

}  // namespace netplane::conntrack
