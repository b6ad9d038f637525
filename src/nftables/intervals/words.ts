/**
 * Keys as 32-bit words, most significant first: comparing a hundred thousand of them takes milliseconds, and the key before another one is one less.
 */

/** Words that a key of so many bytes takes. */
export function wordsOf(keyLength: number): number {
  return (keyLength + 3) >> 2
}

/** Writes the key that begins at `from` as words from `at` on. A first word of less than four bytes has zeros before them. */
export function writeWords(bytes: Uint8Array, from: number, keyLength: number, target: Uint32Array, at: number): void {
  let position = from
  let end = from + (((keyLength - 1) & 3) + 1)
  for (let word = at; word < at + wordsOf(keyLength); word++, end += 4) {
    let value = 0
    while (position < end) value = (value << 8) | bytes[position++]!
    target[word] = value
  }
}

/** The bytes of the key that {@link writeWords} wrote. */
export function readWords(source: Uint32Array, at: number, keyLength: number): Uint8Array {
  const bytes = new Uint8Array(keyLength)
  let word = at + wordsOf(keyLength) - 1
  for (let index = keyLength - 1, rest = source[word]!, left = 4; index >= 0; index--) {
    if (left === 0) {
      rest = source[--word]!
      left = 4
    }
    bytes[index] = rest & 0xff
    rest >>>= 8
    left--
  }
  return bytes
}

/** Below 0 where the key at `leftAt` is smaller than the one at `rightAt`, 0 where they are the same. */
export function compareWords(left: Uint32Array, leftAt: number, right: Uint32Array, rightAt: number, words: number): number {
  for (let word = 0; word < words; word++) {
    const difference = left[leftAt + word]! - right[rightAt + word]!
    if (difference !== 0) return difference
  }
  return 0
}

/** Whether the key is the first one there is. */
export function isZero(source: Uint32Array, at: number, words: number): boolean {
  for (let word = at; word < at + words; word++) if (source[word] !== 0) return false
  return true
}

/** Writes the key before the one at `from`, which must not be the first one. */
export function writePredecessor(source: Uint32Array, from: number, target: Uint32Array, at: number, words: number): void {
  let borrow = 1
  for (let word = words - 1; word >= 0; word--) {
    const value = source[from + word]!
    target[at + word] = value - borrow
    if (value !== 0) borrow = 0
  }
}

/** Writes the last key there is. */
export function writeLast(keyLength: number, target: Uint32Array, at: number): void {
  const words = wordsOf(keyLength)
  target.fill(0xffff_ffff, at, at + words)
  target[at] = 0xffff_ffff >>> (8 * (4 * words - keyLength))
}
