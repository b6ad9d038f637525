// Measures another program as its caller would: from fork to its end, inside a network namespace, its standard output thrown away.
//
//   timed NAMESPACE COMMAND [ARGUMENT…]
//
// Prints nanoseconds and the program's greatest resident size in bytes. Exits with the program's status.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void Fail(const char* what) {
  perror(what);
  exit(127);
}

static long long NowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: timed NAMESPACE COMMAND [ARGUMENT...]\n");
    return 2;
  }
  const int netns = open(argv[1], O_RDONLY | O_CLOEXEC);
  if (netns < 0 || setns(netns, CLONE_NEWNET) != 0) Fail(argv[1]);
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing < 0) Fail("/dev/null");
  const long long start = NowNs();
  const pid_t child = fork();
  if (child < 0) Fail("fork");
  if (child == 0) {
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    execvp(argv[2], argv + 2);
    Fail(argv[2]);
  }
  int status = 0;
  struct rusage usage;
  if (wait4(child, &status, 0, &usage) != child) Fail("wait4");
  printf("%lld %ld\n", NowNs() - start, usage.ru_maxrss * 1024);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
