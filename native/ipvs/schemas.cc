#include "ipvs/schemas.h"

#include <atomic>

namespace netplane::ipvs {
namespace {

constexpr ByteOrder kHost = ByteOrder::kHost;
constexpr ByteOrder kBig = ByteOrder::kBig;
constexpr Direction kOptional = Direction::kOptional;
constexpr uint16_t kNameLength = 15;  // IP_VS_SCHEDNAME_MAXLEN, IP_VS_PENAME_MAXLEN, IP_VS_IFNAME_MAXLEN, each less the NUL.

// The same for 32 and 64 bits; integers are read at the width they have.
constexpr Field kStatisticsFields[] = {
    {IPVS_STATS_ATTR_CONNS, "IPVS_STATS_ATTR_CONNS", "connections", FieldType::kU64, kHost},
    {IPVS_STATS_ATTR_INPKTS, "IPVS_STATS_ATTR_INPKTS", "incomingPackets", FieldType::kU64, kHost},
    {IPVS_STATS_ATTR_OUTPKTS, "IPVS_STATS_ATTR_OUTPKTS", "outgoingPackets", FieldType::kU64, kHost},
    {IPVS_STATS_ATTR_INBYTES, "IPVS_STATS_ATTR_INBYTES", "incomingBytes", FieldType::kU64, kHost},
    {IPVS_STATS_ATTR_OUTBYTES, "IPVS_STATS_ATTR_OUTBYTES", "outgoingBytes", FieldType::kU64, kHost},
    {IPVS_STATS_ATTR_CPS, "IPVS_STATS_ATTR_CPS", "connectionsPerSecond", FieldType::kU64, kHost},
    {IPVS_STATS_ATTR_INPPS, "IPVS_STATS_ATTR_INPPS", "incomingPacketsPerSecond", FieldType::kU64, kHost},
    {IPVS_STATS_ATTR_OUTPPS, "IPVS_STATS_ATTR_OUTPPS", "outgoingPacketsPerSecond", FieldType::kU64, kHost},
    {IPVS_STATS_ATTR_INBPS, "IPVS_STATS_ATTR_INBPS", "incomingBytesPerSecond", FieldType::kU64, kHost},
    {IPVS_STATS_ATTR_OUTBPS, "IPVS_STATS_ATTR_OUTBPS", "outgoingBytesPerSecond", FieldType::kU64, kHost},
    {IPVS_STATS_ATTR_PAD, "IPVS_STATS_ATTR_PAD", "padding", FieldType::kIgnored},
};
constexpr Schema kStatisticsSchema = {"statistics", kStatisticsFields};

constexpr Field kServiceFields[] = {
    {IPVS_SVC_ATTR_AF, "IPVS_SVC_ATTR_AF", "family", FieldType::kU16, kHost},
    {IPVS_SVC_ATTR_PROTOCOL, "IPVS_SVC_ATTR_PROTOCOL", "protocol", FieldType::kU16, kHost},
    {IPVS_SVC_ATTR_ADDR, "IPVS_SVC_ATTR_ADDR", "address", FieldType::kBytes, kHost},
    {IPVS_SVC_ATTR_PORT, "IPVS_SVC_ATTR_PORT", "port", FieldType::kU16, kBig},
    {IPVS_SVC_ATTR_FWMARK, "IPVS_SVC_ATTR_FWMARK", "fwmark", FieldType::kU32, kHost},
    {IPVS_SVC_ATTR_SCHED_NAME, "IPVS_SVC_ATTR_SCHED_NAME", "scheduler", FieldType::kString, kHost, kOptional, {}, nullptr, 1, kNameLength},
    {IPVS_SVC_ATTR_FLAGS, "IPVS_SVC_ATTR_FLAGS", "flags", FieldType::kBytes, kHost},
    {IPVS_SVC_ATTR_TIMEOUT, "IPVS_SVC_ATTR_TIMEOUT", "timeoutSeconds", FieldType::kU32, kHost},
    {IPVS_SVC_ATTR_NETMASK, "IPVS_SVC_ATTR_NETMASK", "netmask", FieldType::kU32, kHost},
    {IPVS_SVC_ATTR_STATS, "IPVS_SVC_ATTR_STATS", "statistics32", FieldType::kIgnored},
    {IPVS_SVC_ATTR_PE_NAME,
     "IPVS_SVC_ATTR_PE_NAME",
     "persistenceEngine",
     FieldType::kString,
     kHost,
     kOptional,
     {},
     nullptr,
     1,
     kNameLength},
    {IPVS_SVC_ATTR_STATS64, "IPVS_SVC_ATTR_STATS64", "statistics", FieldType::kNested, kHost, Direction::kOutput, {}, &kStatisticsSchema},
};
constexpr Schema kServiceSchema = {"service", kServiceFields};

constexpr Field kDestinationFields[] = {
    {IPVS_DEST_ATTR_ADDR, "IPVS_DEST_ATTR_ADDR", "address", FieldType::kBytes, kHost},
    {IPVS_DEST_ATTR_PORT, "IPVS_DEST_ATTR_PORT", "port", FieldType::kU16, kBig},
    {IPVS_DEST_ATTR_FWD_METHOD, "IPVS_DEST_ATTR_FWD_METHOD", "forwarding", FieldType::kU32, kHost},
    {IPVS_DEST_ATTR_WEIGHT, "IPVS_DEST_ATTR_WEIGHT", "weight", FieldType::kU32, kHost},
    {IPVS_DEST_ATTR_U_THRESH, "IPVS_DEST_ATTR_U_THRESH", "upperThreshold", FieldType::kU32, kHost},
    {IPVS_DEST_ATTR_L_THRESH, "IPVS_DEST_ATTR_L_THRESH", "lowerThreshold", FieldType::kU32, kHost},
    {IPVS_DEST_ATTR_ACTIVE_CONNS, "IPVS_DEST_ATTR_ACTIVE_CONNS", "activeConnections", FieldType::kU32, kHost},
    {IPVS_DEST_ATTR_INACT_CONNS, "IPVS_DEST_ATTR_INACT_CONNS", "inactiveConnections", FieldType::kU32, kHost},
    {IPVS_DEST_ATTR_PERSIST_CONNS, "IPVS_DEST_ATTR_PERSIST_CONNS", "persistentConnections", FieldType::kU32, kHost},
    {IPVS_DEST_ATTR_STATS, "IPVS_DEST_ATTR_STATS", "statistics32", FieldType::kIgnored},
    {IPVS_DEST_ATTR_ADDR_FAMILY, "IPVS_DEST_ATTR_ADDR_FAMILY", "family", FieldType::kU16, kHost},
    {IPVS_DEST_ATTR_STATS64, "IPVS_DEST_ATTR_STATS64", "statistics", FieldType::kNested, kHost, Direction::kOutput, {}, &kStatisticsSchema},
    {IPVS_DEST_ATTR_TUN_TYPE, "IPVS_DEST_ATTR_TUN_TYPE", "tunnelType", FieldType::kU8, kHost},
    {IPVS_DEST_ATTR_TUN_PORT, "IPVS_DEST_ATTR_TUN_PORT", "tunnelPort", FieldType::kU16, kBig},
    {IPVS_DEST_ATTR_TUN_FLAGS, "IPVS_DEST_ATTR_TUN_FLAGS", "tunnelFlags", FieldType::kU16, kHost},
};
constexpr Schema kDestinationSchema = {"destination", kDestinationFields};

constexpr NamedNumber kDaemonRoles[] = {{"master", IP_VS_STATE_MASTER}, {"backup", IP_VS_STATE_BACKUP}};
constexpr Field kDaemonFields[] = {
    {IPVS_DAEMON_ATTR_STATE, "IPVS_DAEMON_ATTR_STATE", "role", FieldType::kEnum32, kHost, kOptional, kDaemonRoles},
    {IPVS_DAEMON_ATTR_MCAST_IFN,
     "IPVS_DAEMON_ATTR_MCAST_IFN",
     "interface",
     FieldType::kString,
     kHost,
     kOptional,
     {},
     nullptr,
     1,
     kNameLength},
    {IPVS_DAEMON_ATTR_SYNC_ID, "IPVS_DAEMON_ATTR_SYNC_ID", "syncId", FieldType::kU32, kHost},
    {IPVS_DAEMON_ATTR_SYNC_MAXLEN, "IPVS_DAEMON_ATTR_SYNC_MAXLEN", "maximumLength", FieldType::kU16, kHost},
    {IPVS_DAEMON_ATTR_MCAST_GROUP, "IPVS_DAEMON_ATTR_MCAST_GROUP", "group", FieldType::kBytes, kHost, kOptional, {}, nullptr, 1, 4},
    {IPVS_DAEMON_ATTR_MCAST_GROUP6, "IPVS_DAEMON_ATTR_MCAST_GROUP6", "group6", FieldType::kBytes, kHost, kOptional, {}, nullptr, 1, 16},
    {IPVS_DAEMON_ATTR_MCAST_PORT, "IPVS_DAEMON_ATTR_MCAST_PORT", "port", FieldType::kU16, kHost},
    {IPVS_DAEMON_ATTR_MCAST_TTL, "IPVS_DAEMON_ATTR_MCAST_TTL", "ttl", FieldType::kU8, kHost},
};
constexpr Schema kDaemonSchema = {"daemon", kDaemonFields};

constexpr Field kCommandFields[] = {
    {IPVS_CMD_ATTR_SERVICE, "IPVS_CMD_ATTR_SERVICE", "service", FieldType::kNested, kHost, kOptional, {}, &kServiceSchema},
    {IPVS_CMD_ATTR_DEST, "IPVS_CMD_ATTR_DEST", "destination", FieldType::kNested, kHost, kOptional, {}, &kDestinationSchema},
    {IPVS_CMD_ATTR_DAEMON, "IPVS_CMD_ATTR_DAEMON", "daemon", FieldType::kNested, kHost, kOptional, {}, &kDaemonSchema},
    {IPVS_CMD_ATTR_TIMEOUT_TCP, "IPVS_CMD_ATTR_TIMEOUT_TCP", "tcpSeconds", FieldType::kU32, kHost},
    {IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, "IPVS_CMD_ATTR_TIMEOUT_TCP_FIN", "tcpFinSeconds", FieldType::kU32, kHost},
    {IPVS_CMD_ATTR_TIMEOUT_UDP, "IPVS_CMD_ATTR_TIMEOUT_UDP", "udpSeconds", FieldType::kU32, kHost},
};

constexpr Field kInfoFields[] = {
    {IPVS_INFO_ATTR_VERSION, "IPVS_INFO_ATTR_VERSION", "version", FieldType::kU32, kHost},
    {IPVS_INFO_ATTR_CONN_TAB_SIZE, "IPVS_INFO_ATTR_CONN_TAB_SIZE", "connectionTableSize", FieldType::kU32, kHost},
};

constexpr Field kControlFields[] = {
    {CTRL_ATTR_FAMILY_ID, "CTRL_ATTR_FAMILY_ID", "id", FieldType::kU16, kHost},
    {CTRL_ATTR_FAMILY_NAME, "CTRL_ATTR_FAMILY_NAME", "name", FieldType::kString, kHost},
    {CTRL_ATTR_VERSION, "CTRL_ATTR_VERSION", "version", FieldType::kU32, kHost},
    {CTRL_ATTR_HDRSIZE, "CTRL_ATTR_HDRSIZE", "headerLength", FieldType::kU32, kHost},
    {CTRL_ATTR_MAXATTR, "CTRL_ATTR_MAXATTR", "largestAttribute", FieldType::kU32, kHost},
    {CTRL_ATTR_OPS, "CTRL_ATTR_OPS", "operations", FieldType::kIgnored},
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
