// Datagrams of NETLINK_SOCK_DIAG: whatever the bytes are, what comes out can be read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "sockets/listeners.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netplane;  // NOLINT(google-build-using-namespace)
  MessageReader reader(ByteView(data, size));
  ColumnSet listeners(sockets::kListenerColumns);
  while (const auto message = reader.Next()) sockets::DecodeListener(*message, listeners);
  if (listeners.Check()) std::abort();
  for (size_t row = 0; row < listeners.rows(); ++row) {
    if (listeners.At<uint16_t>(sockets::kPort, row) == 0) std::abort();
  }
  return 0;
}
