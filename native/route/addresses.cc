#include "route/addresses.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

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

// Refusals of one system call that room is asked for: 8 MiB of receive buffer.
constexpr size_t kMostReplies = 8192;

size_t AddressLength(uint8_t family) {
  if (family == AF_INET) return 4;
  return family == AF_INET6 ? 16 : 0;
}

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

// What an RTM_NEWADDR message says, before it becomes a row.
struct DecodedAddress {
  ByteView address, local, broadcast;
  std::optional<std::string_view> label;
  uint32_t flags = 0;
  uint8_t protocol = 0;
  ifa_cacheinfo lifetimes = {UINT32_MAX, UINT32_MAX, 0, 0};
};

DecodedAddress DecodeAttributes(AttributeReader& reader, const ifaddrmsg& header) {
  DecodedAddress decoded;
  decoded.flags = header.ifa_flags;
  while (const auto attribute = reader.Next()) {
    switch (attribute->type) {
      case IFA_ADDRESS:
        decoded.address = attribute->payload;
        break;
      case IFA_LOCAL:
        decoded.local = attribute->payload;
        break;
      case IFA_BROADCAST:
        decoded.broadcast = attribute->payload;
        break;
      case IFA_LABEL:
        decoded.label = attribute->Text();
        break;
      case IFA_FLAGS:
        decoded.flags = attribute->Integer<uint32_t>().value_or(decoded.flags);
        break;
      case kIfaProto:
        decoded.protocol = attribute->Integer<uint8_t>().value_or(0);
        break;
      case IFA_CACHEINFO:
        if (attribute->payload.size() >= sizeof decoded.lifetimes) {
          std::memcpy(&decoded.lifetimes, attribute->payload.data(), sizeof decoded.lifetimes);
        }
        break;
      default:
        break;  // IFA_ANYCAST, IFA_MULTICAST, IFA_RT_PRIORITY: no address of the link, or of the route only.
    }
  }
  return decoded;
}

void AppendRow(const ifaddrmsg& header, const DecodedAddress& decoded, ColumnSet& rows) {
  // IPv6 has IFA_LOCAL only beside a peer; IPv4 always has both.
  const ByteView own = decoded.local.empty() ? decoded.address : decoded.local;
  const bool has_peer = !decoded.address.empty() && !std::ranges::equal(own, decoded.address);
  rows.Add<uint32_t>(kLinkIndex, header.ifa_index);
  rows.Add<uint8_t>(kFamily, header.ifa_family);
  rows.AddFixed(kAddress, own);
  rows.Add<uint8_t>(kPrefixLength, header.ifa_prefixlen);
  rows.Add<uint8_t>(kScope, header.ifa_scope);
  rows.Add<uint32_t>(kFlags, decoded.flags);
  rows.Add<uint8_t>(kProtocol, decoded.protocol);
  rows.AddBlob(kPeer, has_peer ? decoded.address : ByteView{});
  rows.AddBlob(kBroadcast, decoded.broadcast);
  rows.AddSymbol(kLabel, decoded.label);
  rows.Add<uint32_t>(kValidLifetime, decoded.lifetimes.ifa_valid);
  rows.Add<uint32_t>(kPreferredLifetime, decoded.lifetimes.ifa_prefered);
  rows.EndRow();
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
  writer.Put(IFA_LOCAL, own);
  writer.Put(IFA_ADDRESS, peer.empty() ? own : peer);
  // A delete is matched by every attribute that it carries (inet_rtm_deladdr): the label too, but nothing else is looked at.
  if (addresses.has(kLabel)) {
    if (const auto label = addresses.Symbol(kLabel, row)) writer.PutString(IFA_LABEL, *label);
  }
  if (adds) {
    if (flags > UINT8_MAX) writer.PutInteger<uint32_t>(IFA_FLAGS, flags);
    if (const ByteView broadcast = BlobOrNone(addresses, kBroadcast, row); !broadcast.empty()) writer.Put(IFA_BROADCAST, broadcast);
    if (const auto protocol = ValueOr<uint8_t>(addresses, kProtocol, row, 0)) writer.PutInteger<uint8_t>(kIfaProto, protocol);
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
  if (auto fault = CheckAddresses(addresses)) {
    BatchReport report;
    report.stopped = Error{EINVAL, "address columns", *fault};
    return report;
  }
  const auto encode = [&](uint32_t index, uint16_t extra_flags, uint32_t sequence, MessageWriter& writer) {
    EncodeAddress(change, addresses, index, extra_flags, sequence, writer);
  };
  // One system call a batch as far as the kernel grants the room; refusals of a larger one go through several.
  socket.ReserveReplies(std::min(addresses.rows() + 2, kMostReplies));
  BatchReport report = RunBatch(socket, static_cast<uint32_t>(addresses.rows()), encode, options);
  for (ItemError& error : report.errors) error.field = FieldAtOffset(change, addresses, error);
  return report;
}

bool DecodeAddress(const Message& message, ColumnSet& addresses) {
  const auto header = ReadHeader<ifaddrmsg>(message);
  if (!header) return false;
  const size_t length = AddressLength(header->ifa_family);
  if (length == 0) return true;
  AttributeReader reader = message.Attributes(sizeof *header);
  const DecodedAddress decoded = DecodeAttributes(reader, *header);
  const bool has_any = !decoded.address.empty() || !decoded.local.empty();
  for (const ByteView bytes : {decoded.address, decoded.local, decoded.broadcast}) {
    if (!bytes.empty() && bytes.size() != length) return false;
  }
  if (reader.malformed() || !has_any) return false;
  AppendRow(*header, decoded, addresses);
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
