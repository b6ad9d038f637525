// The file that record.c writes and replay.c reads: datagrams one after the other, each behind this header, in the order in which they were
// sent.
#ifndef NETPLANE_BENCH_FLOOR_RECORDING_H_
#define NETPLANE_BENCH_FLOOR_RECORDING_H_

#include <stdint.h>

#define RECORDING_MAGIC 0x3152504eu  // "NPR1" in a little-endian file

// Socket options of linux/netlink.h that change what the kernel does with a request, one bit each.
#define RECORDING_CAP_ACK 1u
#define RECORDING_EXT_ACK 2u
#define RECORDING_STRICT_CHK 4u

struct recording_header {
  uint32_t magic;
  uint32_t protocol;              // NETLINK_NETFILTER, NETLINK_ROUTE …
  uint32_t descriptor;            // Of the recorded process: tells its sockets apart.
  uint32_t options;               // RECORDING_* bits.
  uint32_t send_buffer_bytes;     // As getsockopt(SO_SNDBUF) tells it: twice what was asked for.
  uint32_t receive_buffer_bytes;  // As getsockopt(SO_RCVBUF) tells it.
  uint32_t length;                // Bytes of the datagram that follows.
};

#endif  // NETPLANE_BENCH_FLOOR_RECORDING_H_
