// Any bytes as a datagram: nothing is read past their end, and what is read, written again and read once more is the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "netlink/attribute_reader.h"
#include "netlink/batch.h"
#include "netlink/message_writer.h"

namespace netplane {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// The payload lies inside `within`, and every byte of it may be read.
void RequireInside(ByteView part, ByteView within) {
  if (part.empty()) return;
  Require(part.data() >= within.data() && part.data() + part.size() <= within.data() + within.size());
  volatile uint8_t sum = 0;
  for (const uint8_t byte : part) sum = static_cast<uint8_t>(sum + byte);
}

bool IsSame(ByteView a, ByteView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

// Writes the attributes again; nests are followed as far as they read as nests. Returns whether all of them fit the writer.
void Rewrite(ByteView attributes, MessageWriter& writer, int depth) {
  AttributeReader reader(attributes);
  while (const auto attribute = reader.Next()) {
    RequireInside(attribute->payload, attributes);
    Require(attribute->offset + 4 <= attributes.size());
    Require(attribute->Text().size() <= attribute->payload.size());
    Require(attribute->Integer<uint64_t>().has_value() == (attribute->payload.size() >= 8));
    AttributeReader nested(attribute->payload);
    size_t count = 0;
    while (nested.Next()) ++count;
    // A nest whose last attribute lacks its padding would grow by it.
    const bool is_nest = depth < 8 && count > 0 && !nested.malformed() && attribute->payload.size() % 4 == 0;
    if (!is_nest) {
      writer.Put(attribute->type, attribute->payload);
      continue;
    }
    const size_t token = writer.BeginNest(attribute->type);
    Rewrite(attribute->payload, writer, depth + 1);
    writer.EndNest(token);
  }
}

// Both runs hold the same attributes; padding and the flags in the type may differ.
void RequireSame(ByteView first, ByteView second, int depth) {
  AttributeReader a(first), b(second);
  while (const auto x = a.Next()) {
    const auto y = b.Next();
    Require(y && x->type == y->type && x->payload.size() == y->payload.size());
    if (!IsSame(x->payload, y->payload)) {
      Require(depth < 8);
      RequireSame(x->payload, y->payload, depth + 1);
    }
  }
  Require(!b.Next() && !b.malformed());
}

void CheckMessage(const Message& message, ByteView datagram) {
  RequireInside(message.body, datagram);
  for (const size_t header : {size_t{0}, size_t{4}, size_t{16}}) {
    const ByteView attributes = message.body.size() < header ? ByteView{} : message.body.subspan(header);
    Bytes again;
    MessageWriter writer(again);
    writer.Begin(message.type, message.flags, message.sequence);
    writer.PutHeader(message.body.first(message.body.size() - attributes.size()));
    Rewrite(attributes, writer, 0);
    writer.End();
    if (writer.overflowed()) continue;
    MessageReader reader(again);
    const auto copy = reader.Next();
    Require(copy && !reader.Next() && !reader.malformed());
    Require(copy->type == message.type && copy->flags == message.flags && copy->sequence == message.sequence);
    Require(CountMessages(again, 0) == 1u);
    if (message.body.size() >= header) RequireSame(attributes, copy->body.subspan(header), 0);
  }
  if (const auto answer = ReadAcknowledgement(message)) {
    Require(answer->code >= 0);
    RequireInside(AsBytes(answer->message), message.body);
  }
}

}  // namespace
}  // namespace netplane

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using netplane::ByteView;
  const ByteView datagram(data, size);
  netplane::MessageReader reader(datagram);
  while (const auto message = reader.Next()) netplane::CheckMessage(*message, datagram);
  return 0;
}
