// The floor: sends recorded datagrams again from C and reads every answer, nothing else. What it takes, no client can do faster, as it is
// the kernel's own work plus one system call each way.
//
//   replay NAMESPACE SETUP WORK TIMES [INTERVAL]
//
// NAMESPACE is the path of a network namespace; SETUP and WORK are recordings (recording.h), `-` is none. Sends SETUP once, then WORK as
// many times as TIMES says, each time printing its nanoseconds on a line. INTERVAL: microseconds from the start of one time to that of the
// next, so that the work comes at a steady rate; default 0, one after the other. Dumps among the requests are drained to their end. Exits
// with 1 when the kernel refuses a message: then the state was not the recorded one and the figure would mean nothing.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "recording.h"

enum { kSockets = 16, kReceives = 64, kReceiveBytes = 32 * 1024, kDatagrams = 65536 };

// After the set-up: the kernel finishes growing its hash tables in the background, and a dump meanwhile repeats elements.
enum { kRestMicroseconds = 500000 };

struct Datagram {
  int fd;
  void* bytes;
  size_t length;
};

struct Script {
  struct Datagram* datagrams;
  size_t count;
};

struct OpenSocket {
  uint32_t protocol;
  uint32_t descriptor;
  int fd;
};

static struct OpenSocket sockets[kSockets];
static size_t socket_count;
static char receive_buffers[kReceives][kReceiveBytes];

static void Fail(const char* what) {
  fprintf(stderr, "replay: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void SetSize(int fd, int forced, int plain, uint32_t told) {
  const int asked = (int)(told / 2);  // The kernel doubles what it is asked for and tells the double.
  if (setsockopt(fd, SOL_SOCKET, forced, &asked, sizeof asked) != 0 && setsockopt(fd, SOL_SOCKET, plain, &asked, sizeof asked) != 0)
    Fail("setsockopt: buffer size");
}

static void SetOption(int fd, int option) {
  const int on = 1;
  if (setsockopt(fd, SOL_NETLINK, option, &on, sizeof on) != 0) Fail("setsockopt: netlink option");
}

// Also called for every later datagram of a socket, as its buffers may have grown in between.
static int SocketFor(const struct recording_header* header) {
  struct OpenSocket* found = NULL;
  for (size_t i = 0; i < socket_count && found == NULL; i++) {
    if (sockets[i].protocol == header->protocol && sockets[i].descriptor == header->descriptor) found = &sockets[i];
  }
  if (found == NULL) {
    if (socket_count == kSockets) Fail("too many sockets in the recording");
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (int)header->protocol);
    const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    if (fd < 0 || bind(fd, (const struct sockaddr*)&any, sizeof any) != 0) Fail("socket");
    found = &sockets[socket_count++];
    *found = (struct OpenSocket){.protocol = header->protocol, .descriptor = header->descriptor, .fd = fd};
    if (header->options & RECORDING_CAP_ACK) SetOption(fd, NETLINK_CAP_ACK);
    if (header->options & RECORDING_EXT_ACK) SetOption(fd, NETLINK_EXT_ACK);
    if (header->options & RECORDING_STRICT_CHK) SetOption(fd, NETLINK_GET_STRICT_CHK);
  }
  SetSize(found->fd, SO_SNDBUFFORCE, SO_SNDBUF, header->send_buffer_bytes);
  SetSize(found->fd, SO_RCVBUFFORCE, SO_RCVBUF, header->receive_buffer_bytes);
  return found->fd;
}

static char* ReadFile(const char* path, size_t* length) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) Fail(path);
  *length = (size_t)status.st_size;
  char* bytes = malloc(*length + 1);
  if (bytes == NULL) Fail("malloc");
  for (size_t at = 0; at < *length;) {
    const ssize_t got = read(fd, bytes + at, *length - at);
    if (got <= 0) Fail(path);
    at += (size_t)got;
  }
  close(fd);
  return bytes;
}

