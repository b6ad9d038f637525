/**
 * The expressions `match` and `target` of nf_tables, which hold a structure of xtables: NFTA_MATCH_* and NFTA_TARGET_* of
 * include/uapi/linux/netfilter/nf_tables_compat.h, which have the same numbers.
 */
import { endianness } from 'node:os'
import { zeros } from '../../core/pool.js'
import type { OpaqueExpression } from '../../nftables/expressions.js'
import { padded } from '../extensions/layout.js'
import type { OpaqueExtension } from '../types.js'

const NAME = 1
const REVISION = 2
const INFO = 3

/** NLA_HDRLEN, and NLA_ALIGNTO of include/uapi/linux/netlink.h. */
const HEADER_BYTES = 4
const ALIGNMENT = 4
/** NLA_TYPE_MASK. */
const TYPE_BITS = 0x3fff

const isLittleEndian = endianness() === 'LE'

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT

function readAttributes(data: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const found = new Map<number, Uint8Array>()
  for (let offset = 0; offset + HEADER_BYTES <= data.length;) {
    const length = view.getUint16(offset, isLittleEndian)
    if (length < HEADER_BYTES || offset + length > data.length) break
    found.set(view.getUint16(offset + 2, isLittleEndian) & TYPE_BITS, data.subarray(offset + HEADER_BYTES, offset + length))
    offset += aligned(length)
  }
  return found
}

/** The expression for a match or target; the structure is padded to a multiple of 8 bytes, as the kernel wants it. */
export function toExpression(kind: 'match' | 'target', { name, revision, info }: OpaqueExtension): OpaqueExpression {
  const text = Buffer.from(name)
  const revisionAt = HEADER_BYTES + aligned(text.length + 1)
  const infoAt = revisionAt + HEADER_BYTES + 4
  const infoLength = padded(info.length)
  const data = zeros(infoAt + HEADER_BYTES + infoLength)
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const begin = (offset: number, type: number, length: number): void => {
    view.setUint16(offset, HEADER_BYTES + length, isLittleEndian)
    view.setUint16(offset + 2, type, isLittleEndian)
  }
  begin(0, NAME, text.length + 1)
  data.set(text, HEADER_BYTES)
  begin(revisionAt, REVISION, 4)
  view.setUint32(revisionAt + HEADER_BYTES, revision)
  begin(infoAt, INFO, infoLength)
  data.set(info, infoAt + HEADER_BYTES)
  return { type: 'opaque', name: kind, data }
}

/** The match or target in an expression. Undefined where it is malformed. */
export function fromExpression({ data }: OpaqueExpression): OpaqueExtension | undefined {
  const attributes = readAttributes(data)
  const name = attributes.get(NAME)
  const revision = attributes.get(REVISION)
  const info = attributes.get(INFO)
  if (name === undefined || revision?.length !== 4 || info === undefined) return undefined
  const end = name.indexOf(0)
  return {
    name: Buffer.from(name.subarray(0, end < 0 ? name.length : end)).toString(),
    revision: new DataView(revision.buffer, revision.byteOffset, 4).getUint32(0),
    info: info.slice()
  }
}
