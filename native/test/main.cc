// Runs all tests inside a network namespace of their own: as root, or in a user namespace where those are allowed.
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "test/namespaces.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const bool entered = geteuid() == 0 ? unshare(CLONE_NEWNET) == 0 : netplane::EnterUserNamespace();
  if (!entered) {
    std::fprintf(stderr,
                 "cannot make a network namespace (%s): the tests need root, or user namespaces (sysctl user.max_user_namespaces)\n",
                 std::strerror(errno));
    return 1;
  }
  return RUN_ALL_TESTS();
}
