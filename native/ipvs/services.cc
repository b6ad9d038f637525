#include "ipvs/services.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "ipvs/schemas.h"

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

// Refusals of one system call that room is asked for: 8 MiB of receive buffer.
constexpr size_t kMostReplies = 8192;

// What a caller decides; of other bits the kernel keeps what it has.
constexpr uint32_t kFlagMask =
    IP_VS_SVC_F_PERSISTENT | IP_VS_SVC_F_ONEPACKET | IP_VS_SVC_F_SCHED1 | IP_VS_SVC_F_SCHED2 | IP_VS_SVC_F_SCHED3;

constexpr uint8_t kCommands[] = {IPVS_CMD_NEW_SERVICE, IPVS_CMD_SET_SERVICE, IPVS_CMD_DEL_SERVICE};

// What an IPVS_CMD_NEW_SERVICE message says, before it becomes a row.
struct DecodedService {
  uint16_t family = 0;
  uint16_t protocol = 0;
  uint16_t port = 0;
  uint32_t fwmark = 0;
  uint32_t flags = 0;
  uint32_t timeout = 0;
  ByteView address, netmask, wide_statistics, narrow_statistics;
  std::optional<std::string_view> scheduler, engine;
};

void TakeAttribute(const Attribute& attribute, DecodedService& service) {
  switch (attribute.type) {
    case IPVS_SVC_ATTR_AF:
      service.family = attribute.Integer<uint16_t>().value_or(0);
      break;
    case IPVS_SVC_ATTR_PROTOCOL:
      service.protocol = attribute.Integer<uint16_t>().value_or(0);
      break;
    case IPVS_SVC_ATTR_ADDR:
      service.address = attribute.payload;
      break;
    case IPVS_SVC_ATTR_PORT:
      service.port = attribute.Integer<uint16_t>(ByteOrder::kBig).value_or(0);
      break;
    case IPVS_SVC_ATTR_FWMARK:
      service.fwmark = attribute.Integer<uint32_t>().value_or(0);
      break;
    case IPVS_SVC_ATTR_SCHED_NAME:
      service.scheduler = attribute.Text();
      break;
    case IPVS_SVC_ATTR_FLAGS:
      service.flags = attribute.Integer<uint32_t>().value_or(0) & ~uint32_t{IP_VS_SVC_F_HASHED};
      break;
    case IPVS_SVC_ATTR_TIMEOUT:
      service.timeout = attribute.Integer<uint32_t>().value_or(0);
      break;
    case IPVS_SVC_ATTR_NETMASK:
      service.netmask = attribute.payload;
      break;
    case IPVS_SVC_ATTR_PE_NAME:
      service.engine = attribute.Text();
      break;
    case IPVS_SVC_ATTR_STATS:
      service.narrow_statistics = attribute.payload;
      break;
    case IPVS_SVC_ATTR_STATS64:
      service.wide_statistics = attribute.payload;
      break;
    default:
      break;  // Of a newer kernel.
  }
}

bool IsWhole(const DecodedService& service) {
  const size_t length = service.family == AF_INET ? 4 : service.family == AF_INET6 ? 16 : 0;
  if (length == 0 || !service.scheduler || service.netmask.size() < sizeof(uint32_t)) return false;
  // A mark takes the place of protocol, address and port (ip_vs_genl_fill_service).
  return service.fwmark != 0 || (service.address.size() >= length && service.protocol != 0 && service.protocol <= UINT8_MAX);
}

