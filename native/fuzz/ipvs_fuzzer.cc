// Answers of IPVS and lines of its connection table: whatever the bytes are, what comes out can be read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "ipvs/connections.h"
#include "ipvs/schemas.h"
#include "ipvs/servers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netplane;  // NOLINT(google-build-using-namespace)
  constexpr uint16_t kFamily = 32;
  ipvs::RememberFamily(kFamily);
  ColumnSet services(ipvs::kServiceColumns);
  ColumnSet servers(ipvs::kServerColumns);
  MessageReader reader(ByteView(data, size));
  while (const auto message = reader.Next()) {
    ipvs::DecodeService(*message, true, services);
    ipvs::DecodeServer(*message, {0, 2, true}, servers);
    if (!ipvs::CommandOf(*message)) continue;
    const MessageDescription description = ipvs::Describe(kFamily).refine(message->body);
    const ByteView attributes = message->body.subspan(description.header_length);
    if (DescribeAttributes(description.schema, attributes).empty() && AttributeReader(attributes).Next()) std::abort();
    static_cast<void>(DecodeRecord(*description.schema, attributes));
  }
  if (services.Check() || servers.Check()) std::abort();
  // What was listed can be written again.
  for (size_t row = 0; row < services.rows(); ++row) {
    Bytes bytes;
    MessageWriter writer(bytes);
    ipvs::EncodeService(kFamily, ipvs::Verb::kUpdate, services, row, 0, 1, writer);
  }
  ColumnSet connections(ipvs::kConnectionColumns);
  ipvs::DecodeConnection({reinterpret_cast<const char*>(data), size}, connections);
  if (connections.Check()) std::abort();
  return 0;
}
