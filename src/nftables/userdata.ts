/**
 * NFTA_*_USERDATA as nft and libnftnl agree on it (libnftnl, include/libnftnl/udata.h): a run of { u8 type, u8 length, bytes }, 256 bytes at most. The kernel keeps it unread.
 */
import { Buffer } from 'node:buffer'
import { ValidationError } from '../core/errors.js'

/** One entry. */
export interface UserdataEntry {
  readonly type: number
  readonly value: Uint8Array
}

/** Bytes of the longest comment that nft takes, without its NUL (NFTNL_UDATA_COMMENT_MAXLEN). */
export const MAX_COMMENT_BYTES = 128

/** Type of the comment entry, by kind of object. */
export const COMMENT_TYPE = { rule: 0, table: 0, chain: 0, object: 0, element: 0, set: 7 } as const

/** Entries of a set's userdata (enum nftnl_udata_set_types). */
export const SET_USERDATA = {
  keyByteOrder: 0,
  dataByteOrder: 1,
  mergeElements: 2,
  keyTypeof: 3,
  dataTypeof: 4,
  expression: 5,
  dataInterval: 6,
  comment: 7
} as const

/** Type of the entry of an element that says its range has no end (NFTNL_UDATA_SET_ELEM_FLAGS). */
export const ELEMENT_FLAGS_TYPE = 1

/** Reads entries; what is left where a length is impossible is dropped, as nft does. */
export function decodeUserdata(bytes: Uint8Array): UserdataEntry[] {
  const entries: UserdataEntry[] = []
  for (let at = 0; at + 2 <= bytes.length;) {
    const length = bytes[at + 1]!
    if (at + 2 + length > bytes.length) break
    entries.push({ type: bytes[at]!, value: bytes.subarray(at + 2, at + 2 + length) })
    at += 2 + length
  }
  return entries
}

/** Writes entries. */
export function encodeUserdata(entries: readonly UserdataEntry[]): Uint8Array {
  return Buffer.concat(entries.flatMap(({ type, value }) => [Uint8Array.of(type, value.length), value]))
}

/** A u32 entry, in host order as nft has it. */
export function numberEntry(type: number, value: number): UserdataEntry {
  return { type, value: new Uint8Array(Uint32Array.of(value).buffer) }
}

/**
 * Whether nft prints a text between quotation marks so that it can be read again: it has no way to write a quotation mark, and control characters would reach terminals.
 */
export function isQuotable(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return !/["\u0000-\u001f\u007f]/.test(text)
}

/** A comment entry. @throws {ValidationError} Where it is longer than 128 bytes, or has a quotation mark or control character. */
export function commentEntry(path: string, type: number, comment: string): UserdataEntry {
  const text = Buffer.from(comment)
  if (text.length > MAX_COMMENT_BYTES || !isQuotable(comment))
    throw new ValidationError(path, comment, `at most ${MAX_COMMENT_BYTES} bytes of text without quotation marks and control characters`)
  return commentOf(type, text)
}

function commentOf(type: number, text: Uint8Array): UserdataEntry {
  return { type, value: Buffer.concat([text, Uint8Array.of(0)]) }
}

/** The comment among the entries, if there is one. */
export function findComment(entries: readonly UserdataEntry[], type: number): string | undefined {
  const value = entries.find((entry) => entry.type === type)?.value
  if (value === undefined) return undefined
  const end = value.indexOf(0)
  return Buffer.from(end < 0 ? value : value.subarray(0, end)).toString()
}

/** What an object says about its userdata: a comment, or the bytes themselves, which then count. */
export interface Commented {
  /** At most 128 bytes of text, which nft prints; without quotation marks and control characters, which it could not read again. */
  readonly comment?: string | undefined
  /**
   * The whole userdata, for what user space of other making keeps there; at most 256 bytes. A `comment` beside it is ignored. Listings have it where a `comment` alone would not
   * give the same bytes.
   */
  readonly userdata?: Uint8Array | undefined
}

/** NFTA_*_USERDATA for an object, or undefined. */
export function userdataOf(kind: keyof typeof COMMENT_TYPE, { comment, userdata }: Commented): Uint8Array | undefined {
  if (userdata !== undefined) return userdata
  return comment === undefined ? undefined : encodeUserdata([commentEntry('comment', COMMENT_TYPE[kind], comment)])
}

/**
 * Whether a comment alone, or nothing, gives the same bytes when it is written.
 *
 * @param rest Further entries that are written behind it.
 */
export function isOnlyComment(
  kind: keyof typeof COMMENT_TYPE,
  userdata: Uint8Array,
  comment: string | undefined,
  rest: readonly UserdataEntry[] = []
): boolean {
  if (comment !== undefined && !isQuotable(comment)) return false
  const entries = comment === undefined ? rest : [commentOf(COMMENT_TYPE[kind], Buffer.from(comment)), ...rest]
  return Buffer.compare(encodeUserdata(entries), userdata) === 0
}

/** The comment and, where that alone would not give them, the bytes of an object's userdata. */
export function commentedBy(kind: keyof typeof COMMENT_TYPE, userdata: Uint8Array | undefined): Commented {
  if (userdata === undefined || userdata.length === 0) return {}
  const comment = findComment(decodeUserdata(userdata), COMMENT_TYPE[kind])
  return { ...(comment === undefined ? {} : { comment }), ...(isOnlyComment(kind, userdata, comment) ? {} : { userdata }) }
}
