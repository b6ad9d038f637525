/**
 * Bits of the status of a flow of connection tracking.
 */

/** IPS_* (include/uapi/linux/netfilter/nf_conntrack_common.h), by the names that all clients have for them. */
export const FLOW_STATUSES = {
  expected: 0x1,
  'seen-reply': 0x2,
  assured: 0x4,
  confirmed: 0x8,
  'source-nat': 0x10,
  'destination-nat': 0x20,
  'sequence-adjust': 0x40,
  'source-nat-done': 0x80,
  'destination-nat-done': 0x100,
  dying: 0x200,
  'fixed-timeout': 0x400,
  template: 0x800,
  untracked: 0x1000,
  helper: 0x2000,
  offload: 0x4000,
  'hardware-offload': 0x8000
} as const
