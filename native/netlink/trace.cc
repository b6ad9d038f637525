#include "netlink/trace.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <span>
#include <system_error>

namespace netplane {
namespace {

// Protocol numbers are below MAX_LINKS (include/uapi/linux/netlink.h). Written at start-up, read from any thread.
std::array<std::atomic<MessageDescriber>, MAX_LINKS> describers;
std::atomic<bool> trace_enabled{false};

constexpr NamedNumber kControlTypes[] = {
    {"NLMSG_NOOP", NLMSG_NOOP}, {"NLMSG_ERROR", NLMSG_ERROR}, {"NLMSG_DONE", NLMSG_DONE}, {"NLMSG_OVERRUN", NLMSG_OVERRUN}};
constexpr NamedNumber kBatchTypes[] = {{"NFNL_MSG_BATCH_BEGIN", NFNL_MSG_BATCH_BEGIN}, {"NFNL_MSG_BATCH_END", NFNL_MSG_BATCH_END}};

constexpr Field kBatchFields[] = {{1, "NFNL_BATCH_GENID", "generation", FieldType::kU32}};
constexpr Schema kBatchSchema = {"batch", kBatchFields};

constexpr NamedNumber kCommonFlags[] = {{"REQUEST", NLM_F_REQUEST}, {"MULTI", NLM_F_MULTI},         {"ACK", NLM_F_ACK},
                                        {"ECHO", NLM_F_ECHO},       {"DUMP_INTR", NLM_F_DUMP_INTR}, {"DUMP_FILTERED", NLM_F_DUMP_FILTERED}};
constexpr NamedNumber kGetFlags[] = {{"DUMP", NLM_F_DUMP}, {"ROOT", NLM_F_ROOT}, {"MATCH", NLM_F_MATCH}, {"ATOMIC", NLM_F_ATOMIC}};
constexpr NamedNumber kNewFlags[] = {{"REPLACE", NLM_F_REPLACE}, {"EXCL", NLM_F_EXCL}, {"CREATE", NLM_F_CREATE}, {"APPEND", NLM_F_APPEND}};
constexpr NamedNumber kDeleteFlags[] = {{"NONREC", NLM_F_NONREC}, {"BULK", 0x200}};
constexpr NamedNumber kErrorFlags[] = {{"CAPPED", NLM_F_CAPPED}, {"ACK_TLVS", NLM_F_ACK_TLVS}};

// The upper flags mean something else in each kind of message; the kernel's own names say which kind it is.
struct FlagGroup {
  const char* word;
  std::span<const NamedNumber> names;
};
constexpr FlagGroup kFlagGroups[] = {{"GET", kGetFlags},        {"NEW", kNewFlags},     {"SET", kNewFlags},   {"DEL", kDeleteFlags},
                                     {"DESTROY", kDeleteFlags}, {"ERROR", kErrorFlags}, {"DONE", kErrorFlags}};

void AppendNames(std::span<const NamedNumber> names, uint16_t* flags, std::string* text) {
  for (const NamedNumber& named : names) {
    const auto mask = static_cast<uint16_t>(named.number);
    if ((*flags & mask) != mask) continue;
    *text += (text->empty() ? "" : "|") + std::string(named.name);
    *flags = static_cast<uint16_t>(*flags & ~mask);
  }
}

std::string FlagNames(uint16_t flags, std::string_view message) {
  std::string text;
  AppendNames(kCommonFlags, &flags, &text);
  for (const FlagGroup& group : kFlagGroups) {
    if (message.find(group.word) == std::string_view::npos) continue;
    AppendNames(group.names, &flags, &text);
    break;
  }
  char rest[8];
  std::snprintf(rest, sizeof rest, "0x%x", flags);
  if (flags != 0 || text.empty()) text += (text.empty() ? "" : "|") + std::string(rest);
  return text;
}

const char* NameIn(std::span<const NamedNumber> names, uint16_t type) {
  for (const NamedNumber& named : names) {
    if (named.number == type) return named.name;
  }
  return nullptr;
}

MessageDescription DescribeType(int protocol, uint16_t type) {
  if (const char* name = NameIn(kControlTypes, type)) return {name, 0, nullptr};
  if (protocol == NETLINK_NETFILTER) {
    if (const char* name = NameIn(kBatchTypes, type)) return {name, sizeof(nfgenmsg), &kBatchSchema};
  }
  if (protocol < 0 || protocol >= MAX_LINKS) return {};
  const MessageDescriber describe = describers[static_cast<size_t>(protocol)].load();
  return describe == nullptr ? MessageDescription{} : describe(type);
}

std::string Hex(ByteView bytes) {
  std::string text = "0x";
  for (const uint8_t byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    text += digits;
  }
  return text;
}

std::string DescribeHeader(int protocol, ByteView header) {
  if (header.empty()) return {};
  if (protocol != NETLINK_NETFILTER || header.size() != sizeof(nfgenmsg)) return " header=" + Hex(header);
  const auto resource = Load<uint16_t>(header.data() + 2, ByteOrder::kBig);
  return " family=" + std::to_string(header[0]) + " res_id=" + std::to_string(resource);
}

std::string DescribeVerdict(const Message& message) {
  const auto acknowledgement = ReadAcknowledgement(message);
  if (!acknowledgement) return " (malformed)";
  std::string text = " error=" + std::to_string(-acknowledgement->code);
  if (acknowledgement->code != 0) text += " (" + std::generic_category().message(acknowledgement->code) + ")";
  if (acknowledgement->offset) text += " NLMSGERR_ATTR_OFFS=" + std::to_string(*acknowledgement->offset);
  if (acknowledgement->message.empty()) return text;
  // Escaped the way every other text is: as the attribute that it was.
  static constexpr Field kText[] = {{1, "NLMSGERR_ATTR_MSG", "message", FieldType::kString}};
  static constexpr Schema kSchema = {"acknowledgement", kText};
  Bytes bytes;
  MessageWriter(bytes).PutString(1, acknowledgement->message);
  return text + " " + DescribeAttributes(&kSchema, bytes);
}

std::string DescribeMessage(int protocol, const Message& message, bool outgoing) {
  MessageDescription description = DescribeType(protocol, message.type);
  if (description.refine != nullptr) description = description.refine(message.body);
  const std::string name = description.name != nullptr ? description.name : "type=" + std::to_string(message.type);
  std::string line = outgoing ? "-> " : "<- ";
  line += name + " seq=" + std::to_string(message.sequence) + " flags=" + FlagNames(message.flags, name) +
          " len=" + std::to_string(message.body.size() + sizeof(nlmsghdr));
  if (message.type == NLMSG_ERROR || (message.type == NLMSG_DONE && !message.body.empty())) return line + DescribeVerdict(message);
  if (description.name == nullptr) {
    constexpr size_t kShown = 32;
    return message.body.empty() ? line : line + " body=" + Hex(message.body.first(std::min(kShown, message.body.size())));
  }
  if (message.body.size() < description.header_length) return line + " (malformed)";
  line += DescribeHeader(protocol, message.body.first(description.header_length));
  const size_t skip = std::min(Align4(description.header_length), message.body.size());
  const std::string attributes = DescribeAttributes(description.schema, message.body.subspan(skip));
  return attributes.empty() ? line : line + " " + attributes;
}

}  // namespace

void RegisterDescriber(int protocol, MessageDescriber describe) {
  if (protocol >= 0 && protocol < MAX_LINKS) describers[static_cast<size_t>(protocol)].store(describe);
}

void EnableTrace(bool enabled) { trace_enabled.store(enabled); }

bool TraceEnabled() { return trace_enabled.load(std::memory_order_relaxed); }

std::string DescribeDatagram(int protocol, ByteView datagram, bool outgoing) {
  std::string text;
  MessageReader reader(datagram);
  while (auto message = reader.Next()) text += DescribeMessage(protocol, *message, outgoing) + "\n";
  if (reader.malformed()) text += outgoing ? "-> (malformed)\n" : "<- (malformed)\n";
  return text;
}

void TraceDatagram(int protocol, ByteView datagram, bool outgoing) {
  const std::string text = DescribeDatagram(protocol, datagram, outgoing);
  // A trace that cannot be written must not disturb what it watches: the result is of no use.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace netplane
