#include "netlink/message_writer.h"

#include <linux/netlink.h>

namespace netplane {

void MessageWriter::Begin(uint16_t type, uint16_t flags, uint32_t sequence) {
  start_ = out_.size();
  out_.resize(start_ + sizeof(nlmsghdr));
  uint8_t* header = out_.data() + start_;
  Store<uint16_t>(header + offsetof(nlmsghdr, nlmsg_type), type);
  Store<uint16_t>(header + offsetof(nlmsghdr, nlmsg_flags), flags);
  Store<uint32_t>(header + offsetof(nlmsghdr, nlmsg_seq), sequence);
  Store<uint32_t>(header + offsetof(nlmsghdr, nlmsg_pid), 0);
}

void MessageWriter::PutHeader(ByteView header) {
  out_.insert(out_.end(), header.begin(), header.end());
  out_.resize(Align4(out_.size()));
}

void MessageWriter::End() { Store<uint32_t>(out_.data() + start_, static_cast<uint32_t>(out_.size() - start_)); }

void MessageWriter::Put(uint16_t attribute, ByteView payload) {
  const size_t length = sizeof(nlattr) + payload.size();
  if (length > UINT16_MAX) {
    overflowed_ = true;
    return;
  }
  const size_t at = out_.size();
  out_.resize(at + Align4(length));
  Store<uint16_t>(out_.data() + at, static_cast<uint16_t>(length));
  Store<uint16_t>(out_.data() + at + 2, attribute);
  if (!payload.empty()) std::memcpy(out_.data() + at + sizeof(nlattr), payload.data(), payload.size());
}

void MessageWriter::PutString(uint16_t attribute, std::string_view text) {
  const size_t length = sizeof(nlattr) + text.size() + 1;
  if (length > UINT16_MAX) {
    overflowed_ = true;
    return;
  }
  const size_t at = out_.size();
  out_.resize(at + Align4(length));
  Store<uint16_t>(out_.data() + at, static_cast<uint16_t>(length));
  Store<uint16_t>(out_.data() + at + 2, attribute);
  std::memcpy(out_.data() + at + sizeof(nlattr), text.data(), text.size());
}

size_t MessageWriter::BeginNest(uint16_t attribute) {
  const size_t token = out_.size();
  out_.resize(token + sizeof(nlattr));
  Store<uint16_t>(out_.data() + token + 2, static_cast<uint16_t>(attribute | NLA_F_NESTED));
  return token;
}

void MessageWriter::EndNest(size_t token) {
  const size_t length = out_.size() - token;
  if (length > UINT16_MAX) {
    overflowed_ = true;
    return;
  }
  Store<uint16_t>(out_.data() + token, static_cast<uint16_t>(length));
}

}  // namespace netplane
