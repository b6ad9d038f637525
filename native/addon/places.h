// Two jobs of the process are on libuv's pool at a time, whatever the number of environments and of copies of the addon: a sendmsg can wait
// long for the kernel's commit mutex, and four of them would stop fs and dns.
#ifndef NETPLANE_ADDON_PLACES_H_
#define NETPLANE_ADDON_PLACES_H_

namespace netplane::addon {

/// Who waits for a place. All copies of the addon in the process link these together, so the layout is fixed: a change needs another name
/// of the shared symbol (places.cc).
struct PlaceWaiter {
  PlaceWaiter* next = nullptr;
  PlaceWaiter* previous = nullptr;
  /// Called on any thread when a place has become free, under a lock: it may only send a wake-up.
  void (*wake)(PlaceWaiter*) = nullptr;
};

/// Takes a place and returns true; where none is free, lets `waiter` be woken at each one that becomes free, and returns false. A place is
/// never kept for a waiter: its thread may be busy for long. Who is woken and comes too late is woken again.
bool TakePlace(PlaceWaiter& waiter);
/// The waiter wants no place any more; once this has returned, `wake` is not called. Does nothing for one that does not wait.
void StopWaiting(PlaceWaiter& waiter);
/// Gives a place back and wakes those who wait, the one that has waited longest first. Any thread.
void ReleasePlace();

}  // namespace netplane::addon

#endif  // NETPLANE_ADDON_PLACES_H_
