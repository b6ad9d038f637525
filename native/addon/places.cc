#include "addon/places.h"

#include <pthread.h>

#include <cstdint>

namespace netplane::addon {
namespace {

constexpr uint32_t kPlaces = 2;
constexpr size_t kSharedBytes = 256;

// All zero at first, which is what PTHREAD_MUTEX_INITIALIZER is for glibc and musl.
struct SharedPlaces {
  pthread_mutex_t mutex;
  uint32_t taken;
  // Those who wait, in the order in which they are woken.
  PlaceWaiter* first;
  PlaceWaiter* last;
};
static_assert(sizeof(SharedPlaces) <= kSharedBytes);

}  // namespace

// One variable for all copies of the addon: glibc binds an STB_GNU_UNIQUE symbol to the first definition in the process, even of objects
// that dlopen(3) keeps apart (elf/dl-lookup.c, do_lookup_unique), and never unloads who defines one. musl has no such symbols: there each
// copy has two places of its own. In assembler, because compilers offer no attribute for it. The number in the name is the layout's
// version.
asm(".pushsection .bss.netplane_places_1,\"aw\",%nobits\n"
    ".balign 64\n"
    ".globl netplane_places_1\n"
    ".type netplane_places_1, \"gnu_unique_object\"\n"
    ".size netplane_places_1, 256\n"
    "netplane_places_1:\n"
    ".zero 256\n"
    ".popsection");
extern "C" __attribute__((visibility("default"))) char netplane_places_1[kSharedBytes];

namespace {

SharedPlaces& Shared() { return *reinterpret_cast<SharedPlaces*>(netplane_places_1); }

class Lock {
 public:
  Lock() { ::pthread_mutex_lock(&Shared().mutex); }
  ~Lock() { ::pthread_mutex_unlock(&Shared().mutex); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
};

bool IsLinked(const PlaceWaiter& waiter) { return waiter.previous || Shared().first == &waiter; }

void Link(PlaceWaiter& waiter) {
  SharedPlaces& shared = Shared();
  waiter.previous = shared.last;
  waiter.next = nullptr;
  (shared.last ? shared.last->next : shared.first) = &waiter;
  shared.last = &waiter;
}

void Unlink(PlaceWaiter& waiter) {
  if (!IsLinked(waiter)) return;
  SharedPlaces& shared = Shared();
  (waiter.previous ? waiter.previous->next : shared.first) = waiter.next;
  (waiter.next ? waiter.next->previous : shared.last) = waiter.previous;
  waiter.next = waiter.previous = nullptr;
}

}  // namespace

bool TakePlace(PlaceWaiter& waiter) {
  const Lock lock;
  SharedPlaces& shared = Shared();
  if (shared.taken >= kPlaces) {
    if (!IsLinked(waiter)) Link(waiter);
    return false;
  }
  ++shared.taken;
  // Where it wants another one, it waits behind those who wait already.
  Unlink(waiter);
  return true;
}

void StopWaiting(PlaceWaiter& waiter) {
  const Lock lock;
  Unlink(waiter);
}

void ReleasePlace() {
  const Lock lock;
  SharedPlaces& shared = Shared();
  --shared.taken;
  for (PlaceWaiter* waiter = shared.first; waiter; waiter = waiter->next) waiter->wake(waiter);
}

}  // namespace netplane::addon
