// A load of short connections as `ab -n COUNT -c CONCURRENT` makes it: connect, one request, one answer, closed by the server.
//
//   requests CLIENT SERVER SOURCE FIRST ADDRESSES PORT SERVER_PORT COUNT CONCURRENT
//
// CLIENT and SERVER are paths of network namespaces. CONCURRENT connections are open at any time until COUNT were answered. Connection n
// goes to address FIRST + n mod ADDRESSES and to PORT, from address SOURCE and port kFirstSourcePort + n: a caller that gives each run a
// source of its own never meets a port that some table still remembers. The server is a process of its own, which listens on SERVER_PORT of
// all its addresses. Prints the nanoseconds of the whole, and those of one connection, from connect to its end, that half of them, 99 of
// 100 and all of them do not exceed. Exits with 1 when a connection fails, gets another answer, or when not all are answered within
// kSeconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

enum {
  kFirstSourcePort = 10000,
  kSourcePorts = 50000,
  kSeconds = 240,
  kEvents = 256,
  kRequestBytes = 80,
  kAnswerBytes = 200,
  kBacklog = 4096
};

static char payload[kAnswerBytes + 1];

struct Load {
  int client_namespace;
  int server_namespace;
  struct in_addr source;
  uint32_t first;
  uint32_t addresses;
  uint16_t port;
  uint16_t server_port;
  uint32_t count;
  uint32_t concurrent;
};

// A connection of the client.
struct Connection {
  int fd;
  int received;
  long long start;
};

struct Client {
  const struct Load* load;
  int epoll;
  uint32_t begun;
  uint32_t done;
  struct Connection* connections;  // One for each that may be open at a time.
  long long* times;                // Of those that are done.
};

static void Watch(int epoll, int operation, int fd, uint32_t events, uint32_t value) {
  struct epoll_event event = {.events = events, .data = {.u32 = value}};
  if (epoll_ctl(epoll, operation, fd, &event) != 0) Fail("epoll_ctl");
}

static int OpenServer(const struct Load* load) {
  Enter(load->server_namespace);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(load->server_port)};
  const int on = 1;
  // An earlier run has left connections of this port, which wait for their time to be over.
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) Fail("server socket");
  if (bind(fd, (const struct sockaddr*)&any, sizeof any) != 0) Fail("bind of the server");
  if (listen(fd, kBacklog) != 0) Fail("listen");
  Enter(load->client_namespace);
  return fd;
}

static void AcceptAll(int epoll, int listener) {
  for (;;) {
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && errno == EAGAIN) return;
    if (fd < 0) Fail("accept");
    Watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, (uint32_t)fd);
  }
}

// The request has come as a whole, as it was sent in one segment.
static void Answer(int fd) {
  char request[kRequestBytes];
  const ssize_t got = recv(fd, request, sizeof request, 0);
  if (got == kRequestBytes && send(fd, payload, kAnswerBytes, 0) != kAnswerBytes) Fail("answer");
  close(fd);
}

// Until it is killed.
static void Serve(int listener) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) Fail("epoll_create1");
  Watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, (uint32_t)listener);
  for (;;) {
    struct epoll_event events[kEvents];
    const int count = epoll_wait(epoll, events, kEvents, -1);
    for (int at = 0; at < count; at++) {
      const int fd = (int)events[at].data.u32;
      if (fd == listener)
        AcceptAll(epoll, listener);
      else
        Answer(fd);
    }
  }
}

static pid_t StartServer(const struct Load* load) {
  const int listener = OpenServer(load);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) Fail("fork");
  if (pid == 0) {
    // It ends with the client, however that ends.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
    Serve(listener);
  }
  close(listener);
  return pid;
}

static void Begin(struct Client* client, uint32_t slot) {
  const struct Load* load = client->load;
  if (client->begun == load->count) return;
  const uint32_t number = client->begun++;
  const struct sockaddr_in from = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)(kFirstSourcePort + number)), .sin_addr = load->source};
  const struct in_addr address = {.s_addr = htonl(load->first + number % load->addresses)};
  const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(load->port), .sin_addr = address};
  struct Connection* connection = &client->connections[slot];
  *connection = (struct Connection){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .start = NowNs()};
  if (connection->fd < 0) Fail("socket");
  if (bind(connection->fd, (const struct sockaddr*)&from, sizeof from) != 0) Fail("bind");
  if (connect(connection->fd, (const struct sockaddr*)&to, sizeof to) != 0 && errno != EINPROGRESS) Fail("connect");
  Watch(client->epoll, EPOLL_CTL_ADD, connection->fd, EPOLLOUT, slot);
}

