// Byte containers and byte order. Nothing here depends on netlink.
#ifndef NETPLANE_NETLINK_BYTES_H_
#define NETPLANE_NETLINK_BYTES_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace netplane {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

/// How an integer lies on the wire. nf_tables and conntrack use big-endian for nearly everything, IPVS and rtnetlink host order.
enum class ByteOrder : uint8_t { kHost, kBig };

/// Reverses the bytes of an unsigned integer.
template <typename T>
constexpr T SwapBytes(T value) {
  static_assert(std::is_unsigned_v<T>);
  if constexpr (sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return __builtin_bswap16(value);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_bswap32(value);
  } else {
    static_assert(sizeof(T) == 8);
    return __builtin_bswap64(value);
  }
}

/// Converts between host order and `order`; the same function serves both directions.
template <typename T>
constexpr T Reorder(T value, ByteOrder order) {
  if (order == ByteOrder::kHost || std::endian::native == std::endian::big) return value;
  return SwapBytes(value);
}

/// Whether so many bytes can be had now. Containers that cannot grow end the process: ask before one grows by a number that others choose.
inline bool CanAllocate(size_t bytes) {
  void* memory = ::operator new(bytes, std::nothrow);
  ::operator delete(memory);
  return memory != nullptr;
}

/// Reads an integer from possibly unaligned memory. The caller guarantees sizeof(T) readable bytes.
template <typename T>
T Load(const uint8_t* from, ByteOrder order = ByteOrder::kHost) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return Reorder(value, order);
}

/// Writes an integer to possibly unaligned memory. The caller guarantees sizeof(T) writable bytes.
template <typename T>
void Store(uint8_t* to, T value, ByteOrder order = ByteOrder::kHost) {
  value = Reorder(value, order);
  std::memcpy(to, &value, sizeof value);
}

/// The bytes of a text, without its terminator.
inline ByteView AsBytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

/// Bytes up to the first NUL (or all of them) as text: how the kernel's strings are read.
inline std::string_view AsText(ByteView bytes) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  return {text, bytes.empty() ? 0 : strnlen(text, bytes.size())};
}

}  // namespace netplane

#endif  // NETPLANE_NETLINK_BYTES_H_
