#include "route/addresses.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "netlink/column_fields.h"
#include "route/schemas.h"

namespace netplane::route {
namespace {

constexpr ColumnSpec kColumns[kAddressColumnCount] = {
    {"linkIndex", ColumnType::kU32},
    {"family", ColumnType::kU8, true},
    {"address", ColumnType::kFixed, true, kAddressWidth},
    {"prefixLength", ColumnType::kU8, true},
    {"scope", ColumnType::kU8},
    {"flags", ColumnType::kU32},
    {"protocol", ColumnType::kU8},
    {"peer", ColumnType::kBlob},
    {"broadcast", ColumnType::kBlob},
    {"label", ColumnType::kSymbol},
    {"validLifetimeSeconds", ColumnType::kU32},
    {"preferredLifetimeSeconds", ColumnType::kU32},
};

// Rows a piece of a list: about 60 bytes each with labels, so well below 4 MiB.
constexpr size_t kRowsPerPiece = 32768;

template <typename T>
T ValueOr(const ColumnSet& columns, size_t column, size_t row, T otherwise) {
  return columns.has(column) ? columns.At<T>(column, row) : otherwise;
}

ByteView BlobOrNone(const ColumnSet& columns, size_t column, size_t row) {
  return columns.has(column) ? columns.Blob(column, row) : ByteView{};
}

const char* FaultOfRow(const ColumnSet& addresses, size_t row) {
  const size_t length = AddressLength(addresses.At<uint8_t>(kFamily, row));
  if (length == 0) return "family";
  if (addresses.At<uint8_t>(kPrefixLength, row) > length * 8) return "prefixLength";
  for (const size_t column : {size_t{kPeer}, size_t{kBroadcast}}) {
    const ByteView bytes = BlobOrNone(addresses, column, row);
    if (!bytes.empty() && bytes.size() != length) return kColumns[column].name;
  }
  return nullptr;
}

// In which messages an attribute is written. A delete is matched by every attribute that it carries (inet_rtm_deladdr): the label too, but
// nothing else is looked at.
constexpr uint8_t kAlways = 1;
constexpr uint8_t kAdding = 2;
// Flags that the header's eight bits cannot hold.
constexpr uint8_t kWideFlags = 4;
// Before all others, as ip(8) writes it.
constexpr uint8_t kFirst = 8;

// IFA_ADDRESS is the peer, or the address itself where there is none, and IFA_CACHEINFO is two columns: both are written by EncodeAddress.
constexpr ColumnField kFields[] = {
    {IFA_LOCAL, kAddress, WireType::kAddress, ByteOrder::kHost, kFirst},
    {IFA_ADDRESS, kPeer, WireType::kBytes},
    {IFA_LABEL, kLabel, WireType::kText, ByteOrder::kHost, kAlways},
    {IFA_FLAGS, kFlags, WireType::kU32, ByteOrder::kHost, kWideFlags},
    {IFA_BROADCAST, kBroadcast, WireType::kBlob, ByteOrder::kHost, kAdding},
    {kIfaProto, kProtocol, WireType::kU8, ByteOrder::kHost, kAdding, true},
    {IFA_CACHEINFO, kValidLifetime, WireType::kBytes},
};
using Values = FieldValues<kAddressColumnCount>;

// Brings what a message says into the form of a row. False where it is malformed.
bool Complete(const ifaddrmsg& header, size_t length, Values& values) {
  for (const size_t column : {size_t{kAddress}, size_t{kPeer}, size_t{kBroadcast}}) {
    if (const ByteView bytes = values.bytes(column); !bytes.empty() && bytes.size() != length) return false;
  }
  // IPv6 has IFA_LOCAL only beside a peer; IPv4 always has both.
  const ByteView address = values.bytes(kPeer);
  if (values.bytes(kAddress).empty()) values.set_bytes(kAddress, address);
  const ByteView own = values.bytes(kAddress);
  if (own.empty()) return false;
  if (std::ranges::equal(own, address)) values.set_bytes(kPeer, {});
  ifa_cacheinfo lifetimes = {UINT32_MAX, UINT32_MAX, 0, 0};
  const ByteView cache = values.bytes(kValidLifetime);
  if (cache.size() >= sizeof lifetimes) std::memcpy(&lifetimes, cache.data(), sizeof lifetimes);
  values.set_number(kValidLifetime, lifetimes.ifa_valid);
  values.set_number(kPreferredLifetime, lifetimes.ifa_prefered);
  values.set_number(kLinkIndex, header.ifa_index);
  values.set_number(kFamily, header.ifa_family);
  values.set_number(kPrefixLength, header.ifa_prefixlen);
  values.set_number(kScope, header.ifa_scope);
  if (!values.has(kFlags)) values.set_number(kFlags, header.ifa_flags);
  return true;
}

void WriteListRequest(const AddressListRequest& request, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
  writer.Begin(RTM_GETADDR, flags, sequence);
  ifaddrmsg header = {};
  header.ifa_family = request.family;
  header.ifa_index = request.link_index;
  PutHeader(writer, header);
  writer.End();
}

// The message of a row once more, to see which attribute lies where the kernel's error points.
std::string FieldAtOffset(const AddressChange& change, const ColumnSet& addresses, const ItemError& error) {
  constexpr size_t kFixed = sizeof(nlmsghdr) + sizeof(ifaddrmsg);
  if (!error.offset || *error.offset < kFixed) return {};
  Bytes message;
  MessageWriter writer(message);
  EncodeAddress(change, addresses, error.index, 0, 0, writer);
  return LocateField(kAddressSchema, ByteView(message).subspan(kFixed), *error.offset - kFixed);
}

}  // namespace

const std::span<const ColumnSpec> kAddressColumns = kColumns;

std::optional<std::string> CheckAddresses(const ColumnSet& addresses) {
  if (auto fault = addresses.Check()) return fault;
  for (size_t row = 0; row < addresses.rows(); ++row) {
    if (const char* column = FaultOfRow(addresses, row)) return std::string(column) + " of row " + std::to_string(row);
  }
  return std::nullopt;
}

void EncodeAddress(const AddressChange& change, const ColumnSet& addresses, size_t row, uint16_t extra_flags, uint32_t sequence,
                   MessageWriter& writer) {
  const bool adds = change.verb != AddressVerb::kDelete;
  const uint16_t verb_flags = !adds ? 0 : NLM_F_CREATE | (change.verb == AddressVerb::kReplace ? NLM_F_REPLACE : NLM_F_EXCL);
  writer.Begin(adds ? RTM_NEWADDR : RTM_DELADDR, static_cast<uint16_t>(NLM_F_REQUEST | verb_flags | extra_flags), sequence);
  const uint32_t flags = ValueOr<uint32_t>(addresses, kFlags, row, 0);
  ifaddrmsg header = {};
  header.ifa_family = addresses.At<uint8_t>(kFamily, row);
  header.ifa_prefixlen = addresses.At<uint8_t>(kPrefixLength, row);
  header.ifa_flags = static_cast<uint8_t>(flags);
  header.ifa_scope = ValueOr<uint8_t>(addresses, kScope, row, 0);
  header.ifa_index = ValueOr<uint32_t>(addresses, kLinkIndex, row, change.link_index);
  PutHeader(writer, header);
  const ByteView own = addresses.Fixed(kAddress, row).first(AddressLength(header.ifa_family));
  const ByteView peer = BlobOrNone(addresses, kPeer, row);
  PutFields(kFields, addresses, row, kFirst, own.size(), writer);
  writer.Put(IFA_ADDRESS, peer.empty() ? own : peer);
  const int parts = kAlways | (adds ? kAdding : 0) | (adds && flags > UINT8_MAX ? kWideFlags : 0);
  PutFields(kFields, addresses, row, static_cast<uint8_t>(parts), own.size(), writer);
  if (adds) {
    const auto valid = ValueOr<uint32_t>(addresses, kValidLifetime, row, UINT32_MAX);
    const auto preferred = ValueOr<uint32_t>(addresses, kPreferredLifetime, row, UINT32_MAX);
    if (valid != UINT32_MAX || preferred != UINT32_MAX) {
      const ifa_cacheinfo lifetimes = {preferred, valid, 0, 0};
      writer.Put(IFA_CACHEINFO, {reinterpret_cast<const uint8_t*>(&lifetimes), sizeof lifetimes});
    }
  }
  writer.End();
}

BatchReport ChangeAddresses(Socket& socket, const AddressChange& change, const ColumnSet& addresses, const BatchOptions& options) {
  const Status fault = ColumnFault("address columns", CheckAddresses(addresses));
  const auto encode = [&](uint32_t index, uint16_t extra_flags, uint32_t sequence, MessageWriter& writer) {
    EncodeAddress(change, addresses, index, extra_flags, sequence, writer);
  };
  BatchReport report = RunRows(socket, addresses.rows(), fault, encode, options);
  for (ItemError& error : report.errors) error.field = FieldAtOffset(change, addresses, error);
  return report;
}

bool DecodeAddress(const Message& message, ColumnSet& addresses) {
  const auto header = ReadHeader<ifaddrmsg>(message);
  if (!header) return false;
  const size_t length = AddressLength(header->ifa_family);
  if (length == 0) return true;
  AttributeReader reader = message.Attributes(sizeof *header);
  Values values;
  while (const auto attribute = reader.Next()) values.Take(kFields, *attribute);
  if (reader.malformed() || !Complete(*header, length, values)) return false;
  values.AppendTo(addresses);
  addresses.EndRow();
  return true;
}

Result<std::vector<ColumnSet>> ListAddresses(Socket& socket, const AddressListRequest& request) {
  std::vector<ColumnSet> pieces;
  DumpOptions options;
  options.deadline = request.deadline;
  options.restart = [&] { pieces.assign(1, ColumnSet(kAddressColumns)); };
  const auto handle = [&](const Message& message) -> Status {
    if (message.type != RTM_NEWADDR) return std::nullopt;
    const auto header = ReadHeader<ifaddrmsg>(message);
    // A socket without NETLINK_GET_STRICT_CHK ignores the filter, and a kernel without IPv6 answers for all families.
    if (header && request.link_index != 0 && header->ifa_index != request.link_index) return std::nullopt;
    if (header && request.family != AF_UNSPEC && header->ifa_family != request.family) return std::nullopt;
    if (pieces.empty() || pieces.back().rows() >= kRowsPerPiece) pieces.emplace_back(kAddressColumns);
    if (!DecodeAddress(message, pieces.back())) return Error{EPROTO, "RTM_GETADDR", "malformed RTM_NEWADDR"};
    return std::nullopt;
  };
  const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) { WriteListRequest(request, flags, sequence, writer); };
  if (Status failure = RunDump(socket, encode, handle, options)) return Named(std::move(*failure), "RTM_GETADDR");
  return pieces;
}

}  // namespace netplane::route