static void Ask(struct Client* client, uint32_t slot) {
  const int fd = client->connections[slot].fd;
  if (send(fd, payload, kRequestBytes, 0) != kRequestBytes) Fail("request");
  Watch(client->epoll, EPOLL_CTL_MOD, fd, EPOLLIN, slot);
}

static void End(struct Client* client, uint32_t slot) {
  const struct Connection* connection = &client->connections[slot];
  if (connection->received != kAnswerBytes) {
    fprintf(stderr, "requests: an answer has %d bytes instead of %d\n", connection->received, kAnswerBytes);
    exit(1);
  }
  client->times[client->done++] = NowNs() - connection->start;
  close(connection->fd);
  Begin(client, slot);
}

static void Receive(struct Client* client, uint32_t slot) {
  struct Connection* connection = &client->connections[slot];
  char answer[kAnswerBytes + 1];
  for (;;) {
    const ssize_t got = recv(connection->fd, answer, sizeof answer, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) Fail("answer");
    if (got == 0) break;
    connection->received += (int)got;
  }
  End(client, slot);
}

static void Run(struct Client* client) {
  const long long end = NowNs() + kSeconds * 1000000000LL;
  for (uint32_t slot = 0; slot < client->load->concurrent; slot++) Begin(client, slot);
  while (client->done < client->load->count) {
    struct epoll_event events[kEvents];
    const int count = epoll_wait(client->epoll, events, kEvents, 1000);
    for (int at = 0; at < count; at++) {
      if (events[at].events & EPOLLOUT)
        Ask(client, events[at].data.u32);
      else
        Receive(client, events[at].data.u32);
    }
    if (NowNs() < end) continue;
    fprintf(stderr, "requests: only %u of %u connections were answered within %d seconds\n", client->done, client->load->count, kSeconds);
    exit(1);
  }
}

static int Compare(const void* a, const void* b) {
  const long long left = *(const long long*)a;
  const long long right = *(const long long*)b;
  return (left > right) - (left < right);
}

static void* Allocate(size_t count, size_t size) {
  void* made = calloc(count, size);
  if (made == NULL) Fail("calloc");
  return made;
}

static void AllowDescriptors(rlim_t count) {
  const struct rlimit limit = {.rlim_cur = count, .rlim_max = count};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) Fail("setrlimit");
}

// As a number of 1 to `most`.
static uint32_t ReadNumber(const char* text, uint32_t most) {
  const unsigned long value = strtoul(text, NULL, 10);
  if (value >= 1 && value <= most) return (uint32_t)value;
  fprintf(stderr, "requests: %s is not a number of 1 to %u\n", text, most);
  exit(2);
}

int main(int argc, char** argv) {
  if (argc != 10) {
    fprintf(stderr, "usage: requests CLIENT SERVER SOURCE FIRST ADDRESSES PORT SERVER_PORT COUNT CONCURRENT\n");
    return 2;
  }
  const struct Load load = {.client_namespace = OpenNamespace(argv[1]),
                            .server_namespace = OpenNamespace(argv[2]),
                            .source = {.s_addr = inet_addr(argv[3])},
                            .first = ntohl(inet_addr(argv[4])),
                            .addresses = ReadNumber(argv[5], UINT32_MAX),
                            .port = (uint16_t)ReadNumber(argv[6], UINT16_MAX),
                            .server_port = (uint16_t)ReadNumber(argv[7], UINT16_MAX),
                            .count = ReadNumber(argv[8], kSourcePorts),
                            .concurrent = ReadNumber(argv[9], kSourcePorts)};
  memset(payload, 'x', kAnswerBytes);
  AllowDescriptors(2 * load.concurrent + 64);
  const pid_t server = StartServer(&load);
  struct Client client = {.load = &load,
                          .epoll = epoll_create1(EPOLL_CLOEXEC),
                          .connections = Allocate(load.concurrent, sizeof(struct Connection)),
                          .times = Allocate(load.count, sizeof(long long))};
  if (client.epoll < 0) Fail("epoll_create1");
  const long long start = NowNs();
  Run(&client);
  const long long whole = NowNs() - start;
  qsort(client.times, load.count, sizeof(long long), Compare);
  printf("%lld %lld %lld %lld\n", whole, client.times[(load.count - 1) / 2], client.times[(size_t)(load.count - 1) * 99 / 100],
         client.times[load.count - 1]);
  kill(server, SIGKILL);
  waitpid(server, NULL, 0);
  return 0;
}
