#include "ipvs/schemas.h"

#include <atomic>

#include "netlink/schema_fields.h"

namespace netplane::ipvs {
namespace {

constexpr uint16_t kNameLength = 15;  // IP_VS_SCHEDNAME_MAXLEN, IP_VS_PENAME_MAXLEN, IP_VS_IFNAME_MAXLEN, each less the NUL.

// The same for 32 and 64 bits; integers are read at the width they have.
constexpr Field kStatisticsFields[] = {
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_CONNS), "connections", FieldType::kU64)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_INPKTS), "incomingPackets", FieldType::kU64)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_OUTPKTS), "outgoingPackets", FieldType::kU64)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_INBYTES), "incomingBytes", FieldType::kU64)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_OUTBYTES), "outgoingBytes", FieldType::kU64)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_CPS), "connectionsPerSecond", FieldType::kU64)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_INPPS), "incomingPacketsPerSecond", FieldType::kU64)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_OUTPPS), "outgoingPacketsPerSecond", FieldType::kU64)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_INBPS), "incomingBytesPerSecond", FieldType::kU64)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_OUTBPS), "outgoingBytesPerSecond", FieldType::kU64)),
    Plain(NETPLANE_ATTRIBUTE(IPVS_STATS_ATTR_PAD), "padding", FieldType::kIgnored),
};
constexpr Schema kStatisticsSchema = {"statistics", kStatisticsFields};

constexpr Field kServiceFields[] = {
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_AF), "family", FieldType::kU16)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_PROTOCOL), "protocol", FieldType::kU16)),
    Plain(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_ADDR), "address", FieldType::kBytes),
    Plain(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_PORT), "port", FieldType::kU16),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_FWMARK), "fwmark", FieldType::kU32)),
    Text(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_SCHED_NAME), "scheduler", kNameLength),
    Plain(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_FLAGS), "flags", FieldType::kBytes),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_TIMEOUT), "timeoutSeconds", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_NETMASK), "netmask", FieldType::kU32)),
    Plain(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_STATS), "statistics32", FieldType::kIgnored),
    Text(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_PE_NAME), "persistenceEngine", kNameLength),
    Nested(NETPLANE_ATTRIBUTE(IPVS_SVC_ATTR_STATS64), "statistics", &kStatisticsSchema, kOutput),
};
constexpr Schema kServiceSchema = {"service", kServiceFields};

constexpr Field kDestinationFields[] = {
    Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_ADDR), "address", FieldType::kBytes),
    Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_PORT), "port", FieldType::kU16),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_FWD_METHOD), "forwarding", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_WEIGHT), "weight", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_U_THRESH), "upperThreshold", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_L_THRESH), "lowerThreshold", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_ACTIVE_CONNS), "activeConnections", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_INACT_CONNS), "inactiveConnections", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_PERSIST_CONNS), "persistentConnections", FieldType::kU32)),
    Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_STATS), "statistics32", FieldType::kIgnored),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_ADDR_FAMILY), "family", FieldType::kU16)),
    Nested(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_STATS64), "statistics", &kStatisticsSchema, kOutput),
    Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_TUN_TYPE), "tunnelType", FieldType::kU8),
    Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_TUN_PORT), "tunnelPort", FieldType::kU16),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DEST_ATTR_TUN_FLAGS), "tunnelFlags", FieldType::kU16)),
};
constexpr Schema kDestinationSchema = {"destination", kDestinationFields};

constexpr NamedNumber kDaemonRoles[] = {{"master", IP_VS_STATE_MASTER}, {"backup", IP_VS_STATE_BACKUP}};
constexpr Field kDaemonFields[] = {
    Host(netplane::Named(NETPLANE_ATTRIBUTE(IPVS_DAEMON_ATTR_STATE), "role", FieldType::kEnum32, kDaemonRoles)),
    Text(NETPLANE_ATTRIBUTE(IPVS_DAEMON_ATTR_MCAST_IFN), "interface", kNameLength),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DAEMON_ATTR_SYNC_ID), "syncId", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DAEMON_ATTR_SYNC_MAXLEN), "maximumLength", FieldType::kU16)),
    Octets(NETPLANE_ATTRIBUTE(IPVS_DAEMON_ATTR_MCAST_GROUP), "group", 4),
    Octets(NETPLANE_ATTRIBUTE(IPVS_DAEMON_ATTR_MCAST_GROUP6), "group6", 16),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_DAEMON_ATTR_MCAST_PORT), "port", FieldType::kU16)),
    Plain(NETPLANE_ATTRIBUTE(IPVS_DAEMON_ATTR_MCAST_TTL), "ttl", FieldType::kU8),
};
constexpr Schema kDaemonSchema = {"daemon", kDaemonFields};

constexpr Field kCommandFields[] = {
    Nested(NETPLANE_ATTRIBUTE(IPVS_CMD_ATTR_SERVICE), "service", &kServiceSchema),
    Nested(NETPLANE_ATTRIBUTE(IPVS_CMD_ATTR_DEST), "destination", &kDestinationSchema),
    Nested(NETPLANE_ATTRIBUTE(IPVS_CMD_ATTR_DAEMON), "daemon", &kDaemonSchema),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_CMD_ATTR_TIMEOUT_TCP), "tcpSeconds", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN), "tcpFinSeconds", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_CMD_ATTR_TIMEOUT_UDP), "udpSeconds", FieldType::kU32)),
};

