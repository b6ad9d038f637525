/**
 * Numbers that a set's declaration holds (include/uapi/linux/netfilter/nf_tables.h; nftables, include/datatype.h).
 */

/** NFT_DATA_VERDICT, include/uapi/linux/netfilter/nf_tables.h. */
export const DATA_VERDICT = 0xffff_ff00

/** Kinds of objects by number (NFT_OBJECT_*). */
export const OBJECT_KINDS: readonly string[] = [
  '',
  'counter',
  'quota',
  'ct-helper',
  'limit',
  'connlimit',
  'tunnel',
  'ct-timeout',
  'secmark',
  'ct-expect',
  'synproxy'
]

/** Byte orders in userdata (nftables, include/datatype.h enum byteorder). */
export const ORDER_NUMBER = { none: 1, host: 1, big: 2 } as const

// include/uapi/linux/netfilter/nf_tables.h, enum nft_set_flags
export const NFT_SET_ANONYMOUS = 0x1
export const NFT_SET_INTERVAL = 0x4
export const NFT_SET_CONCAT = 0x80
