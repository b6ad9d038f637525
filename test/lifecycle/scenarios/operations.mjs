// Operations as bytes (native/nftables/operation.h), put together by hand: the scenarios load the addon alone.
import { Buffer } from 'node:buffer'
import { endianness } from 'node:os'

const HEADER = 8
const verbs = { add: 0, delete: 4 }
const kinds = { table: 0, set: 3, elements: 4 }
const NFPROTO_IPV4 = 2
const isLittle = endianness() === 'LE'

/** A number in the machine's byte order. */
function host(value, width) {
  const bytes = Buffer.alloc(width)
  if (isLittle) bytes.writeUIntLE(value, 0, width)
  else bytes.writeUIntBE(value, 0, width)
  return bytes
}

function attribute(type, payload) {
  const padding = Buffer.alloc(-payload.length & 3)
  return Buffer.concat([host(4 + payload.length, 2), host(type, 2), payload, padding])
}

export const text = (type, value) => attribute(type, Buffer.from(`${value}\0`))
const u32 = (type, value) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return attribute(type, bytes)
}

/** An operation on what is of the family ip. */
export function operation(verb, kind, attributes) {
  const payload = Buffer.concat(attributes)
  const rest = Buffer.from([verbs[verb], kinds[kind], NFPROTO_IPV4, 0])
  return new Uint8Array(Buffer.concat([host(HEADER + payload.length, 4), rest, payload]))
}

/** A table: NFTA_TABLE_NAME. */
export const tableOperation = (verb, name) => operation(verb, 'table', [text(1, name)])

/** A set of IPv4 addresses that is called `addresses`: NFTA_SET_TABLE, NAME, KEY_TYPE, KEY_LEN and ID. */
export const setOperation = (table) => operation('add', 'set', [text(1, table), text(2, 'addresses'), u32(4, 7), u32(5, 4), u32(10, 1)])

/** What names its elements: NFTA_SET_ELEM_LIST_TABLE and SET. */
export const elementsOperation = (table) => operation('add', 'elements', [text(1, table), text(2, 'addresses')])

/** The names of the tables that a page of a listing holds. */
export function tableNames(run) {
  const view = new DataView(run.buffer, run.byteOffset, run.byteLength)
  const names = []
  for (let at = 0; at < run.length; at += view.getUint32(at, isLittle))
    for (let inner = at + HEADER; inner < at + view.getUint32(at, isLittle);) {
      const length = view.getUint16(inner, isLittle)
      if (view.getUint16(inner + 2, isLittle) === 1) names.push(Buffer.from(run.subarray(inner + 4, inner + length - 1)).toString())
      inner += (length + 3) & ~3
    }
  return names
}
