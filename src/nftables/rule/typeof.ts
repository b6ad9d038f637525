/**
 * What nft notes in the userdata of a rule's own set about the values that it is asked for: without it, it cannot print keys whose type does not say how wide they are.
 */
import { byteOrderNumber, byteOrderOf, type SetForm } from '../sets.js'
import {
  concatenationEntry,
  describedEntry,
  describeExpression,
  describePayload,
  NO_DIRECTION,
  type DescribedExpression
} from '../typeof.js'
import { encodeUserdata, numberEntry, SET_USERDATA, type UserdataEntry } from '../userdata.js'
import type { ValueNode } from './nodes.js'
import { needsByteorder } from './values.js'

/** enum nft_meta_keys, include/uapi/linux/netfilter/nf_tables.h. */
const META_KEYS: Readonly<Record<string, number>> = {
  len: 0,
  protocol: 1,
  priority: 2,
  mark: 3,
  iif: 4,
  oif: 5,
  iifname: 6,
  oifname: 7,
  iiftype: 8,
  oiftype: 9,
  skuid: 10,
  skgid: 11,
  nftrace: 12,
  rtclassid: 13,
  nfproto: 15,
  l4proto: 16,
  'bri-iifname': 17,
  'bri-oifname': 18,
  pkttype: 19,
  cpu: 20,
  iifgroup: 21,
  oifgroup: 22,
  cgroup: 23,
  prandom: 24,
  secpath: 25,
  iifkind: 26,
  oifkind: 27,
  'bri-iifpvid': 28,
  'bri-iifvproto': 29,
  'time-ns': 30,
  'time-day': 31,
  'time-hour': 32,
  sdif: 33,
  sdifname: 34,
  'bri-broute': 35
}

/** enum nft_ct_keys. */
const CT_KEYS: Readonly<Record<string, number>> = {
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  expiration: 5,
  helper: 6,
  l3protocol: 7,
  protocol: 10,
  'proto-src': 11,
  'proto-dst': 12,
  pkts: 14,
  bytes: 15,
  avgpkt: 16,
  zone: 17,
  'src-ip': 19,
  'dst-ip': 20,
  'src-ip6': 21,
  'dst-ip6': 22,
  id: 23
}
/** enum nft_fib_result and nft_fib_flags. */
const FIB_RESULTS: Readonly<Record<string, number>> = { oif: 1, oifname: 2, type: 3 }
const FIB_FLAGS: Readonly<Record<string, number>> = { saddr: 1, daddr: 2, mark: 4, iif: 8, oif: 16, present: 32 }

const INTEGER_ID = 4

/** Undefined for what nft does not describe. */
function describe(node: ValueNode): DescribedExpression | undefined {
  switch (node.kind) {
    case 'payload':
      return node.bits === undefined
        ? describePayload(node.header, node.field, node.type.id === INTEGER_ID ? node.type.length * 8 : undefined)
        : undefined
    case 'meta':
      return describeExpression('meta', META_KEYS[node.key]!)
    case 'ct':
      return describeExpression(
        'ct',
        CT_KEYS[node.key]!,
        node.direction === undefined ? NO_DIRECTION : node.direction === 'original' ? 0 : 1
      )
    case 'fib':
      return describeExpression(
        'fib',
        FIB_RESULTS[node.result]!,
        node.flags.reduce<number>((sum, flag) => sum | FIB_FLAGS[flag]!, 0)
      )
    case 'numgen':
      return describeExpression('numgen', node.mode === 'inc' ? 0 : 1, node.modulus, node.offset)
    case 'hash':
      return describeExpression(
        'hash',
        node.mode === 'jenkins' ? 0 : 1,
        node.offset,
        node.modulus,
        node.seed ?? 0,
        node.seed === undefined ? 0 : 1
      )
    case 'load':
    case 'inner':
    case 'bitwise':
    case 'constant':
    case 'concatenation':
    case 'map':
      return undefined
  }
}

/** Fields up to the first that nft cannot describe: one that is brought into network order for intervals. */
function describeFields(fields: readonly ValueNode[], isInterval: boolean): DescribedExpression[] {
  const described: DescribedExpression[] = []
  for (const field of fields) {
    const one = describe(field.kind === 'bitwise' ? field.operand : field)
    if (one === undefined || (isInterval && field.kind !== 'concatenation' && field.kind !== 'map' && needsByteorder(field.type))) break
    described.push(one)
  }
  return described
}

function keyEntry(node: ValueNode, form: SetForm): UserdataEntry | undefined {
  if (node.kind === 'concatenation') return concatenationEntry(SET_USERDATA.keyTypeof, describeFields(node.fields, form.isInterval))
  // nft describes the single keys of sets, not of maps.
  const described = form.holds === 'nothing' ? describe(node) : undefined
  return described === undefined ? undefined : describedEntry(SET_USERDATA.keyTypeof, described)
}

/** NFTA_SET_USERDATA of a rule's own set. */
export function ownSetUserdata(node: ValueNode, form: SetForm): Uint8Array {
  const isMap = form.holds !== 'nothing'
  const isObjectMap = form.holds === 'objects'
  const order = node.kind === 'concatenation' || node.kind === 'map' ? byteOrderOf(form.key) : byteOrderNumber(node.type)
  const entries = [
    numberEntry(SET_USERDATA.keyByteOrder, order),
    isMap && !isObjectMap ? numberEntry(SET_USERDATA.dataByteOrder, byteOrderOf(form.data)) : undefined,
    form.isInterval && !isMap ? numberEntry(SET_USERDATA.mergeElements, 1) : undefined,
    // Of maps to objects nft describes nothing.
    isObjectMap ? undefined : keyEntry(node, form),
    form.holds === 'verdicts' ? describedEntry(SET_USERDATA.dataTypeof, describeExpression('verdict')) : undefined,
    isMap ? numberEntry(SET_USERDATA.dataInterval, 0) : undefined
  ]
  return encodeUserdata(entries.filter((entry) => entry !== undefined))
}
