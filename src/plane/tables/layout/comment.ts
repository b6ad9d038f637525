import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'

/** Bytes of the longest comment that the plane writes, with its NUL. */
const MAX_COMMENT_BYTES = 128
const HASH_CHARACTERS = 12

const QUOTATION_MARK = 0x22
const MAX_ASCII = 0x7f

/**
 * A service's name as a comment: as it is where it fits, else its beginning and a hash of the whole. Never cuts a character in two. nft cannot write a quotation mark inside of quotation
 * marks: there stands an apostrophe, and the hash tells such names apart, too.
 */
export function shortenName(name: string): string {
  // The terminating NUL counts.
  if (Buffer.byteLength(name) < MAX_COMMENT_BYTES && !name.includes('"')) return name
  const suffix = `~${createHash('sha256').update(name).digest('hex').slice(0, HASH_CHARACTERS)}`
  const text = Buffer.from(name.replaceAll('"', "'"))
  let kept = text.subarray(0, MAX_COMMENT_BYTES - 1 - suffix.length)
  // A continuation byte after the cut means that the character before it is incomplete.
  while (kept.length > 0 && kept.length < text.length && (text[kept.length]! & 0xc0) === 0x80) kept = kept.subarray(0, -1)
  return kept.toString() + suffix
}

/** NFTA_SET_ELEM_USERDATA of an element whose comment is the service's name: one TLV, type 0, NUL-terminated. */
export function commentUserdata(name: string): Uint8Array {
  return asciiUserdata(name) ?? textUserdata(shortenName(name))
}

/** Of a name that needs neither shortening nor more than a byte for a character, as nearly all are; else undefined. */
function asciiUserdata(name: string): Uint8Array | undefined {
  const { length } = name
  if (length >= MAX_COMMENT_BYTES) return undefined
  const userdata = new Uint8Array(length + 3)
  userdata[1] = length + 1
  for (let index = 0; index < length; index++) {
    const code = name.charCodeAt(index)
    if (code === QUOTATION_MARK || code > MAX_ASCII) return undefined
    userdata[index + 2] = code
  }
  return userdata
}

function textUserdata(text: string): Uint8Array {
  const bytes = Buffer.from(text)
  const userdata = new Uint8Array(bytes.length + 3)
  userdata[1] = bytes.length + 1
  userdata.set(bytes, 2)
  return userdata
}

/** The comment in an element's userdata, as {@link commentUserdata} wrote it; undefined where there is none. */
export function commentOf(userdata: Uint8Array): string | undefined {
  if (userdata.length < 3 || userdata[0] !== 0 || userdata[1]! + 2 > userdata.length) return undefined
  return Buffer.from(userdata.subarray(2, 1 + userdata[1]!)).toString()
}