void AppendRow(const DecodedService& service, bool statistics, ColumnSet& rows) {
  const bool is_mark = service.fwmark != 0;
  const size_t length = service.family == AF_INET ? 4 : 16;
  rows.Add<uint8_t>(kServiceFamily, static_cast<uint8_t>(service.family));
  rows.Add<uint8_t>(kServiceProtocol, is_mark ? uint8_t{0} : static_cast<uint8_t>(service.protocol));
  rows.AddFixed(kServiceAddress, is_mark ? ByteView{} : service.address.first(length));
  rows.Add<uint16_t>(kServicePort, is_mark ? uint16_t{0} : service.port);
  rows.Add<uint32_t>(kServiceFwmark, service.fwmark);
  rows.AddSymbol(kServiceScheduler, service.scheduler);
  rows.Add<uint32_t>(kServiceFlags, service.flags);
  rows.Add<uint32_t>(kServiceTimeout, service.timeout);
  rows.Add<uint32_t>(kServiceNetmask,
                     Load<uint32_t>(service.netmask.data(), service.family == AF_INET ? ByteOrder::kBig : ByteOrder::kHost));
  rows.AddSymbol(kServiceEngine, service.engine);
  if (statistics) AppendStatistics(service.wide_statistics, service.narrow_statistics, kServiceStatistics, rows);
  rows.EndRow();
}

void PutSettings(const ColumnSet& services, size_t row, MessageWriter& writer) {
  const bool is_ipv4 = services.At<uint8_t>(kServiceFamily, row) == AF_INET;
  writer.PutString(IPVS_SVC_ATTR_SCHED_NAME, services.Symbol(kServiceScheduler, row).value_or(""));
  const ip_vs_flags flags = {services.At<uint32_t>(kServiceFlags, row) & kFlagMask, kFlagMask};
  writer.Put(IPVS_SVC_ATTR_FLAGS, {reinterpret_cast<const uint8_t*>(&flags), sizeof flags});
  writer.PutInteger<uint32_t>(IPVS_SVC_ATTR_TIMEOUT, services.At<uint32_t>(kServiceTimeout, row));
  const auto netmask = services.At<uint32_t>(kServiceNetmask, row);
  writer.PutInteger<uint32_t>(IPVS_SVC_ATTR_NETMASK, netmask, is_ipv4 ? ByteOrder::kBig : ByteOrder::kHost);
  if (const auto engine = services.Symbol(kServiceEngine, row)) writer.PutString(IPVS_SVC_ATTR_PE_NAME, *engine);
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
  const auto family = services.At<uint8_t>(kServiceFamily, row);
  writer.PutInteger<uint16_t>(IPVS_SVC_ATTR_AF, family);
  if (const auto fwmark = services.At<uint32_t>(kServiceFwmark, row)) {
    writer.PutInteger<uint32_t>(IPVS_SVC_ATTR_FWMARK, fwmark);
  } else {
    writer.PutInteger<uint16_t>(IPVS_SVC_ATTR_PROTOCOL, services.At<uint8_t>(kServiceProtocol, row));
    writer.Put(IPVS_SVC_ATTR_ADDR, services.Fixed(kServiceAddress, row).first(family == AF_INET ? 4 : kAddressWidth));
    writer.PutInteger<uint16_t>(IPVS_SVC_ATTR_PORT, services.At<uint16_t>(kServicePort, row), ByteOrder::kBig);
  }
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
  if (auto fault = CheckServices(services, verb == Verb::kRemove)) {
    BatchReport report;
    report.stopped = Error{EINVAL, "service columns", *fault};
    return report;
  }
  const auto encode = [&](uint32_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    EncodeService(family, verb, services, index, flags, sequence, writer);
  };
  socket.ReserveReplies(std::min(services.rows() + 2, kMostReplies));
  return RunBatch(socket, static_cast<uint32_t>(services.rows()), encode, options);
}

bool DecodeService(const Message& message, bool statistics, ColumnSet& services) {
  AttributeReader top = message.Attributes(sizeof(genlmsghdr));
  DecodedService service;
  bool is_there = false;
  while (const auto outer = top.Next()) {
    if (outer->type != IPVS_CMD_ATTR_SERVICE) continue;
    is_there = true;
    AttributeReader reader(outer->payload);
    while (const auto attribute = reader.Next()) TakeAttribute(*attribute, service);
    if (reader.malformed()) return false;
  }
  if (top.malformed() || !is_there || !IsWhole(service)) return false;
  AppendRow(service, statistics, services);
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
  for (size_t i = 0; i < kStatisticsCount; ++i) columns.Add<uint64_t>(first + i, values[i]);
}

}  // namespace netplane::ipvs
