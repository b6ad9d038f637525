// Any bytes as messages of nf_tables: nothing is read past their end, and what is decoded, written and decoded again is the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "netlink/trace.h"
#include "nftables/elements.h"
#include "nftables/operation.h"
#include "nftables/schemas.h"

namespace netplane::nftables {
namespace {

constexpr int kNetfilter = 12;          // NETLINK_NETFILTER
constexpr uint16_t kElementsList = 3;   // NFTA_SET_ELEM_LIST_ELEMENTS
constexpr size_t kFamilyHeader = 4;     // struct nfgenmsg
constexpr size_t kAttributeHeader = 4;  // struct nlattr

void Require(bool holds) {
  if (!holds) std::abort();
}

// What a record is on the wire; empty where it does not fit (nests grow by their padding).
Bytes Write(const Record& record) {
  Bytes bytes;
  MessageWriter writer(bytes);
  EncodeRecord(record, writer);
  return writer.overflowed() ? Bytes() : bytes;
}

void CheckRecord(const Schema& schema, ByteView attributes) {
  const auto record = DecodeRecord(schema, attributes);
  for (size_t offset = 0; offset <= attributes.size(); offset += 3) LocateField(schema, attributes, offset);
  if (!record) return;
  const Bytes written = Write(*record);
  if (written.empty()) return;
  const auto again = DecodeRecord(schema, written);
  Require(again.has_value());
  Require(again->fields.size() == record->fields.size() && again->opaque.size() == record->opaque.size());
  Require(Write(*again) == written);
}

// But for the expressions, which are amended when they are written.
bool IsSame(const ColumnSet& a, const ColumnSet& b) {
  if (a.rows() != b.rows()) return false;
  for (size_t i = 0; i < kElementColumnCount; ++i) {
    if (i == kExpressions) continue;
    if (a.has(i) != b.has(i) || a[i].width != b[i].width || a[i].data != b[i].data) return false;
    if (a[i].offsets != b[i].offsets || a[i].table != b[i].table) return false;
  }
  return true;
}

void CheckElements(ByteView list) {
  for (size_t offset = 0; offset <= list.size(); offset += 5) LocateElement(list, offset);
  ColumnSet columns(kElementColumns);
  if (!DecodeElements(list, columns)) return;
  Require(!columns.Check());
  Bytes bytes;
  MessageWriter writer(bytes);
  const size_t written = EncodeElements(columns, 0, SIZE_MAX, ElementParts::kAll, writer);
  Require(written <= columns.rows() && !writer.overflowed());
  if (written != columns.rows() || written == 0) return;
  ColumnSet again(kElementColumns);
  again[kKey].width = columns[kKey].width;
  Require(DecodeElements(ByteView(bytes).subspan(kAttributeHeader), again));
  Require(IsSame(again, columns));
  Bytes rewritten;
  MessageWriter rewriter(rewritten);
  Require(EncodeElements(again, 0, SIZE_MAX, ElementParts::kAll, rewriter) == written);
  Require(rewritten == bytes);
}

void CheckMessage(const Message& message) {
  const MessageDescription description = Describe(message.type);
  if (description.schema == nullptr || message.body.size() < kFamilyHeader) return;
  const ByteView attributes = message.body.subspan(kFamilyHeader);
  CheckRecord(*description.schema, attributes);
  if (description.schema != &kElementListSchema) return;
  AttributeReader reader(attributes);
  CheckElements(FindLast(reader, kElementsList));
}

// Operations as they cross from the caller's language: what is taken is written within its bounds.
void CheckOperations(ByteView run) {
  std::vector<Operation> operations;
  ReadOperations(run, true, &operations);
  for (const Operation& operation : operations) {
    Bytes bytes;
    MessageWriter writer(bytes);
    if (operation.verb == Verb::kFlush) {
      EncodeFlush(operation, writer);
      LocateFlush(operation, bytes, bytes.size() / 2);
    } else {
      EncodeAmended(operation, writer);
    }
    AttributeReader reader(bytes);
    while (reader.Next()) continue;
    Require(writer.overflowed() || !reader.malformed());
  }
}

}  // namespace
}  // namespace netplane::nftables

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  netplane::RegisterDescriber(netplane::nftables::kNetfilter, netplane::nftables::Describe);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size: a read past its end is seen.
  const netplane::Bytes datagram(data, data + size);
  netplane::MessageReader reader(datagram);
  while (const auto message = reader.Next()) netplane::nftables::CheckMessage(*message);
  netplane::nftables::CheckOperations(datagram);
  const std::string text = netplane::DescribeDatagram(netplane::nftables::kNetfilter, datagram, true);
  const auto printable = [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); };
  netplane::nftables::Require(std::all_of(text.begin(), text.end(), printable));
  return 0;
}
