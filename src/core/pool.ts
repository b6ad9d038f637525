/**
 * Memory for many small typed arrays.
 */

/** Bytes that are taken from the system at a time. */
const SLAB = 1 << 16
/** Typed arrays up to this length lie in V8's own heap, where they cost nothing more (`--typed-array-max-size-in-heap`). */
const MAX_IN_HEAP = 64
/** So that numbers of 8 bytes can be read. */
const ALIGNMENT = 8

let slab = new ArrayBuffer(0)
let used = 0

/**
 * Zeros. Memory of its own for each array is what the garbage collector spends most time with, so that many share a piece of it: the piece stays while one of them is held.
 *
 * @param length At least 0. What is long gets memory of its own.
 */
export function zeros(length: number): Uint8Array<ArrayBuffer> {
  if (length <= MAX_IN_HEAP || length > SLAB / 8) return new Uint8Array(length)
  if (used + length > slab.byteLength) {
    slab = new ArrayBuffer(SLAB)
    used = 0
  }
  const bytes = new Uint8Array(slab, used, length)
  used = Math.ceil((used + length) / ALIGNMENT) * ALIGNMENT
  return bytes
}
