#include "ipset/sets.h"

#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cerrno>

namespace netplane::ipset {
namespace {

// Of include/uapi/linux/netfilter/ipset/ip_set.h, which older headers have without them.
constexpr uint8_t kProtocol = 7;       // IPSET_PROTOCOL
constexpr uint8_t kGetByName = 14;     // IPSET_CMD_GET_BYNAME
constexpr uint8_t kGetByIndex = 15;    // IPSET_CMD_GET_BYINDEX
constexpr uint16_t kProtocolType = 1;  // IPSET_ATTR_PROTOCOL
constexpr uint16_t kNameType = 2;      // IPSET_ATTR_SETNAME
constexpr uint16_t kIndexType = 11;    // IPSET_ATTR_INDEX

constexpr const char* kByName = "IPSET_CMD_GET_BYNAME";
constexpr const char* kByIndex = "IPSET_CMD_GET_BYINDEX";

constexpr uint16_t MessageType(uint8_t command) { return static_cast<uint16_t>((NFNL_SUBSYS_IPSET << 8) | command); }

void Begin(uint8_t command, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
  // struct nfgenmsg: no family, NFNETLINK_V0, no resource.
  constexpr std::array<uint8_t, sizeof(nfgenmsg)> kHeader = {};
  writer.Begin(MessageType(command), flags, sequence);
  writer.PutHeader(kHeader);
  writer.PutInteger<uint8_t>(kProtocolType, kProtocol);
}

// The payload of an attribute of an answer to `command`; empty where there is none, or the answer is malformed.
ByteView AttributeOf(const Message& message, uint8_t command, uint16_t type) {
  if (message.type != MessageType(command) || message.body.size() < sizeof(nfgenmsg)) return {};
  AttributeReader reader = message.Attributes(sizeof(nfgenmsg));
  const ByteView payload = FindLast(reader, type);
  return reader.malformed() ? ByteView() : payload;
}

template <typename Found>
Result<Found> Ask(Socket& socket, const RequestEncoder& encode, uint8_t command, const char* operation,
                  std::optional<Found> (*decode)(const Message&), Deadline deadline) {
  std::optional<Found> found;
  const auto handle = [&](const Message& message) -> Status {
    if (message.type != MessageType(command)) return std::nullopt;
    found = decode(message);
    if (!found) return Error{EPROTO, operation, "malformed answer"};
    return std::nullopt;
  };
  if (Status failure = RunRequest(socket, encode, handle, deadline)) {
    failure->operation = operation;
    return *failure;
  }
  if (!found) return Error{EPROTO, operation, "no answer"};
  return std::move(*found);
}

}  // namespace

void EncodeIndexRequest(const std::string& name, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
  Begin(kGetByName, flags, sequence, writer);
  writer.PutString(kNameType, name);
  writer.End();
}

void EncodeNameRequest(uint16_t index, uint16_t flags, uint32_t sequence, MessageWriter& writer) {
  Begin(kGetByIndex, flags, sequence, writer);
  writer.PutInteger<uint16_t>(kIndexType, index, ByteOrder::kBig);
  writer.End();
}

std::optional<uint16_t> DecodeIndex(const Message& message) {
  const ByteView payload = AttributeOf(message, kGetByName, kIndexType);
  if (payload.size() != sizeof(uint16_t)) return std::nullopt;
  return Load<uint16_t>(payload.data(), ByteOrder::kBig);
}

std::optional<std::string> DecodeName(const Message& message) {
  const std::string_view name = AsText(AttributeOf(message, kGetByIndex, kNameType));
  if (name.empty() || name.size() > kNameLength) return std::nullopt;
  return std::string(name);
}

Result<uint16_t> FindIndex(Socket& socket, const std::string& name, Deadline deadline) {
  const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) { EncodeIndexRequest(name, flags, sequence, writer); };
  return Ask<uint16_t>(socket, encode, kGetByName, kByName, DecodeIndex, deadline);
}

Result<std::string> FindName(Socket& socket, uint16_t index, Deadline deadline) {
  const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) { EncodeNameRequest(index, flags, sequence, writer); };
  return Ask<std::string>(socket, encode, kGetByIndex, kByIndex, DecodeName, deadline);
}

}  // namespace netplane::ipset
