// Answers of ipset: whatever the bytes are, what comes out is an index or a name that a set can have.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "ipset/sets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netplane;  // NOLINT(google-build-using-namespace)
  MessageReader reader(ByteView(data, size));
  while (const auto message = reader.Next()) {
    const auto name = ipset::DecodeName(*message);
    if (name && (name->empty() || name->size() > ipset::kNameLength || name->find('\0') != std::string::npos)) std::abort();
    if (name && ipset::DecodeIndex(*message)) std::abort();
  }
  return 0;
}
