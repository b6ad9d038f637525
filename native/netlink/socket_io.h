// The system calls a socket makes, behind a seam so that tests can fail any of them at any moment.
#ifndef NETPLANE_NETLINK_SOCKET_IO_H_
#define NETPLANE_NETLINK_SOCKET_IO_H_

#include <sys/socket.h>
#include <sys/types.h>

namespace netplane {

/// The calls of a netlink socket. Each returns what the system call returns and sets errno as it does.
class SocketIo {
 public:
  virtual ~SocketIo() = default;
  virtual ssize_t Send(int fd, const msghdr* message, int flags);
  /// recvmmsg(2); a single message is read by it too.
  virtual int ReceiveMany(int fd, mmsghdr* messages, unsigned count, int flags);
  /// poll(2) for reading; 1 readable, 0 timed out, -1 errno.
  virtual int WaitReadable(int fd, int timeout_ms);
};

/// The real calls.
SocketIo& SystemSocketIo();

}  // namespace netplane

#endif  // NETPLANE_NETLINK_SOCKET_IO_H_
