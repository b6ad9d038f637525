#include "netlink/socket_io.h"

#include <poll.h>

namespace netplane {

ssize_t SocketIo::Send(int fd, const msghdr* message, int flags) { return ::sendmsg(fd, message, flags); }

int SocketIo::ReceiveMany(int fd, mmsghdr* messages, unsigned count, int flags) { return ::recvmmsg(fd, messages, count, flags, nullptr); }

int SocketIo::WaitReadable(int fd, int timeout_ms) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, timeout_ms);
}

SocketIo& SystemSocketIo() {
  static SocketIo io;
  return io;
}

}  // namespace netplane
