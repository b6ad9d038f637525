#include "netlink/namespace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace netplane {
namespace {

Result<int> Open(const NetworkNamespace& where, const std::string& path, int flags) {
  int fd = -1;
  const Status failed = RunInNamespace(where, [&]() -> Status {
    fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return Error{errno, "open " + path, ""};
    return std::nullopt;
  });
  if (failed) return *failed;
  return fd;
}

Status ReadAll(int fd, const std::string& path, size_t most_bytes, std::string* content) {
  char buffer[4096];
  while (true) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error{errno, "read " + path, ""};
    if (count == 0) return std::nullopt;
    content->append(buffer, static_cast<size_t>(count));
    if (content->size() > most_bytes) return Error{EFBIG, "read " + path, ""};
  }
}

}  // namespace

Result<int> OpenNamespaceFile(const NetworkNamespace& where, const std::string& path) { return Open(where, path, O_RDONLY); }

Result<std::string> ReadNamespaceFile(const NetworkNamespace& where, const std::string& path, size_t most_bytes) {
  const auto fd = Open(where, path, O_RDONLY);
  if (!fd.ok()) return fd.error();
  std::string content;
  const Status failed = ReadAll(fd.value(), path, most_bytes, &content);
  ::close(fd.value());
  if (failed) return *failed;
  return content;
}

Status WriteNamespaceFile(const NetworkNamespace& where, const std::string& path, std::string_view content) {
  const auto fd = Open(where, path, O_WRONLY);
  if (!fd.ok()) return fd.error();
  ssize_t written = -1;
  do {
    written = ::write(fd.value(), content.data(), content.size());
  } while (written < 0 && errno == EINTR);
  const int code = errno;
  ::close(fd.value());
  if (written < 0) return Error{code, "write " + path, ""};
  if (static_cast<size_t>(written) != content.size()) return Error{EIO, "write " + path, "the kernel took a part only"};
  return std::nullopt;
}

}  // namespace netplane
