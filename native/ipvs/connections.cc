#include "ipvs/connections.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <optional>

namespace netplane::ipvs {
namespace {

constexpr size_t kAddressBytes = 16;
constexpr size_t kChunk = size_t{64} << 10;

constexpr ColumnSpec kColumns[kConnectionColumnCount] = {
    {"protocol", ColumnType::kSymbol},
    {"clientAddress", ColumnType::kFixed, false, kAddressBytes},
    {"clientLength", ColumnType::kU8},
    {"clientPort", ColumnType::kU16},
    {"virtualAddress", ColumnType::kFixed, false, kAddressBytes},
    {"virtualLength", ColumnType::kU8},
    {"virtualPort", ColumnType::kU16},
    {"realAddress", ColumnType::kFixed, false, kAddressBytes},
    {"realLength", ColumnType::kU8},
    {"realPort", ColumnType::kU16},
    {"state", ColumnType::kSymbol},
    {"expiresSeconds", ColumnType::kU32},
    {"persistenceEngine", ColumnType::kSymbol},
    {"persistenceData", ColumnType::kSymbol},
};

// The next word of a line; empty at its end.
std::string_view TakeWord(std::string_view& line) {
  const size_t start = line.find_first_not_of(' ');
  if (start == std::string_view::npos) return {};
  line.remove_prefix(start);
  const size_t length = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, length);
  line.remove_prefix(length);
  return word;
}

template <typename T>
std::optional<T> ParseNumber(std::string_view word, int base) {
  T value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
  if (word.empty() || error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

// Eight hexadecimal digits (%08X of an IPv4 address as a number), or eight groups of four (%pI6).
std::optional<Bytes> ParseAddress(std::string_view word) {
  if (word.size() == 8) {
    const auto number = ParseNumber<uint32_t>(word, 16);
    if (!number) return std::nullopt;
    Bytes bytes(4);
    Store<uint32_t>(bytes.data(), *number, ByteOrder::kBig);
    return bytes;
  }
  if (word.size() != 39) return std::nullopt;
  Bytes bytes(kAddressBytes);
  for (size_t group = 0; group < 8; ++group) {
    const auto number = ParseNumber<uint16_t>(word.substr(group * 5, 4), 16);
    if (!number || (group < 7 && word[group * 5 + 4] != ':')) return std::nullopt;
    Store<uint16_t>(bytes.data() + group * 2, *number, ByteOrder::kBig);
  }
  return bytes;
}

struct Endpoint {
  Bytes address;
  uint16_t port = 0;
};

std::optional<Endpoint> TakeEndpoint(std::string_view& line) {
  auto address = ParseAddress(TakeWord(line));
  const auto port = ParseNumber<uint16_t>(TakeWord(line), 16);
  if (!address || !port) return std::nullopt;
  return Endpoint{std::move(*address), *port};
}

void AddEndpoint(const Endpoint& endpoint, size_t column, ColumnSet& rows) {
  rows.AddFixed(column, endpoint.address);
  rows.Add<uint8_t>(column + 1, static_cast<uint8_t>(endpoint.address.size()));
  rows.Add<uint16_t>(column + 2, endpoint.port);
}

std::optional<std::string_view> OrNone(std::string_view text) { return text.empty() ? std::nullopt : std::optional(text); }

}  // namespace

const std::span<const ColumnSpec> kConnectionColumns = kColumns;

bool DecodeConnection(std::string_view line, ColumnSet& rows) {
  const std::string_view protocol = TakeWord(line);
  if (protocol == "Pro") return true;
  const auto client = TakeEndpoint(line);
  const auto service = client ? TakeEndpoint(line) : std::nullopt;
  const auto real = service ? TakeEndpoint(line) : std::nullopt;
  const std::string_view state = TakeWord(line);
  const auto expires = ParseNumber<uint32_t>(TakeWord(line), 10);
  const std::string_view engine = TakeWord(line);
  if (!real || !expires) return false;
  if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  rows.AddSymbol(kConnectionProtocol, protocol);
  AddEndpoint(*client, kClientAddress, rows);
  AddEndpoint(*service, kVirtualAddress, rows);
  AddEndpoint(*real, kRealAddress, rows);
  rows.AddSymbol(kConnectionState, state);
  rows.Add<uint32_t>(kConnectionExpires, *expires);
  rows.AddSymbol(kConnectionEngine, OrNone(engine));
  rows.AddSymbol(kConnectionData, OrNone(line));
  rows.EndRow();
  return true;
}

Result<std::unique_ptr<ConnectionTable>> ConnectionTable::Open(const NetworkNamespace& where) {
  constexpr const char* kPath = "/proc/thread-self/net/ip_vs_conn";
  int fd = -1;
  // Not /proc/net, which is that of the process's first thread.
  const auto open = [&]() -> Status {
    fd = ::open(kPath, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return Error{errno, std::string("open ") + kPath, ""};
    return std::nullopt;
  };
  if (Status failure = RunInNamespace(where, open)) return *failure;
  return std::unique_ptr<ConnectionTable>(new ConnectionTable(fd));
}

ConnectionTable::~ConnectionTable() { ::close(fd_); }

Result<ColumnSet> ConnectionTable::Read(size_t count) {
  ColumnSet rows(kConnectionColumns);
  std::string chunk(kChunk, '\0');
  while (rows.rows() < count && !at_end_) {
    const ssize_t length = ::read(fd_, chunk.data(), chunk.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return Error{errno, "read ip_vs_conn", ""};
    at_end_ = length == 0;
    rest_.append(chunk, 0, static_cast<size_t>(length));
    size_t start = 0;
    for (size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', start)) {
      const std::string_view line = std::string_view(rest_).substr(start, end - start);
      if (!DecodeConnection(line, rows)) return Error{EPROTO, "read ip_vs_conn", "a line that is no connection"};
      start = end + 1;
    }
    rest_.erase(0, start);
  }
  return rows;
}

}  // namespace netplane::ipvs