static struct Script Load(const char* path) {
  struct Script script = {.datagrams = calloc(kDatagrams, sizeof(struct Datagram)), .count = 0};
  if (script.datagrams == NULL) Fail("calloc");
  if (strcmp(path, "-") == 0) return script;
  size_t length = 0;
  char* bytes = ReadFile(path, &length);
  for (size_t at = 0; at < length;) {
    struct recording_header header;
    if (length - at < sizeof header) Fail("the recording ends inside a header");
    memcpy(&header, bytes + at, sizeof header);
    at += sizeof header;
    if (header.magic != RECORDING_MAGIC || header.length > length - at || script.count == kDatagrams) Fail("the recording is damaged");
    script.datagrams[script.count++] = (struct Datagram){.fd = SocketFor(&header), .bytes = bytes + at, .length = header.length};
    at += header.length;
  }
  return script;
}

// Questions of a set-up may have been refused when they were recorded, too: whether there is a link, or a scheduler.
// If the set-up is not as it was, the work is refused.
static bool may_refuse = false;

// Stops at a refusal; everything else is only counted as read.
static void CheckMessages(const char* bytes, size_t length) {
  while (length >= sizeof(struct nlmsghdr)) {
    struct nlmsghdr header;
    memcpy(&header, bytes, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > length) return;
    int error = 0;
    if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_len >= sizeof header + sizeof error)
      memcpy(&error, bytes + sizeof header, sizeof error);
    if (error != 0 && !may_refuse) {
      errno = -error;
      Fail("the kernel refused a recorded message");
    }
    const size_t step = NLMSG_ALIGN(header.nlmsg_len);
    if (step >= length) return;
    bytes += step;
    length -= step;
  }
}

// A request is worked off inside sendmsg, so all answers are there, or come while a dump is read: nothing left means nothing to come.
static void Drain(int fd) {
  struct mmsghdr messages[kReceives];
  struct iovec parts[kReceives];
  for (;;) {
    memset(messages, 0, sizeof messages);
    for (size_t i = 0; i < kReceives; i++) {
      parts[i] = (struct iovec){.iov_base = receive_buffers[i], .iov_len = kReceiveBytes};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int got = recvmmsg(fd, messages, kReceives, MSG_DONTWAIT, NULL);
    if (got < 0 && (errno == EAGAIN)) return;
    if (got < 0) Fail("recvmmsg");
    for (int i = 0; i < got; i++) CheckMessages(receive_buffers[i], messages[i].msg_len);
    if (got < kReceives) return;
  }
}

static void Run(const struct Script* script) {
  const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  for (size_t i = 0; i < script->count; i++) {
    const struct Datagram* datagram = &script->datagrams[i];
    if (sendto(datagram->fd, datagram->bytes, datagram->length, 0, (const struct sockaddr*)&kernel, sizeof kernel) < 0) Fail("sendto");
    Drain(datagram->fd);
  }
}

static long long NowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// Returns at once where the moment has passed; the time it is then.
static long long SleepUntil(long long moment) {
  const struct timespec until = {.tv_sec = moment / 1000000000LL, .tv_nsec = moment % 1000000000LL};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
  return NowNs();
}

int main(int argc, char** argv) {
  if (argc != 5 && argc != 6) {
    fprintf(stderr, "usage: replay NAMESPACE SETUP WORK TIMES [INTERVAL]\n");
    return 2;
  }
  const int netns = open(argv[1], O_RDONLY | O_CLOEXEC);
  if (netns < 0 || setns(netns, CLONE_NEWNET) != 0) Fail(argv[1]);
  memset(receive_buffers, 0, sizeof receive_buffers);  // Page faults are no part of the floor.
  const struct Script setup = Load(argv[2]);
  const struct Script work = Load(argv[3]);
  may_refuse = true;
  Run(&setup);
  may_refuse = false;
  if (setup.count > 0) usleep(kRestMicroseconds);
  const long times = strtol(argv[4], NULL, 10);
  const long long interval = argc == 6 ? strtoll(argv[5], NULL, 10) * 1000 : 0;
  const long long first = NowNs();
  for (long i = 0; i < times; i++) {
    const long long start = SleepUntil(first + i * interval);
    Run(&work);
    printf("%lld\n", NowNs() - start);
  }
  return 0;
}
