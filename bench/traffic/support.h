// What the loads of this folder have in common: errors, time, network namespaces. Included after _GNU_SOURCE is defined.
#ifndef NETPLANE_BENCH_TRAFFIC_SUPPORT_H_
#define NETPLANE_BENCH_TRAFFIC_SUPPORT_H_

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void Fail(const char* what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
  exit(1);
}

static long long NowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int OpenNamespace(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) Fail(path);
  return fd;
}

static void Enter(int netns) {
  if (setns(netns, CLONE_NEWNET) != 0) Fail("setns");
}

#endif  // NETPLANE_BENCH_TRAFFIC_SUPPORT_H_
