// Builds netlink messages: headers, attributes, nests.
#ifndef NETPLANE_NETLINK_MESSAGE_WRITER_H_
#define NETPLANE_NETLINK_MESSAGE_WRITER_H_

#include <cstdint>
#include <string_view>

#include "netlink/bytes.h"

namespace netplane {

/// Rounds up to 4, the alignment of messages and attributes (NLMSG_ALIGN, NLA_ALIGN).
constexpr size_t Align4(size_t length) { return (length + 3) & ~size_t{3}; }

/// Appends messages to a buffer. Lengths are written when a message or nest ends. An attribute that does not fit its 16-bit length
/// does not wrap: it marks the writer as overflowed, and the caller must not send the buffer.
class MessageWriter {
 public:
  explicit MessageWriter(Bytes& out) : out_(out) {}

  /// Starts a message (struct nlmsghdr, include/uapi/linux/netlink.h); nlmsg_pid is 0.
  void Begin(uint16_t type, uint16_t flags, uint32_t sequence);
  /// Appends a family header (nfgenmsg, genlmsghdr, ifinfomsg …), padded to 4.
  void PutHeader(ByteView header);
  /// Ends the message begun last: writes its length.
  void End();

  void Put(uint16_t attribute, ByteView payload);
  /// NUL-terminated text.
  void PutString(uint16_t attribute, std::string_view text);
  /// Attributes that are encoded already, each padded to 4.
  void PutRaw(ByteView attributes) { out_.insert(out_.end(), attributes.begin(), attributes.end()); }
  void PutFlag(uint16_t attribute) { Put(attribute, {}); }
  template <typename T>
  void PutInteger(uint16_t attribute, T value, ByteOrder order = ByteOrder::kHost) {
    uint8_t bytes[sizeof(T)];
    Store(bytes, value, order);
    Put(attribute, bytes);
  }

  /// Starts a nested attribute (NLA_F_NESTED is set) and returns the token that EndNest needs.
  size_t BeginNest(uint16_t attribute);
  void EndNest(size_t token);
  /// Bytes of payload in the open nest so far.
  size_t NestLength(size_t token) const { return out_.size() - token - 4; }

  /// A point to return to: what is written after it can be taken back with Restore, an overflow among it too.
  struct Mark {
    size_t size;
    bool overflowed;
  };
  Mark Save() const { return {out_.size(), overflowed_}; }
  /// What was written since; valid until more is.
  ByteView Since(Mark mark) const { return ByteView(out_).subspan(mark.size); }
  void Restore(Mark mark) {
    out_.resize(mark.size);
    overflowed_ = mark.overflowed;
  }

  /// True once an attribute or nest was longer than 65,535 bytes.
  bool overflowed() const { return overflowed_; }
  size_t size() const { return out_.size(); }
  /// Where the current message began in the buffer.
  size_t message_start() const { return start_; }

 private:
  Bytes& out_;
  size_t start_ = 0;
  bool overflowed_ = false;
};

}  // namespace netplane

#endif  // NETPLANE_NETLINK_MESSAGE_WRITER_H_
