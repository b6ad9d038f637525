// A load of new connections, one after the other, from one thread: what a connection costs with the rules of a namespace between client and
// server.
//
//   connections CLIENT SERVER tcp|udp FIRST ADDRESSES PORT SERVER_PORT COUNT
//
// CLIENT and SERVER are paths of network namespaces. Connection n goes to address FIRST + n * kStride mod ADDRESSES and to PORT; the server
// listens on SERVER_PORT of all its addresses. tcp: connect and close with a reset, so that no TIME_WAIT fills the ports. udp: one datagram
// from a new port. Links are veth pairs, so the kernel carries packets through all namespaces inside the client's own system calls: no
// other thread has to be scheduled, and the time between two looks at the clock is the work of all of them. Prints the nanoseconds per
// connection of each batch. Exits with 1 when a connection fails or does not reach the server.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

// A prime, so that every address is met whatever their number, and neighbours in a hash table are not met in turn.
enum { kStride = 7919, kBatch = 500, kReceiveBuffer = 8 * 1024 * 1024, kWaitMicroseconds = 1000, kWaits = 2000 };

struct Load {
  int type;  // SOCK_STREAM or SOCK_DGRAM.
  uint32_t first;
  uint32_t addresses;
  uint16_t port;
  uint16_t server_port;
  int client_namespace;
  int server_namespace;
  long count;
};

static int OpenServer(const struct Load* load) {
  Enter(load->server_namespace);
  const int fd = socket(AF_INET, load->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(load->server_port)};
  const int size = kReceiveBuffer;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) Fail("server socket");
  if (bind(fd, (const struct sockaddr*)&any, sizeof any) != 0) Fail("bind");
  if (load->type == SOCK_STREAM && listen(fd, 2 * kBatch) != 0) Fail("listen");
  Enter(load->client_namespace);
  return fd;
}

static void Connect(const struct Load* load, long number) {
  const int fd = socket(AF_INET, load->type | SOCK_CLOEXEC, 0);
  const uint32_t offset = (uint32_t)((uint64_t)number * kStride % load->addresses);
  const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(load->port), .sin_addr = {.s_addr = htonl(load->first + offset)}};
  if (fd < 0) Fail("socket");
  if (connect(fd, (const struct sockaddr*)&to, sizeof to) != 0) Fail(inet_ntoa(to.sin_addr));
  if (load->type == SOCK_DGRAM) {
    if (send(fd, "x", 1, 0) != 1) Fail("send");
  } else {
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) Fail("SO_LINGER");
  }
  close(fd);
}

// Takes one connection or datagram from the server's queue; false: there is none.
static int TakeOne(const struct Load* load, int server) {
  char byte = 0;
  const int got = load->type == SOCK_STREAM ? accept4(server, NULL, NULL, SOCK_CLOEXEC) : (int)recv(server, &byte, 1, 0);
  if (got < 0 && errno != EAGAIN) Fail("server");
  if (got >= 0 && load->type == SOCK_STREAM) close(got);
  return got >= 0;
}

static void Drain(const struct Load* load, int server, long expected) {
  long taken = 0;
  for (int waits = 0; taken < expected && waits < kWaits;) {
    if (TakeOne(load, server))
      taken++;
    else
      waits += usleep(kWaitMicroseconds) == 0;
  }
  if (taken == expected) return;
  fprintf(stderr, "connections: only %ld of %ld reached the server\n", taken, expected);
  exit(1);
}

// The last processor: the first one has most of a machine's interrupts.
static void StayOnOneProcessor(void) {
  cpu_set_t allowed;
  cpu_set_t one;
  CPU_ZERO(&one);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) Fail("sched_getaffinity");
  for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
  }
  if (sched_setaffinity(0, sizeof one, &one) != 0) Fail("sched_setaffinity");
}

int main(int argc, char** argv) {
  if (argc != 9) {
    fprintf(stderr, "usage: connections CLIENT SERVER tcp|udp FIRST ADDRESSES PORT SERVER_PORT COUNT\n");
    return 2;
  }
  const struct Load load = {.client_namespace = OpenNamespace(argv[1]),
                            .server_namespace = OpenNamespace(argv[2]),
                            .type = strcmp(argv[3], "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM,
                            .first = ntohl(inet_addr(argv[4])),
                            .addresses = (uint32_t)strtoul(argv[5], NULL, 10),
                            .port = (uint16_t)strtoul(argv[6], NULL, 10),
                            .server_port = (uint16_t)strtoul(argv[7], NULL, 10),
                            .count = strtol(argv[8], NULL, 10)};
  StayOnOneProcessor();
  const int server = OpenServer(&load);
  for (long done = 0; done < load.count; done += kBatch) {
    const long long start = NowNs();
    for (long number = done; number < done + kBatch; number++) Connect(&load, number);
    printf("%lld\n", (NowNs() - start) / kBatch);
    Drain(&load, server, kBatch);
  }
  return 0;
}
