/**
 * Attributes of netlink, written one behind the other (include/uapi/linux/netlink.h, `struct nlattr`).
 */
import { Buffer } from 'node:buffer'
import { endianness } from 'node:os'

/** Whether this machine's numbers begin with their low byte. */
export const IS_LITTLE = endianness() === 'LE'

/** Bytes of an attribute's length and type. */
export const ATTRIBUTE_HEADER = 4
const NESTED = 0x8000
/** The largest length of an attribute, its header included. */
const MAX_ATTRIBUTE = 0xffff

/** Bytes of memory that are taken at a time. */
const CHUNK = 1 << 18
/** Texts up to this length are written letter by letter; to call out of the engine for each takes longer. */
const SHORT_TEXT = 64
const SHORT_BYTES = 32

/** Memory that grows by whole chunks: what is written is copied only where the chunk ends in its middle. */
export class AttributeBuffer {
  bytes: Uint8Array
  /** Where the next byte goes. */
  at = 0
  /** Where what is being written begins: it stays in one piece. */
  #start = 0
  #view: DataView

  constructor(size = 4096) {
    this.bytes = new Uint8Array(size)
    this.#view = new DataView(this.bytes.buffer)
  }

  /** Begins something that stays in one piece. */
  start(): void {
    this.#start = this.at
  }

  /** Takes back what was written since {@link AttributeBuffer.start}. */
  abandon(): void {
    this.at = this.#start
  }

  /** What was written since {@link AttributeBuffer.start}; further writing leaves it as it is. */
  finish(): { readonly bytes: Uint8Array; readonly from: number; readonly to: number } {
    return { bytes: this.bytes, from: this.#start, to: this.at }
  }

  /** Makes room. */
  reserve(count: number): void {
    if (this.at + count > this.bytes.length) this.#grow(count)
  }

  #grow(count: number): void {
    const held = this.at - this.#start
    const bytes = new Uint8Array(Math.max(Math.min(this.bytes.length * 2, CHUNK), 2 * (held + count)))
    bytes.set(this.bytes.subarray(this.#start, this.at))
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer)
    this.at = held
    this.#start = 0
  }

  /** Bytes since {@link AttributeBuffer.start}. */
  get length(): number {
    return this.at - this.#start
  }

  /** Room for a header of a whole, which {@link AttributeBuffer.setHeader} fills. */
  skip(count: number): void {
    this.reserve(count)
    this.bytes.fill(0, this.at, this.at + count)
    this.at += count
  }

  /** The header of what began with {@link AttributeBuffer.start}: its length, and bytes. */
  setHeader(first: number, second: number, third: number): void {
    this.#view.setUint32(this.#start, this.length, IS_LITTLE)
    this.bytes[this.#start + 4] = first
    this.bytes[this.#start + 5] = second
    this.bytes[this.#start + 6] = third
  }

  #header(length: number, type: number): void {
    this.reserve(length + 3)
    this.#view.setUint16(this.at, length, IS_LITTLE)
    this.#view.setUint16(this.at + 2, type, IS_LITTLE)
    this.at += ATTRIBUTE_HEADER
  }

  #pad(): void {
    while ((this.length & 3) !== 0) this.bytes[this.at++] = 0
  }

  /** A number of 1, 2 or 4 bytes; a negative one by its complement. */
  putNumber(type: number, width: number, isHost: boolean, value: number): void {
    this.#header(ATTRIBUTE_HEADER + width, type)
    const isLittle = isHost && IS_LITTLE
    if (width === 4) this.#view.setUint32(this.at, value, isLittle)
    else if (width === 2) this.#view.setUint16(this.at, value, isLittle)
    else this.bytes[this.at] = value
    this.at += width
    this.#pad()
  }

  /** A number of 8 bytes. */
  putBig(type: number, isHost: boolean, value: bigint): void {
    this.#header(ATTRIBUTE_HEADER + 8, type)
    this.#view.setBigUint64(this.at, value, isHost && IS_LITTLE)
    this.at += 8
  }

  /** A whole number of 8 bytes that a number can say. */
  putSafe(type: number, isHost: boolean, value: number): void {
    this.#header(ATTRIBUTE_HEADER + 8, type)
    const isLittle = isHost && IS_LITTLE
    this.#view.setUint32(this.at + (isLittle ? 4 : 0), Math.floor(value / 0x1_0000_0000), isLittle)
    this.#view.setUint32(this.at + (isLittle ? 0 : 4), value, isLittle)
    this.at += 8
  }

  /** Bytes as they are. */
  put(type: number, payload: Uint8Array): void {
    const { length } = payload
    this.#header(ATTRIBUTE_HEADER + length, type)
    if (length <= SHORT_BYTES) for (let index = 0; index < length; index++) this.bytes[this.at + index] = payload[index]!
    else this.bytes.set(payload, this.at)
    this.at += length
    this.#pad()
  }

  /** A text with its NUL. Returns false, with nothing written, where it is longer than `most` bytes or has a NUL of its own. */
  putText(type: number, text: string, most: number): boolean {
    const { length } = text
    if (length > SHORT_TEXT) return this.#putLong(type, text, most)
    const begin = this.at
    this.#header(ATTRIBUTE_HEADER + length + 1, type)
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index)
      if (code === 0 || code > 0x7f) {
        this.at = begin
        return this.#putLong(type, text, most)
      }
      this.bytes[this.at++] = code
    }
    this.bytes[this.at++] = 0
    this.#pad()
    if (length <= most) return true
    this.at = begin
    return false
  }

  #putLong(type: number, text: string, most: number): boolean {
    if (text.length > most || text.includes('\0')) return false
    const encoded = Buffer.from(`${text}\0`)
    if (encoded.length - 1 > most) return false
    this.put(type, encoded)
    return true
  }

  /** Begins an attribute that holds others. Returns what {@link AttributeBuffer.endNest} needs, which stays the same where the memory does not. */
  beginNest(type: number): number {
    const token = this.length
    this.#header(ATTRIBUTE_HEADER, type | NESTED)
    return token
  }

  /** Ends it. Returns false where it has become too long for an attribute. */
  endNest(token: number): boolean {
    const length = this.length - token
    if (length > MAX_ATTRIBUTE) return false
    this.#view.setUint16(this.#start + token, length, IS_LITTLE)
    return true
  }

  /** Whole attributes that another buffer has. */
  putRange({ bytes, from, to }: { readonly bytes: Uint8Array; readonly from: number; readonly to: number }): void {
    this.putRaw(bytes.subarray(from, to))
  }

  /** Bytes that are whole attributes already. */
  putRaw(attributes: Uint8Array): void {
    this.reserve(attributes.length)
    this.bytes.set(attributes, this.at)
    this.at += attributes.length
  }
}
