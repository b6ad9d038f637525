/**
 * The target NFLOG: packets go to listeners of nfnetlink_log. iptables-nft of 1.8.8 and newer writes the expression `log` in its place; older ones wrote this.
 * net/netfilter/xt_NFLOG.c, include/uapi/linux/netfilter/xt_NFLOG.h, iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { extension } from '../extension.js'
import { struct, text, u16, u32 } from '../layout.js'
import { present } from '../flags.js'
import { requireName } from '../names.js'
import { integerWord, textWord, valueOption } from '../words.js'
import { codec, type Codec } from './codec.js'
import { MAX_U32, type Draft } from './words.js'

/** Where packets go. */
export interface NflogOptions {
  /** The group of listeners, 0–65535. Default: 0. */
  readonly group?: number
  /** Stands before each packet: 1–127 bytes without line ends. One of more than 63 makes a longer structure, which only the expression `log` can say. */
  readonly prefix?: string
  /** How many bytes of the packet they get, 0–2^32 - 1. Default: all that they ask for. */
  readonly size?: number
  /** How many packets wait in the kernel before they are sent together, 0–65535. Default: 0, at once. */
  readonly threshold?: number
}

/** What the structure has room for. */
const MAX_PREFIX = 63
/** NF_LOG_PREFIXLEN - 1: what the expression has room for. */
const MAX_NATIVE_PREFIX = 127
/** Bytes before the prefix. */
const HEAD_BYTES = 12

/** XT_NFLOG_F_COPY_LEN: the size is meant. */
const HAS_SIZE = 1

interface Values {
  readonly size: number
  readonly group: number
  readonly threshold: number
  readonly flags: number
  readonly prefix: string
}

const HEAD = { size: u32(0), group: u16(4), threshold: u16(6), flags: u16(8) }

/** @param max The longest prefix, in bytes. */
function nflogCodec(max: number): Codec<NflogOptions> {
  return codec<NflogOptions, Values>({
    layout: struct(HEAD_BYTES + max + 1, { ...HEAD, prefix: text(HEAD_BYTES, max + 1) }),
    names: ['group', 'prefix', 'size', 'threshold'],
    toValues: ({ group = 0, prefix, size, threshold = 0 }) => ({
      size: requireInteger('size', size ?? 0, 0, MAX_U32),
      group: requireInteger('group', group, 0, 0xffff),
      threshold: requireInteger('threshold', threshold, 0, 0xffff),
      flags: size === undefined ? 0 : HAS_SIZE,
      prefix: prefix === undefined ? '' : requireName('prefix', prefix, max)
    }),
    toOptions: ({ size, group, threshold, flags, prefix }) =>
      present({
        group: group === 0 ? undefined : group,
        prefix: prefix === '' ? undefined : prefix,
        size: (flags & HAS_SIZE) === 0 ? undefined : size,
        threshold: threshold === 0 ? undefined : threshold
      })
  })
}

/** `struct xt_nflog_info`. */
const SHORT = nflogCodec(MAX_PREFIX)
/** The same with room for what `log` of nf_tables takes, as iptables-nft reads it. */
const LONG = nflogCodec(MAX_NATIVE_PREFIX)

/** Whether the prefix needs the longer structure. */
function isLong({ prefix }: NflogOptions): boolean {
  return typeof prefix === 'string' && Buffer.byteLength(prefix) > MAX_PREFIX
}

/** Its one revision. */
export const NFLOG = [
  extension<NflogOptions, Draft<NflogOptions>, 'NFLOG'>({
    kind: 'target',
    name: 'NFLOG',
    revision: 0,
    families: ['ip', 'ip6'],
    module: 'xt_NFLOG',
    size: SHORT.size,
    encode: (options, context) => (isLong(options) ? LONG : SHORT).encode(options, context),
    decode: (info, context) => {
      const long = info.length === LONG.size ? LONG.decode(info, context) : undefined
      return long === undefined ? SHORT.decode(info, context) : isLong(long) ? long : undefined
    },
    print: ({ group = 0, prefix, size, threshold = 0 }) => [
      ...(prefix === undefined ? [] : ['--nflog-prefix', prefix]),
      ...(group === 0 ? [] : ['--nflog-group', `${group}`]),
      ...(size === undefined ? [] : ['--nflog-size', `${size}`]),
      ...(threshold === 0 ? [] : ['--nflog-threshold', `${threshold}`])
    ],
    quoted: ['--nflog-prefix'],
    draft: () => ({}),
    options: {
      '--nflog-group': valueOption('group', integerWord(0, 0xffff)),
      '--nflog-prefix': valueOption('prefix', textWord(MAX_NATIVE_PREFIX)),
      '--nflog-size': valueOption('size', integerWord(0, MAX_U32)),
      '--nflog-threshold': valueOption('threshold', integerWord(0, 0xffff))
    },
    finish: (draft) =>
      present({
        ...draft,
        group: draft.group === 0 ? undefined : draft.group,
        threshold: draft.threshold === 0 ? undefined : draft.threshold
      })
  })
] as const
