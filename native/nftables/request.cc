#include "nftables/request.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

#include "nftables/elements.h"

namespace netplane::nftables {
namespace {

/// Keys of one look-up: each found one is answered with a message of its own, and the receive buffer has to hold them all.
size_t KeysPerRequest(const Socket& socket) {
  constexpr size_t kMost = 512;
  // An element with userdata and expressions can take more than the 1 KiB that max_replies() counts with.
  return std::clamp<size_t>(socket.max_replies() / 4, 1, kMost);
}

/// Bytes of that many keys in a request, flags included.
size_t RequestBytes(size_t keys, const ColumnSet& columns) {
  constexpr size_t kElementHeader = 4, kFlags = 8, kDataHeaders = 8;
  const size_t key = kDataHeaders + Align4(columns[kKey].width);
  return keys * (kElementHeader + (columns.has(kElementFlags) ? kFlags : 0) + key * (columns.has(kKeyEnd) ? 2 : 1));
}

}  // namespace

RequestEncoder Query::Encoder() const {
  return [this](uint16_t flags, uint32_t sequence, MessageWriter& writer) {
    writer.Begin(MessageType(message), flags, sequence);
    writer.PutHeader(FamilyHeader(family));
    if (attributes) attributes(writer);
    writer.End();
  };
}

void PutFilter(uint16_t attribute, const std::string& text, MessageWriter& writer) {
  if (!text.empty()) writer.PutString(attribute, text);
}

std::optional<Reply> ReadReply(const Message& message) {
  if (message.body.size() < sizeof(nfgenmsg)) return std::nullopt;
  return Reply{message.body[0], Load<uint16_t>(message.body.data() + offsetof(nfgenmsg, res_id), kBig),
               message.body.subspan(sizeof(nfgenmsg))};
}

ByteView ElementsOf(ByteView attributes) {
  AttributeReader reader(attributes);
  return FindLast(reader, NFTA_SET_ELEM_LIST_ELEMENTS);
}

Error BadReply(const char* what) { return Error{EPROTO, "recvmmsg", std::string("the reply holds ") + what + " that cannot be read"}; }

Status LookUpElements(Socket& socket, const ElementQuery& query, const ColumnSet& keys,
                      const std::function<Status(size_t row, ByteView attributes)>& found) {
  const size_t bytes = RequestBytes(KeysPerRequest(socket), keys);
  for (size_t row = 0; row < keys.rows();) {
    size_t asked = 0;
    size_t answered = 0;
    const Query get{query.message, query.family, [&](MessageWriter& writer) {
                      writer.PutString(NFTA_SET_ELEM_LIST_TABLE, query.table);
                      writer.PutString(NFTA_SET_ELEM_LIST_SET, query.set);
                      asked = EncodeElements(keys, row, bytes, ElementParts::kIdentity, writer);
                    }};
    const auto take = [&](const Message& message) -> Status {
      const auto reply = ReadReply(message);
      if (!reply || answered == asked) return BadReply("an element");
      return found(row + answered++, reply->attributes);
    };
    const Status status = RunRequest(socket, get.Encoder(), take, query.deadline);
    if (status && status->code != ENOENT) return status;
    if (asked == 0) return Error{EMSGSIZE, "encode", "the key does not fit a message"};
    // The kernel stops at the first that is missing: go on behind it.
    row += status ? answered + 1 : asked;
  }
  return std::nullopt;
}

std::string TextField(const Record& record, uint16_t attribute) {
  const Value* value = record.Find(attribute);
  const auto* text = value == nullptr ? nullptr : value->As<std::string>();
  return text == nullptr ? std::string() : *text;
}

uint64_t NumberField(const Record& record, uint16_t attribute) {
  const Value* value = record.Find(attribute);
  const auto* number = value == nullptr ? nullptr : value->As<uint64_t>();
  return number == nullptr ? 0 : *number;
}

}  // namespace netplane::nftables
