/**
 * The hash by which rules choose an endpoint for a client, as the kernel computes it.
 */
import { IS_LITTLE_ENDIAN } from '../../../nftables/datatypes.js'

/** JHASH_INITVAL, include/linux/jhash.h. */
const INITIAL = 0xdead_beef

/** How far words are rotated in __jhash_mix and __jhash_final. */
const MIX = [4, 6, 8, 16, 19, 4] as const
const FINAL = [14, 11, 25, 16, 4, 14, 24] as const

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by))

type Words = [number, number, number]

/** __jhash_mix: a, b and c take turns. */
function mix(words: Words): void {
  MIX.forEach((by, turn) => {
    const [to, from, next] = [turn % 3, (turn + 2) % 3, (turn + 1) % 3]
    words[to] = ((words[to]! - words[from]!) ^ rotate(words[from]!, by)) | 0
    words[from] = (words[from]! + words[next]!) | 0
  })
}

/** __jhash_final: c, a and b take turns. */
function finish(words: Words): void {
  FINAL.forEach((by, turn) => {
    const [to, from] = [(turn + 2) % 3, (turn + 1) % 3]
    words[to] = ((words[to]! ^ words[from]!) - rotate(words[from]!, by)) | 0
  })
}

/** `jhash` of include/linux/jhash.h: 32 bits, unsigned. Words before the last twelve bytes are in the byte order of the machine, the others in little endian. */
export function jhash(key: Uint8Array, seed: number): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  const start = (INITIAL + key.length + seed) | 0
  const words: Words = [start, start, start]
  let at = 0
  for (; key.length - at > 12; at += 12) {
    for (let word = 0; word < 3; word++) words[word] = (words[word]! + view.getUint32(at + 4 * word, IS_LITTLE_ENDIAN)) | 0
    mix(words)
  }
  if (at === key.length) return words[2] >>> 0
  for (let byte = 0; at + byte < key.length; byte++) words[byte >> 2] = (words[byte >> 2]! + (key[at + byte]! << (8 * (byte & 3)))) | 0
  finish(words)
  return words[2] >>> 0
}

/** What an expression `jhash … mod N seed S` gives: reciprocal_scale of nft_jhash_eval (net/netfilter/nft_hash.c). */
export function jhashModulus(key: Uint8Array, modulus: number, seed: number): number {
  return Number((BigInt(jhash(key, seed)) * BigInt(modulus)) >> 32n)
}
