// Reads messages and attributes that another process wrote. Never reads past the bytes it was given.
#ifndef NETPLANE_NETLINK_ATTRIBUTE_READER_H_
#define NETPLANE_NETLINK_ATTRIBUTE_READER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "netlink/bytes.h"

namespace netplane {

/// One attribute; `payload` points into the bytes that the reader was given.
struct Attribute {
  /// Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
  uint16_t type = 0;
  ByteView payload;
  /// Where the attribute's header lies, from the start of the bytes given to the reader.
  size_t offset = 0;
  /// nla_type as it came, with its flags.
  uint16_t raw_type = 0;

  /// The payload as an integer; nothing where it is shorter than T. Longer payloads are read from their start, as the kernel does.
  template <typename T>
  std::optional<T> Integer(ByteOrder order = ByteOrder::kHost) const {
    if (payload.size() < sizeof(T)) return std::nullopt;
    return Load<T>(payload.data(), order);
  }
  std::string_view Text() const { return AsText(payload); }
};

/// Walks a run of attributes.
class AttributeReader {
 public:
  explicit AttributeReader(ByteView bytes) : bytes_(bytes) {}

  /// The next attribute, or nothing at the end or at bytes that are none (then malformed() says so).
  std::optional<Attribute> Next();
  /// True where a length was impossible. What was read before it stands; the rest is not the truth.
  bool malformed() const { return malformed_; }

 private:
  ByteView bytes_;
  size_t at_ = 0;
  bool malformed_ = false;
};

/// The payload of the attribute of this type, and of the last of them where it comes twice, as for the kernel (lib/nlattr.c,
/// __nla_validate_parse); empty where there is none. Reads to the end, so that `malformed` of the reader is known.
ByteView FindLast(AttributeReader& reader, uint16_t type);

/// One message in a datagram; `body` is everything after struct nlmsghdr.
struct Message {
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t sequence = 0;
  uint32_t port_id = 0;
  ByteView body;

  /// The attributes after a family header of `header_length` bytes; an empty run where the body is shorter than the header.
  AttributeReader Attributes(size_t header_length) const;
};

/// Walks the messages of a datagram.
class MessageReader {
 public:
  explicit MessageReader(ByteView datagram) : bytes_(datagram) {}
  std::optional<Message> Next();
  bool malformed() const { return malformed_; }

 private:
  ByteView bytes_;
  size_t at_ = 0;
  bool malformed_ = false;
};

/// What NLMSG_ERROR or NLMSG_DONE says (struct nlmsgerr and its NLMSGERR_ATTR_*).
struct Acknowledgement {
  /// Positive errno; 0 is success.
  int code = 0;
  std::string_view message;
  /// Bytes from the start of the refused message to the attribute at fault (NLMSGERR_ATTR_OFFS).
  std::optional<uint32_t> offset;
};

/// Reads an NLMSG_ERROR or NLMSG_DONE message; nothing where it is shorter than its fixed part.
std::optional<Acknowledgement> ReadAcknowledgement(const Message& message);

}  // namespace netplane

#endif  // NETPLANE_NETLINK_ATTRIBUTE_READER_H_
