// A filter's program, then datagrams of NETLINK_NETFILTER as a multicast socket would get them: whatever the bytes are, what comes out can
// be read.
//
// The first two bytes are the length of the program.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "conntrack/events.h"
#include "conntrack/schemas.h"
#include "netlink/value.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netplane;  // NOLINT(google-build-using-namespace)
  if (size < 2) return 0;
  const size_t length = static_cast<size_t>(data[0] | (data[1] << 8)) % (size - 1);
  const ByteView program(data + 2, length);
  auto filter = conntrack::FlowFilter::Parse(program);
  if (filter) filter->ForKernel();
  const conntrack::FlowFilter all;
  std::vector<conntrack::EventRun> runs;
  std::vector<conntrack::EventRun> found;
  MessageReader reader(ByteView(data + 2 + length, size - 2 - length));
  while (const auto message = reader.Next()) {
    conntrack::CollectEvent(*message, all, runs);
    if (filter) conntrack::CollectEvent(*message, *filter, found);
    const MessageDescription description = conntrack::Describe(message->type);
    if (description.schema == nullptr || message->body.size() < description.header_length) continue;
    const ByteView attributes = message->body.subspan(description.header_length);
    DecodeRecord(*description.schema, attributes);
    if (DescribeAttributes(description.schema, attributes).empty() && AttributeReader(attributes).Next()) std::abort();
  }
  for (const conntrack::EventRun& run : runs) {
    if (run.piece.columns.Check() || run.piece.columns.rows() == 0) std::abort();
  }
  for (const conntrack::EventRun& run : found) {
    if (run.piece.columns.Check()) std::abort();
  }
  return 0;
}
