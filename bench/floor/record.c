// A library for LD_PRELOAD: appends every datagram that the process sends on a netlink socket to the file $NETPLANE_BENCH_RECORD.
// It stands between any client and libc, so what it writes is what the kernel was given, whoever made the bytes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "recording.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int output = -1;

static uint32_t Option(int fd, int level, int name) {
  uint32_t value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, level, name, &value, &length) == 0 ? value : 0;
}

static void Fail(const char* what) {
  perror(what);
  abort();  // A recording with a hole would be replayed as if it were whole.
}

static void WriteAll(const void* bytes, size_t length) {
  const char* at = bytes;
  while (length > 0) {
    const ssize_t written = write(output, at, length);
    if (written <= 0) Fail("record: write");
    at += written;
    length -= (size_t)written;
  }
}

static void Record(int fd, const struct iovec* parts, size_t count) {
  if (Option(fd, SOL_SOCKET, SO_DOMAIN) != AF_NETLINK) return;
  struct recording_header header = {.magic = RECORDING_MAGIC, .descriptor = (uint32_t)fd};
  header.protocol = Option(fd, SOL_SOCKET, SO_PROTOCOL);
  header.send_buffer_bytes = Option(fd, SOL_SOCKET, SO_SNDBUF);
  header.receive_buffer_bytes = Option(fd, SOL_SOCKET, SO_RCVBUF);
  if (Option(fd, SOL_NETLINK, NETLINK_CAP_ACK)) header.options |= RECORDING_CAP_ACK;
  if (Option(fd, SOL_NETLINK, NETLINK_EXT_ACK)) header.options |= RECORDING_EXT_ACK;
  if (Option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK)) header.options |= RECORDING_STRICT_CHK;
  for (size_t i = 0; i < count; i++) header.length += (uint32_t)parts[i].iov_len;
  pthread_mutex_lock(&lock);
  if (output < 0) {
    const char* path = getenv("NETPLANE_BENCH_RECORD");
    if (path == NULL) Fail("record: NETPLANE_BENCH_RECORD is not set");
    output = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (output < 0) Fail("record: open");
  }
  WriteAll(&header, sizeof header);
  for (size_t i = 0; i < count; i++) WriteAll(parts[i].iov_base, parts[i].iov_len);
  pthread_mutex_unlock(&lock);
}

ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
  static ssize_t (*next)(int, const struct msghdr*, int);
  if (next == NULL) next = (ssize_t(*)(int, const struct msghdr*, int))dlsym(RTLD_NEXT, "sendmsg");
  const ssize_t sent = next(fd, message, flags);
  if (sent >= 0) Record(fd, message->msg_iov, message->msg_iovlen);
  return sent;
}

ssize_t sendto(int fd, const void* bytes, size_t length, int flags, const struct sockaddr* address, socklen_t address_length) {
  static ssize_t (*next)(int, const void*, size_t, int, const struct sockaddr*, socklen_t);
  if (next == NULL) next = (ssize_t(*)(int, const void*, size_t, int, const struct sockaddr*, socklen_t))dlsym(RTLD_NEXT, "sendto");
  const ssize_t sent = next(fd, bytes, length, flags, address, address_length);
  const struct iovec part = {.iov_base = (void*)bytes, .iov_len = length};
  if (sent >= 0) Record(fd, &part, 1);
  return sent;
}

ssize_t send(int fd, const void* bytes, size_t length, int flags) { return sendto(fd, bytes, length, flags, NULL, 0); }