constexpr Field kInfoFields[] = {
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_INFO_ATTR_VERSION), "version", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(IPVS_INFO_ATTR_CONN_TAB_SIZE), "connectionTableSize", FieldType::kU32)),
};

constexpr Field kControlFields[] = {
    Host(Plain(NETPLANE_ATTRIBUTE(CTRL_ATTR_FAMILY_ID), "id", FieldType::kU16)),
    Plain(NETPLANE_ATTRIBUTE(CTRL_ATTR_FAMILY_NAME), "name", FieldType::kString),
    Host(Plain(NETPLANE_ATTRIBUTE(CTRL_ATTR_VERSION), "version", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(CTRL_ATTR_HDRSIZE), "headerLength", FieldType::kU32)),
    Host(Plain(NETPLANE_ATTRIBUTE(CTRL_ATTR_MAXATTR), "largestAttribute", FieldType::kU32)),
    Plain(NETPLANE_ATTRIBUTE(CTRL_ATTR_OPS), "operations", FieldType::kIgnored),
};
constexpr Schema kControlSchema = {"family", kControlFields};

constexpr NamedNumber kCommands[] = {
    {"IPVS_CMD_NEW_SERVICE", IPVS_CMD_NEW_SERVICE},
    {"IPVS_CMD_SET_SERVICE", IPVS_CMD_SET_SERVICE},
    {"IPVS_CMD_DEL_SERVICE", IPVS_CMD_DEL_SERVICE},
    {"IPVS_CMD_GET_SERVICE", IPVS_CMD_GET_SERVICE},
    {"IPVS_CMD_NEW_DEST", IPVS_CMD_NEW_DEST},
    {"IPVS_CMD_SET_DEST", IPVS_CMD_SET_DEST},
    {"IPVS_CMD_DEL_DEST", IPVS_CMD_DEL_DEST},
    {"IPVS_CMD_GET_DEST", IPVS_CMD_GET_DEST},
    {"IPVS_CMD_NEW_DAEMON", IPVS_CMD_NEW_DAEMON},
    {"IPVS_CMD_DEL_DAEMON", IPVS_CMD_DEL_DAEMON},
    {"IPVS_CMD_GET_DAEMON", IPVS_CMD_GET_DAEMON},
    {"IPVS_CMD_SET_CONFIG", IPVS_CMD_SET_CONFIG},
    {"IPVS_CMD_GET_CONFIG", IPVS_CMD_GET_CONFIG},
    {"IPVS_CMD_SET_INFO", IPVS_CMD_SET_INFO},
    {"IPVS_CMD_GET_INFO", IPVS_CMD_GET_INFO},
    {"IPVS_CMD_ZERO", IPVS_CMD_ZERO},
    {"IPVS_CMD_FLUSH", IPVS_CMD_FLUSH},
};

// 0 is no message type of a family: it is what an empty message has (NLMSG_MIN_TYPE).
std::atomic<uint16_t> known_family{0};

}  // namespace

const Schema kCommandSchema = {"command", kCommandFields};
const Schema kInfoSchema = {"info", kInfoFields};

void BeginCommand(uint16_t family, uint8_t command, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
  const genlmsghdr header = {command, IPVS_GENL_VERSION, 0};
  writer.Begin(family, flags, sequence);
  writer.PutHeader({reinterpret_cast<const uint8_t*>(&header), sizeof header});
}

std::optional<uint8_t> CommandOf(const Message& message) {
  if (message.body.size() < sizeof(genlmsghdr)) return std::nullopt;
  return message.body[0];
}

const char* CommandName(uint8_t command) {
  for (const NamedNumber& named : kCommands) {
    if (named.number == command) return named.name;
  }
  return "IPVS_CMD_UNSPEC";
}

Error Named(Error error, uint8_t command) {
  error.operation = CommandName(command);
  return error;
}

MessageDescription Describe(uint16_t type) {
  constexpr size_t kHeader = sizeof(genlmsghdr);
  const auto control = [](ByteView body) -> MessageDescription {
    const bool asks = !body.empty() && body[0] == CTRL_CMD_GETFAMILY;
    return {asks ? "CTRL_CMD_GETFAMILY" : "CTRL_CMD", kHeader, &kControlSchema};
  };
  const auto own = [](ByteView body) -> MessageDescription {
    const uint8_t command = body.empty() ? uint8_t{0} : body[0];
    return {CommandName(command), kHeader, command == IPVS_CMD_SET_INFO ? &kInfoSchema : &kCommandSchema};
  };
  if (type == GENL_ID_CTRL) return {"CTRL_CMD", kHeader, &kControlSchema, control};
  if (type == 0 || type != known_family.load(std::memory_order_relaxed)) return {};
  return {"IPVS_CMD", kHeader, &kCommandSchema, own};
}

void RememberFamily(uint16_t family) { known_family.store(family, std::memory_order_relaxed); }

}  // namespace netplane::ipvs
