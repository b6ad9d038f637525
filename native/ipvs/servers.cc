#include "ipvs/servers.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "ipvs/schemas.h"

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

// Refusals of one system call that room is asked for: 8 MiB of receive buffer.
constexpr size_t kMostReplies = 8192;

constexpr uint8_t kCommands[] = {IPVS_CMD_NEW_DEST, IPVS_CMD_SET_DEST, IPVS_CMD_DEL_DEST};

// A plain number of a real server, the same for reading and writing.
struct NumberColumn {
  uint16_t attribute;
  ServerColumn column;
  /// Bytes on the wire; the column has as many, but for the forwarding method.
  uint8_t width;
  ByteOrder order = ByteOrder::kHost;
};
constexpr NumberColumn kNumbers[] = {
    {IPVS_DEST_ATTR_FWD_METHOD, kServerForwarding, 4}, {IPVS_DEST_ATTR_WEIGHT, kServerWeight, 4},
    {IPVS_DEST_ATTR_U_THRESH, kServerUpper, 4},        {IPVS_DEST_ATTR_L_THRESH, kServerLower, 4},
    {IPVS_DEST_ATTR_TUN_TYPE, kServerTunnelType, 1},   {IPVS_DEST_ATTR_TUN_PORT, kServerTunnelPort, 2, ByteOrder::kBig},
    {IPVS_DEST_ATTR_TUN_FLAGS, kServerTunnelFlags, 2}, {IPVS_DEST_ATTR_ACTIVE_CONNS, kServerActive, 4},
    {IPVS_DEST_ATTR_INACT_CONNS, kServerInactive, 4},  {IPVS_DEST_ATTR_PERSIST_CONNS, kServerPersistent, 4},
};
// What a caller decides; the rest is only listed.
constexpr auto kSettings = std::span(kNumbers).first<7>();

uint32_t NumberAt(const ColumnSet& columns, size_t column, size_t row) {
  switch (ColumnElementSize(kColumns[column].type)) {
    case 1:
      return columns.At<uint8_t>(column, row);
    case 2:
      return columns.At<uint16_t>(column, row);
    default:
      return columns.At<uint32_t>(column, row);
  }
}

void AddNumber(ColumnSet& columns, size_t column, uint32_t number) {
  switch (ColumnElementSize(kColumns[column].type)) {
    case 1:
      return columns.Add<uint8_t>(column, static_cast<uint8_t>(number));
    case 2:
      return columns.Add<uint16_t>(column, static_cast<uint16_t>(number));
    default:
      return columns.Add<uint32_t>(column, number);
  }
}

void PutNumber(const NumberColumn& field, uint32_t number, MessageWriter& writer) {
  switch (field.width) {
    case 1:
      return writer.PutInteger<uint8_t>(field.attribute, static_cast<uint8_t>(number));
    case 2:
      return writer.PutInteger<uint16_t>(field.attribute, static_cast<uint16_t>(number), field.order);
    default:
      return writer.PutInteger<uint32_t>(field.attribute, number);
  }
}

uint32_t ReadNumber(const Attribute& attribute, const NumberColumn& field) {
  switch (field.width) {
    case 1:
      return attribute.Integer<uint8_t>().value_or(0);
    case 2:
      return attribute.Integer<uint16_t>(field.order).value_or(0);
    default:
      return attribute.Integer<uint32_t>().value_or(0);
  }
}

// Writes IPVS_CMD_ATTR_DEST.
void PutServer(const ColumnSet& servers, size_t row, bool is_mixed, bool settings, MessageWriter& writer) {
  const size_t nest = writer.BeginNest(IPVS_CMD_ATTR_DEST);
  const auto family = servers.At<uint8_t>(kServerFamily, row);
  writer.Put(IPVS_DEST_ATTR_ADDR, servers.Fixed(kServerAddress, row).first(family == AF_INET ? 4 : kAddressWidth));
  writer.PutInteger<uint16_t>(IPVS_DEST_ATTR_PORT, servers.At<uint16_t>(kServerPort, row), ByteOrder::kBig);
  // Kernels before 3.18 ignore the family, and would take an address of another one for one of the service's.
  if (is_mixed) writer.PutInteger<uint16_t>(IPVS_DEST_ATTR_ADDR_FAMILY, family);
  if (settings) {
    for (const NumberColumn& field : kSettings) PutNumber(field, NumberAt(servers, field.column, row), writer);
  }
  writer.EndNest(nest);
}

}  // namespace

const std::span<const ColumnSpec> kServerColumns = kColumns;

std::optional<std::string> CheckServers(const ColumnSet& services, const ColumnSet& servers, bool keys_only) {
  if (auto fault = CheckServices(services, true)) return "services: " + *fault;
  if (auto fault = servers.Check()) return fault;
  if (servers.rows() == 0) return std::nullopt;
  for (const NumberColumn& field : kSettings) {
    if (!keys_only && !servers.has(field.column)) return std::string(kColumns[field.column].name) + " is missing";
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
  if (auto fault = CheckServers(services, servers, verb == Verb::kRemove)) {
    BatchReport report;
    report.stopped = Error{EINVAL, "real server columns", *fault};
    return report;
  }
  const auto encode = [&](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    EncodeServer(family, verb, services, servers, index, flags, sequence, writer);
  };
  socket.ReserveReplies(std::min(servers.rows() + 2, kMostReplies));
  return RunBatch(socket, static_cast<uint32_t>(servers.rows()), encode, options);
}

bool DecodeServer(const Message& message, const ServerContext& context, ColumnSet& servers) {
  AttributeReader top = message.Attributes(sizeof(genlmsghdr));
  ByteView address, wide, narrow;
  uint32_t numbers[kServerColumnCount] = {};
  numbers[kServerService] = context.service_row;
  numbers[kServerFamily] = context.service_family;
  std::optional<uint16_t> port;
  while (const auto outer = top.Next()) {
    if (outer->type != IPVS_CMD_ATTR_DEST) continue;
    AttributeReader reader(outer->payload);
    while (const auto attribute = reader.Next()) {
      if (attribute->type == IPVS_DEST_ATTR_ADDR) address = attribute->payload;
      if (attribute->type == IPVS_DEST_ATTR_PORT) port = attribute->Integer<uint16_t>(ByteOrder::kBig);
      if (attribute->type == IPVS_DEST_ATTR_ADDR_FAMILY) numbers[kServerFamily] = attribute->Integer<uint16_t>().value_or(0);
      if (attribute->type == IPVS_DEST_ATTR_STATS) narrow = attribute->payload;
      if (attribute->type == IPVS_DEST_ATTR_STATS64) wide = attribute->payload;
      for (const NumberColumn& field : kNumbers) {
        if (field.attribute == attribute->type) numbers[field.column] = ReadNumber(*attribute, field);
      }
    }
    if (reader.malformed()) return false;
  }
  const size_t length = numbers[kServerFamily] == AF_INET ? 4 : numbers[kServerFamily] == AF_INET6 ? 16 : 0;
  if (top.malformed() || length == 0 || address.size() < length || !port) return false;
  numbers[kServerPort] = *port;
  for (size_t column = 0; column < kServerStatistics; ++column) {
    if (column == kServerAddress) {
      servers.AddFixed(kServerAddress, address.first(length));
    } else {
      AddNumber(servers, column, numbers[column]);
    }
  }
  if (context.statistics) AppendStatistics(wide, narrow, kServerStatistics, servers);
  servers.EndRow();
  return true;
}

}  // namespace netplane::ipvs
