#include "ipvs/servers.h"

#include <sys/socket.h>

#include "ipvs/schemas.h"
#include "netlink/column_fields.h"

namespace netplane::ipvs {
namespace {

constexpr ColumnSpec kColumns[kServerColumnCount] = {
    {"service", ColumnType::kU32, true},
    {"family", ColumnType::kU8, true},
    {"address", ColumnType::kFixed, true, kAddressWidth},
    {"port", ColumnType::kU16, true},
    {"forwarding", ColumnType::kU8},
    {"weight", ColumnType::kU32},
    {"upperThreshold", ColumnType::kU32},
    {"lowerThreshold", ColumnType::kU32},
    {"tunnelType", ColumnType::kU8},
    {"tunnelPort", ColumnType::kU16},
    {"tunnelFlags", ColumnType::kU16},
    {"activeConnections", ColumnType::kU32},
    {"inactiveConnections", ColumnType::kU32},
    {"persistentConnections", ColumnType::kU32},
    {"connections", ColumnType::kU64},
    {"incomingPackets", ColumnType::kU64},
    {"outgoingPackets", ColumnType::kU64},
    {"incomingBytes", ColumnType::kU64},
    {"outgoingBytes", ColumnType::kU64},
    {"connectionsPerSecond", ColumnType::kU64},
    {"incomingPacketsPerSecond", ColumnType::kU64},
    {"outgoingPacketsPerSecond", ColumnType::kU64},
    {"incomingBytesPerSecond", ColumnType::kU64},
    {"outgoingBytesPerSecond", ColumnType::kU64},
};

constexpr uint8_t kCommands[] = {IPVS_CMD_NEW_DEST, IPVS_CMD_SET_DEST, IPVS_CMD_DEL_DEST};

// In which messages an attribute is written.
constexpr uint8_t kAlways = 1;
// Kernels before 3.18 ignore the family, and would take an address of another one for one of the service's.
constexpr uint8_t kOfOtherFamily = 2;
constexpr uint8_t kWithSettings = 4;

constexpr ColumnField kFields[] = {
    {IPVS_DEST_ATTR_ADDR, kServerAddress, WireType::kAddress, ByteOrder::kHost, kAlways},
    {IPVS_DEST_ATTR_PORT, kServerPort, WireType::kU16, ByteOrder::kBig, kAlways},
    {IPVS_DEST_ATTR_ADDR_FAMILY, kServerFamily, WireType::kU16, ByteOrder::kHost, kOfOtherFamily},
    {IPVS_DEST_ATTR_FWD_METHOD, kServerForwarding, WireType::kU32, ByteOrder::kHost, kWithSettings},
    {IPVS_DEST_ATTR_WEIGHT, kServerWeight, WireType::kU32, ByteOrder::kHost, kWithSettings},
    {IPVS_DEST_ATTR_U_THRESH, kServerUpper, WireType::kU32, ByteOrder::kHost, kWithSettings},
    {IPVS_DEST_ATTR_L_THRESH, kServerLower, WireType::kU32, ByteOrder::kHost, kWithSettings},
    {IPVS_DEST_ATTR_TUN_TYPE, kServerTunnelType, WireType::kU8, ByteOrder::kHost, kWithSettings},
    {IPVS_DEST_ATTR_TUN_PORT, kServerTunnelPort, WireType::kU16, ByteOrder::kBig, kWithSettings},
    {IPVS_DEST_ATTR_TUN_FLAGS, kServerTunnelFlags, WireType::kU16, ByteOrder::kHost, kWithSettings},
    {IPVS_DEST_ATTR_ACTIVE_CONNS, kServerActive, WireType::kU32},
    {IPVS_DEST_ATTR_INACT_CONNS, kServerInactive, WireType::kU32},
    {IPVS_DEST_ATTR_PERSIST_CONNS, kServerPersistent, WireType::kU32},
};

// Writes IPVS_CMD_ATTR_DEST.
void PutServer(const ColumnSet& servers, size_t row, bool is_mixed, bool settings, MessageWriter& writer) {
  const size_t nest = writer.BeginNest(IPVS_CMD_ATTR_DEST);
  const size_t length = servers.At<uint8_t>(kServerFamily, row) == AF_INET ? 4 : kAddressWidth;
  const int parts = kAlways | (is_mixed ? kOfOtherFamily : 0) | (settings ? kWithSettings : 0);
  PutFields(kFields, servers, row, static_cast<uint8_t>(parts), length, writer);
  writer.EndNest(nest);
}

}  // namespace

const std::span<const ColumnSpec> kServerColumns = kColumns;

std::optional<std::string> CheckServers(const ColumnSet& services, const ColumnSet& servers, bool keys_only) {
  if (auto fault = CheckServices(services, true)) return "services: " + *fault;
  if (auto fault = servers.Check()) return fault;
  if (servers.rows() == 0) return std::nullopt;
  for (const ColumnField& field : kFields) {
    if (!keys_only && (field.when & kWithSettings) && !servers.has(field.column))
      return std::string(kColumns[field.column].name) + " is missing";
  }
  for (size_t row = 0; row < servers.rows(); ++row) {
    if (servers.At<uint32_t>(kServerService, row) >= services.rows()) return "service of row " + std::to_string(row);
    const auto family = servers.At<uint8_t>(kServerFamily, row);
    if (family != AF_INET && family != AF_INET6) return "family of row " + std::to_string(row);
  }
  return std::nullopt;
}

void EncodeServer(uint16_t family, Verb verb, const ColumnSet& services, const ColumnSet& servers, size_t row, uint16_t flags,
                  uint32_t sequence, MessageWriter& writer) {
  const size_t service = servers.At<uint32_t>(kServerService, row);
  const bool is_mixed = servers.At<uint8_t>(kServerFamily, row) != services.At<uint8_t>(kServiceFamily, service);
  BeginCommand(family, kCommands[static_cast<size_t>(verb)], flags, sequence, writer);
  PutService(services, service, false, writer);
  PutServer(servers, row, is_mixed, verb != Verb::kRemove, writer);
  writer.End();
}

BatchReport ChangeServers(Socket& socket, uint16_t family, Verb verb, const ColumnSet& services, const ColumnSet& servers,
                          const BatchOptions& options) {
  const Status fault = ColumnFault("real server columns", CheckServers(services, servers, verb == Verb::kRemove));
  const auto encode = [&](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    EncodeServer(family, verb, services, servers, index, flags, sequence, writer);
  };
  return RunRows(socket, servers.rows(), fault, encode, options);
}

bool DecodeServer(const Message& message, const ServerContext& context, ColumnSet& servers) {
  AttributeReader top = message.Attributes(sizeof(genlmsghdr));
  AttributeReader reader(FindLast(top, IPVS_CMD_ATTR_DEST));
  ByteView wide, narrow;
  FieldValues<kServerStatistics> server;
  server.set_number(kServerService, context.service_row);
  server.set_number(kServerFamily, context.service_family);
  while (const auto attribute = reader.Next()) {
    if (attribute->type == IPVS_DEST_ATTR_STATS) narrow = attribute->payload;
    if (attribute->type == IPVS_DEST_ATTR_STATS64) wide = attribute->payload;
    server.Take(kFields, *attribute);
  }
  const uint32_t family = server.number(kServerFamily);
  const size_t length = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
  const ByteView address = server.bytes(kServerAddress);
  if (top.malformed() || reader.malformed() || length == 0 || address.size() < length || !server.has(kServerPort)) return false;
  server.set_bytes(kServerAddress, address.first(length));
  server.AppendTo(servers);
  if (context.statistics) AppendStatistics(wide, narrow, kServerStatistics, servers);
  servers.EndRow();
  return true;
}

}  // namespace netplane::ipvs
