#include "ipvs/services.h"

#include <sys/socket.h>

#include <algorithm>
#include <iterator>

#include "ipvs/schemas.h"
#include "netlink/column_fields.h"

namespace netplane::ipvs {
namespace {

constexpr ColumnSpec kColumns[kServiceColumnCount] = {
    {"family", ColumnType::kU8, true},
    {"protocol", ColumnType::kU8, true},
    {"address", ColumnType::kFixed, true, kAddressWidth},
    {"port", ColumnType::kU16, true},
    {"fwmark", ColumnType::kU32, true},
    {"scheduler", ColumnType::kSymbol},
    {"flags", ColumnType::kU32},
    {"timeoutSeconds", ColumnType::kU32},
    {"netmask", ColumnType::kU32},
    {"persistenceEngine", ColumnType::kSymbol},
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
constexpr size_t kSettings[] = {kServiceScheduler, kServiceFlags, kServiceTimeout, kServiceNetmask, kServiceEngine};

// What a caller decides; of other bits the kernel keeps what it has.
constexpr uint32_t kFlagMask =
    IP_VS_SVC_F_PERSISTENT | IP_VS_SVC_F_ONEPACKET | IP_VS_SVC_F_SCHED1 | IP_VS_SVC_F_SCHED2 | IP_VS_SVC_F_SCHED3;

constexpr uint8_t kCommands[] = {IPVS_CMD_NEW_SERVICE, IPVS_CMD_SET_SERVICE, IPVS_CMD_DEL_SERVICE};

// In which messages an attribute is written.
constexpr uint8_t kAlways = 1;
// Of a service by mark, and of one by address.
constexpr uint8_t kByMark = 2;
constexpr uint8_t kByAddress = 4;
constexpr uint8_t kWithSettings = 8;

// Flags go with a mask, and the byte order of the netmask depends on the family: both are written by PutSettings and read by DecodeService.
constexpr ColumnField kFields[] = {
    {IPVS_SVC_ATTR_AF, kServiceFamily, WireType::kU16, ByteOrder::kHost, kAlways},
    {IPVS_SVC_ATTR_FWMARK, kServiceFwmark, WireType::kU32, ByteOrder::kHost, kByMark},
    {IPVS_SVC_ATTR_PROTOCOL, kServiceProtocol, WireType::kU16, ByteOrder::kHost, kByAddress},
    {IPVS_SVC_ATTR_ADDR, kServiceAddress, WireType::kAddress, ByteOrder::kHost, kByAddress},
    {IPVS_SVC_ATTR_PORT, kServicePort, WireType::kU16, ByteOrder::kBig, kByAddress},
    {IPVS_SVC_ATTR_SCHED_NAME, kServiceScheduler, WireType::kText, ByteOrder::kHost, kWithSettings},
    {IPVS_SVC_ATTR_FLAGS, kServiceFlags, WireType::kU32},
    {IPVS_SVC_ATTR_TIMEOUT, kServiceTimeout, WireType::kU32, ByteOrder::kHost, kWithSettings},
    {IPVS_SVC_ATTR_NETMASK, kServiceNetmask, WireType::kBytes},
    {IPVS_SVC_ATTR_PE_NAME, kServiceEngine, WireType::kText, ByteOrder::kHost, kWithSettings},
};
using Values = FieldValues<kServiceStatistics>;

ByteOrder NetmaskOrder(uint32_t family) { return family == AF_INET ? ByteOrder::kBig : ByteOrder::kHost; }

// Brings what a message says into the form of a row. False where it is not a whole service.
bool Complete(Values& service) {
  const uint32_t family = service.number(kServiceFamily);
  const size_t length = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
  const ByteView netmask = service.bytes(kServiceNetmask);
  if (length == 0 || !service.has(kServiceScheduler) || netmask.size() < sizeof(uint32_t)) return false;
  service.set_number(kServiceNetmask, Load<uint32_t>(netmask.data(), NetmaskOrder(family)));
  service.set_number(kServiceFlags, service.number(kServiceFlags) & ~uint32_t{IP_VS_SVC_F_HASHED});
  // A mark takes the place of protocol, address and port (ip_vs_genl_fill_service).
  if (service.number(kServiceFwmark) != 0) {
    service.set_number(kServiceProtocol, 0);
    service.set_number(kServicePort, 0);
    service.set_bytes(kServiceAddress, {});
    return true;
  }
  const uint32_t protocol = service.number(kServiceProtocol);
  const ByteView address = service.bytes(kServiceAddress);
  if (address.size() < length || protocol == 0 || protocol > UINT8_MAX) return false;
  service.set_bytes(kServiceAddress, address.first(length));
  return true;
}

// What the table cannot write.
void PutSettings(const ColumnSet& services, size_t row, MessageWriter& writer) {
  const ip_vs_flags flags = {services.At<uint32_t>(kServiceFlags, row) & kFlagMask, kFlagMask};
  writer.Put(IPVS_SVC_ATTR_FLAGS, {reinterpret_cast<const uint8_t*>(&flags), sizeof flags});
  const auto family = services.At<uint8_t>(kServiceFamily, row);
  writer.PutInteger<uint32_t>(IPVS_SVC_ATTR_NETMASK, services.At<uint32_t>(kServiceNetmask, row), NetmaskOrder(family));
}

}  // namespace

const std::span<const ColumnSpec> kServiceColumns = kColumns;

std::optional<std::string> CheckServices(const ColumnSet& services, bool keys_only) {
  if (auto fault = services.Check()) return fault;
  if (services.rows() == 0) return std::nullopt;
  for (const size_t column : kSettings) {
    if (!keys_only && !services.has(column)) return std::string(kColumns[column].name) + " is missing";
  }
  for (size_t row = 0; row < services.rows(); ++row) {
    const auto family = services.At<uint8_t>(kServiceFamily, row);
    if (family != AF_INET && family != AF_INET6) return "family of row " + std::to_string(row);
    if (!keys_only && !services.Symbol(kServiceScheduler, row)) return "scheduler of row " + std::to_string(row);
  }
  return std::nullopt;
}

void PutService(const ColumnSet& services, size_t row, bool settings, MessageWriter& writer) {
  const size_t nest = writer.BeginNest(IPVS_CMD_ATTR_SERVICE);
  const bool is_mark = services.At<uint32_t>(kServiceFwmark, row) != 0;
  const size_t length = services.At<uint8_t>(kServiceFamily, row) == AF_INET ? 4 : kAddressWidth;
  const int parts = kAlways | (is_mark ? kByMark : kByAddress) | (settings ? kWithSettings : 0);
  PutFields(kFields, services, row, static_cast<uint8_t>(parts), length, writer);
  if (settings) PutSettings(services, row, writer);
  writer.EndNest(nest);
}

void EncodeService(uint16_t family, Verb verb, const ColumnSet& services, size_t row, uint16_t flags, uint32_t sequence,
                   MessageWriter& writer) {
  BeginCommand(family, kCommands[static_cast<size_t>(verb)], flags, sequence, writer);
  PutService(services, row, verb != Verb::kRemove, writer);
  writer.End();
}

BatchReport ChangeServices(Socket& socket, uint16_t family, Verb verb, const ColumnSet& services, const BatchOptions& options) {
  const Status fault = ColumnFault("service columns", CheckServices(services, verb == Verb::kRemove));
  const auto encode = [&](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    EncodeService(family, verb, services, index, flags, sequence, writer);
  };
  return RunRows(socket, services.rows(), fault, encode, options);
}

bool DecodeService(const Message& message, bool statistics, ColumnSet& services) {
  AttributeReader top = message.Attributes(sizeof(genlmsghdr));
  AttributeReader reader(FindLast(top, IPVS_CMD_ATTR_SERVICE));
  Values service;
  ByteView wide, narrow;
  while (const auto attribute = reader.Next()) {
    if (attribute->type == IPVS_SVC_ATTR_STATS) narrow = attribute->payload;
    if (attribute->type == IPVS_SVC_ATTR_STATS64) wide = attribute->payload;
    service.Take(kFields, *attribute);
  }
  if (top.malformed() || reader.malformed() || !Complete(service)) return false;
  service.AppendTo(services);
  if (statistics) AppendStatistics(wide, narrow, kServiceStatistics, services);
  services.EndRow();
  return true;
}

void AppendStatistics(ByteView wide, ByteView narrow, size_t first, ColumnSet& columns) {
  uint64_t values[kStatisticsCount] = {};
  AttributeReader reader(wide.empty() ? narrow : wide);
  while (const auto attribute = reader.Next()) {
    if (attribute->type < IPVS_STATS_ATTR_CONNS || attribute->type > IPVS_STATS_ATTR_OUTBPS) continue;
    const bool is_wide = attribute->payload.size() >= sizeof(uint64_t);
    // Bytes are 64 bits wide in the narrow form too, and lie at multiples of 4.
    values[attribute->type - 1] = is_wide ? attribute->Integer<uint64_t>().value_or(0) : attribute->Integer<uint32_t>().value_or(0);
  }
  const bool is_zero = std::all_of(std::begin(values), std::end(values), [](uint64_t value) { return value == 0; });
  if (is_zero && !columns.has(first)) return;
  for (size_t i = 0; i < kStatisticsCount; ++i) {
    Column& column = columns[first + i];
    if (!column.present) column.data.resize(columns.rows() * sizeof(uint64_t));
    columns.Add<uint64_t>(first + i, values[i]);
  }
}

}  // namespace netplane::ipvs
