// Which flows are meant: clauses of conditions, compiled by the client, evaluated here for every flow.
#ifndef NETPLANE_CONNTRACK_FILTER_H_
#define NETPLANE_CONNTRACK_FILTER_H_

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "conntrack/flow.h"

namespace netplane::conntrack {

/// The attributes of a compiled filter, a run of struct nlattr in host byte order (src/conntrack/filter-program.ts writes it). kClause
/// begins a clause; what follows belongs to it. A flow matches a filter when it matches one of its clauses, and a clause when it meets all
/// of its conditions; several conditions of one kind (and one direction and side) are alternatives, but for those that say "all".
enum class Condition : uint16_t {
  kClause = 1,     ///< No payload.
  kFamily = 2,     ///< u8: AF_INET, AF_INET6.
  kProtocols = 3,  ///< u8 each: any of them.
  kAddress = 4,    ///< u8 direction (0 original, 1 reply), u8 side (0 source, 1 destination), u8 family, u8 prefix length, 16 bytes.
  kPorts = 5,      ///< u8 direction, u8 side, u16 0, u16 first, u16 last; protocols without ports do not match.
  kZone = 6,       ///< u8 direction, u8 0, u16 zone; all of them.
  kMark = 7,       ///< u32 value, u32 mask; all of them.
  kStatus = 8,     ///< u32 value, u32 mask; all of them.
  kEndpoints = 9,  ///< u8 direction, u8 side, u8 1: not in the set, u8 1: ports too; then u8 family, u8 0, u16 port, 16 bytes each.
                   ///< Repeated: one set each of those in and those not.
  kStates = 10,    ///< u8 each: protocol states (TCP_CONNTRACK_*, SCTP_CONNTRACK_*).
  kTimeout = 11,   ///< u32 least, u32 most seconds left; all of them.
  kStarted = 12,   ///< u64 earliest, u64 latest nanoseconds since 1970; a flow without a time stamp does not match.
  kHelper = 13,    ///< Text.
  kLabels = 14,    ///< Up to 16 bytes: labels that must all be set.
  kId = 15,        ///< u32
  kIcmpTypes = 16  ///< u8 each: types of the original direction.
};

/// A filter that a client compiled, read once for each job.
class FlowFilter {
 public:
  /// Reads a compiled filter; nothing where it is none. An empty one matches every flow.
  static std::optional<FlowFilter> Parse(ByteView program);

  bool Matches(const Flow& flow) const;
  bool matches_all() const { return clauses_.empty(); }

  /// What the kernel can be asked to leave out of a dump, as far as it is safe: it must hold for every clause. Never an IPv6 address (the
  /// kernel's match is inverted, ctnetlink_filter_match_tuple). Old kernels ignore what they do not know, so every flow is matched here
  /// too.
  struct KernelPart {
    uint8_t family = 0;
    std::optional<std::pair<uint32_t, uint32_t>> mark;
    std::optional<std::pair<uint32_t, uint32_t>> status;
    /// CTA_FILTER_F_CTA_* bits and the tuple that they speak of, for each direction.
    std::array<uint32_t, 2> tuple_flags{};
    std::array<Tuple, 2> tuples{};
    bool empty() const { return family == 0 && !mark && !status && tuple_flags[0] == 0 && tuple_flags[1] == 0; }
  };
  KernelPart ForKernel() const;

 private:
  struct Prefix {
    uint8_t family = 0;
    uint8_t length = 0;
    Address address{};
  };
  struct PortRange {
    uint16_t first = 0;
    uint16_t last = 0;
  };
  struct MaskedValue {
    uint32_t value = 0;
    uint32_t mask = 0;
  };
  struct Window {
    uint64_t least = 0;
    uint64_t most = 0;
  };
  struct EndpointSet {
    bool used = false;
    bool with_port = false;
    /// Family, port and address in one text: few sets are large, and none is built twice.
    std::unordered_set<std::string> members;
  };
  /// Conditions on one side of one direction.
  struct Side {
    std::vector<Prefix> prefixes;
    std::vector<PortRange> ports;
    /// Those that it must be in, and those that it must not be in.
    std::array<EndpointSet, 2> endpoints;
  };
  struct Clause {
    uint8_t family = 0;
    bool has_protocols = false;
    std::bitset<256> protocols;
    std::array<std::array<Side, 2>, 2> sides;
    std::array<std::optional<uint16_t>, 2> zones;
    std::vector<MaskedValue> marks;
    std::vector<MaskedValue> statuses;
    bool has_states = false;
    std::bitset<256> states;
    bool has_icmp_types = false;
    std::bitset<256> icmp_types;
    std::vector<Window> timeouts;
    std::vector<Window> started;
    std::vector<std::string> helpers;
    std::array<uint8_t, 16> labels{};
    bool has_labels = false;
    std::optional<uint32_t> id;
  };

  static bool ParseCondition(Condition condition, ByteView payload, Clause* clause);
  static bool ParseSided(Condition condition, ByteView payload, Clause* clause);
  static bool ParseValue(Condition condition, ByteView payload, Clause* clause);
  static bool MatchesClause(const Clause& clause, const Flow& flow);
  static bool MatchesSide(const Side& side, uint8_t family, const Address& address, std::optional<uint16_t> port);
  static bool MatchesRest(const Clause& clause, const Flow& flow);
  static void NarrowTuple(const Clause& clause, size_t direction, KernelPart* part);
  /// A key of the index: what a clause asks of the original destination, where that is one address and one port of one protocol.
  static std::optional<std::string> IndexKey(const Clause& clause);
  void BuildIndex();

  std::vector<Clause> clauses_;
  /// Clauses by the exact original destination that they ask for; the others are tried one by one. A filter of a thousand services costs a
  /// flow one look-up.
  std::unordered_map<std::string, std::vector<uint32_t>> indexed_;
  std::vector<uint32_t> others_;
};

}  // namespace netplane::conntrack

#endif  // NETPLANE_CONNTRACK_FILTER_H_
