// Datagrams of NETLINK_ROUTE, as a multicast socket would get them: whatever the bytes are, what comes out can be read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "route/events.h"
#include "route/routes.h"
#include "route/schemas.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netplane;  // NOLINT(google-build-using-namespace)
  MessageReader reader(ByteView(data, size));
  std::vector<route::Event> events;
  while (const auto message = reader.Next()) {
    route::CollectEvent(*message, events);
    const MessageDescription description = route::Describe(message->type);
    if (description.schema == nullptr || message->body.size() < description.header_length) continue;
    const ByteView attributes = message->body.subspan(description.header_length);
    if (DescribeAttributes(description.schema, attributes).empty() && AttributeReader(attributes).Next()) std::abort();
  }
  for (const route::Event& event : events) {
    if (event.addresses.Check() || (event.addresses.rows() == 0) != (event.link || event.route)) std::abort();
    if (event.route && (event.route->destination_length > event.route->destination.size() * 8 || event.link)) std::abort();
  }
  return 0;
}
