#include "route/links.h"

#include <linux/if_link.h>
#include <sys/socket.h>

#include <cerrno>

#include "route/schemas.h"
#include "route/single_reply.h"

namespace netplane::route {
namespace {

// RTEXT_FILTER_SKIP_STATS: statistics are most of a link's message, and not asked for.
constexpr uint32_t kExtensionMask = 1 << 3;
constexpr size_t kLinkNameLength = 15;  // IFNAMSIZ - 1

struct VerbForm {
  uint16_t type;
  uint16_t flags;
  const char* operation;
};
constexpr VerbForm kForms[] = {
    {RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "RTM_NEWLINK"},
    {RTM_SETLINK, 0, "RTM_SETLINK"},
    {RTM_DELLINK, 0, "RTM_DELLINK"},
};

// Writes the fixed part and what identifies the link.
void PutSelector(const LinkSelector& link, uint32_t flags, uint32_t change_mask, MessageWriter& writer) {
  ifinfomsg header = {};
  header.ifi_index = static_cast<int>(link.index);
  header.ifi_flags = flags;
  header.ifi_change = change_mask;
  PutHeader(writer, header);
  if (link.index != 0) return;
  // IFLA_IFNAME finds short alternative names too (__dev_get_by_name).
  writer.PutString(link.name.size() > kLinkNameLength ? IFLA_ALT_IFNAME : IFLA_IFNAME, link.name);
}

}  // namespace

std::optional<Link> DecodeLink(const Message& message) {
  const auto header = ReadHeader<ifinfomsg>(message);
  if (!header || header->ifi_index <= 0) return std::nullopt;
  auto value = DecodeRecord(kLinkSchema, message.body.subspan(sizeof *header));
  if (!value) return std::nullopt;
  value->opaque.clear();
  Link link;
  link.index = static_cast<uint32_t>(header->ifi_index);
  link.hardware_type = header->ifi_type;
  link.flags = header->ifi_flags;
  link.value = std::move(*value);
  return link;
}

Result<std::vector<Link>> ListLinks(Socket& socket, Deadline deadline) {
  std::vector<Link> links;
  DumpOptions options;
  options.deadline = deadline;
  options.restart = [&] { links.clear(); };
  const auto encode = [](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(RTM_GETLINK, flags, sequence);
    PutHeader(writer, ifinfomsg{});
    writer.PutInteger<uint32_t>(IFLA_EXT_MASK, kExtensionMask);
    writer.End();
  };
  const auto handle = [&](const Message& message) -> Status {
    if (message.type != RTM_NEWLINK) return std::nullopt;
    auto link = DecodeLink(message);
    if (!link) return Error{EPROTO, "RTM_GETLINK", "malformed RTM_NEWLINK"};
    links.push_back(std::move(*link));
    return std::nullopt;
  };
  if (Status failure = RunDump(socket, encode, handle, options)) return Named(std::move(*failure), "RTM_GETLINK");
  return links;
}

Result<Link> GetLink(Socket& socket, const LinkSelector& link, Deadline deadline) {
  const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(RTM_GETLINK, flags, sequence);
    PutSelector(link, 0, 0, writer);
    writer.PutInteger<uint32_t>(IFLA_EXT_MASK, kExtensionMask);
    writer.End();
  };
  return RequestOne(socket, encode, RTM_GETLINK, RTM_NEWLINK, DecodeLink, deadline);
}

Status ChangeLink(Socket& socket, const LinkChange& change, Deadline deadline) {
  const VerbForm& form = kForms[static_cast<size_t>(change.verb)];
  const auto encode = [&](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(form.type, static_cast<uint16_t>(flags | form.flags), sequence);
    PutSelector(change.link, change.flags, change.change_mask, writer);
    EncodeRecord(change.value, writer);
    writer.End();
  };
  const auto ignore = [](const Message&) -> Status { return std::nullopt; };
  if (Status failure = RunRequest(socket, encode, ignore, deadline)) return Named(std::move(*failure), form.operation);
  return std::nullopt;
}

}  // namespace netplane::route
