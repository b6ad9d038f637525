/**
 * Structures of the matches and targets that iptables-nft writes as expressions of nf_tables.
 */
import { be16, i32, struct, text, u16, u32, u8, list } from '../extensions/layout.js'

/** `struct xt_tcp`, include/uapi/linux/netfilter/xt_tcpudp.h. Ports are in host order. */
export const tcpLayout = struct(12, {
  sourcePorts: list(0, 2, u16),
  destinationPorts: list(4, 2, u16),
  option: u8(8),
  flagMask: u8(9),
  flags: u8(10),
  inverted: u8(11)
})

/** `struct xt_udp`, of the same file. */
export const udpLayout = struct(10, { sourcePorts: list(0, 2, u16), destinationPorts: list(4, 2, u16), inverted: u8(8) })

/** XT_TCP_INV_*; XT_UDP_INV_SRCPT and XT_UDP_INV_DSTPT are the same as the first two. */
export const INVERTED_SOURCE = 1
export const INVERTED_DESTINATION = 2
export const INVERTED_FLAGS = 4

/** `struct xt_mark_mtinfo1`, xt_mark.h. */
export const markLayout = struct(12, { mark: u32(0), mask: u32(4), inverted: u8(8) })

/** `struct xt_mark_tginfo2`, of the same file. */
export const markTargetLayout = struct(8, { value: u32(0), mask: u32(4) })

/** The mask of all bits of a mark. */
export const ALL_BITS = 0xffff_ffff

/** `struct xt_rateinfo`, xt_limit.h: `average` is the time between packets, in 1/10000 seconds (XT_LIMIT_SCALE). What follows belongs to the kernel. */
export const limitLayout = struct(40, { average: u32(0), burst: u32(4) })

/** `struct xt_pkttype_info`, xt_pkttype.h. */
export const packetTypeLayout = struct(8, { packetType: i32(0), inverted: i32(4) })

/** `struct ipt_ttl_info` and `struct ip6t_hl_info`, which are alike. */
export const hopLimitLayout = struct(2, { mode: u8(0), hopLimit: u8(1) })

/** IPT_TTL_* and IP6T_HL_*. */
export const HOP_LIMIT_MODES = { eq: 0, neq: 1, lt: 2, gt: 3 } as const

/** `struct ipt_icmp` and `struct ip6t_icmp`, which are alike. */
export const icmpLayout = struct(4, { type: u8(0), codes: list(1, 2, u8), inverted: u8(3) })

/** The longest prefix that `log` of nf_tables takes, with its NUL (NF_LOG_PREFIXLEN). */
const PREFIX_BYTES = 128

/** Bytes of `struct xt_nflog_info` before the prefix. */
const NFLOG_HEAD_BYTES = 12

/** `struct xt_nflog_info`, xt_NFLOG.h: there the prefix has 64 bytes. */
export const nflogLayout = struct(NFLOG_HEAD_BYTES + 64, {
  length: u32(0),
  group: u16(4),
  threshold: u16(6),
  flags: u16(8),
  prefix: text(NFLOG_HEAD_BYTES, 64)
})

/** The same with a longer prefix, which only nf_tables has. */
export const longNflogLayout = struct(NFLOG_HEAD_BYTES + PREFIX_BYTES, {
  length: u32(0),
  group: u16(4),
  threshold: u16(6),
  flags: u16(8),
  prefix: text(NFLOG_HEAD_BYTES, PREFIX_BYTES)
})

/** XT_NFLOG_F_COPY_LEN. */
export const NFLOG_COPIES_LENGTH = 1

/** A port in network order. */
export const portLayout = struct(2, { port: be16(0) })

/** A number of 32 bits as a register has it, in the byte order of this machine. */
export const wordLayout = struct(4, { value: u32(0) })
