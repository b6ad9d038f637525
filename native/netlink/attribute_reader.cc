#include "netlink/attribute_reader.h"

#include <linux/netlink.h>

#include "netlink/message_writer.h"

namespace netplane {

std::optional<Attribute> AttributeReader::Next() {
  if (malformed_ || at_ >= bytes_.size()) return std::nullopt;
  const size_t left = bytes_.size() - at_;
  if (left < sizeof(nlattr)) {
    malformed_ = true;
    return std::nullopt;
  }
  const uint16_t length = Load<uint16_t>(bytes_.data() + at_);
  if (length < sizeof(nlattr) || length > left) {
    malformed_ = true;
    return std::nullopt;
  }
  Attribute attribute;
  attribute.raw_type = Load<uint16_t>(bytes_.data() + at_ + 2);
  attribute.type = attribute.raw_type & NLA_TYPE_MASK;
  attribute.payload = bytes_.subspan(at_ + sizeof(nlattr), length - sizeof(nlattr));
  attribute.offset = at_;
  at_ += Align4(length);
  return attribute;
}

ByteView FindLast(AttributeReader& reader, uint16_t type) {
  ByteView payload;
  while (const auto attribute = reader.Next()) {
    if (attribute->type == type) payload = attribute->payload;
  }
  return payload;
}

AttributeReader Message::Attributes(size_t header_length) const {
  const size_t skip = Align4(header_length);
  return AttributeReader(body.size() < skip ? ByteView{} : body.subspan(skip));
}

std::optional<Message> MessageReader::Next() {
  if (malformed_ || at_ >= bytes_.size()) return std::nullopt;
  const size_t left = bytes_.size() - at_;
  if (left < sizeof(nlmsghdr)) {
    malformed_ = true;
    return std::nullopt;
  }
  const uint8_t* header = bytes_.data() + at_;
  const uint32_t length = Load<uint32_t>(header + offsetof(nlmsghdr, nlmsg_len));
  if (length < sizeof(nlmsghdr) || length > left) {
    malformed_ = true;
    return std::nullopt;
  }
  Message message;
  message.type = Load<uint16_t>(header + offsetof(nlmsghdr, nlmsg_type));
  message.flags = Load<uint16_t>(header + offsetof(nlmsghdr, nlmsg_flags));
  message.sequence = Load<uint32_t>(header + offsetof(nlmsghdr, nlmsg_seq));
  message.port_id = Load<uint32_t>(header + offsetof(nlmsghdr, nlmsg_pid));
  message.body = bytes_.subspan(at_ + sizeof(nlmsghdr), length - sizeof(nlmsghdr));
  at_ += Align4(length);
  return message;
}

std::optional<Acknowledgement> ReadAcknowledgement(const Message& message) {
  if (message.body.size() < sizeof(int32_t)) return std::nullopt;
  Acknowledgement result;
  const auto code = static_cast<int32_t>(Load<uint32_t>(message.body.data()));
  // The kernel sends 0 or a negative errno; INT32_MIN has no positive counterpart and is no errno.
  if (code > 0 || code == INT32_MIN) return std::nullopt;
  result.code = -code;
  if (message.type == NLMSG_ERROR && message.body.size() < sizeof(nlmsgerr)) return std::nullopt;
  if (!(message.flags & NLM_F_ACK_TLVS)) return result;

  size_t skip = sizeof(int32_t);
  if (message.type == NLMSG_ERROR) {
    skip = sizeof(nlmsgerr);
    // Without NLM_F_CAPPED the whole refused message is echoed before the attributes.
    if (!(message.flags & NLM_F_CAPPED)) {
      const uint32_t echoed = Load<uint32_t>(message.body.data() + sizeof(int32_t));
      if (echoed < sizeof(nlmsghdr) || echoed > message.body.size()) return result;
      skip += Align4(echoed) - sizeof(nlmsghdr);
    }
  }
  if (skip > message.body.size()) return result;
  AttributeReader reader(message.body.subspan(skip));
  while (auto attribute = reader.Next()) {
    if (attribute->type == NLMSGERR_ATTR_MSG) result.message = attribute->Text();
    if (attribute->type == NLMSGERR_ATTR_OFFS) result.offset = attribute->Integer<uint32_t>();
  }
  return result;
}

}  // namespace netplane
