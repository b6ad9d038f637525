/** Bytes that came and were not used yet. Pieces are put together only where there is something to read: a large object may come in many of them. */
export class Pending {
  #pieces: Buffer[] = []
  #length = 0
  #wanted: number

  /** @param wanted As of {@link Pending.want}. */
  constructor(wanted = 0) {
    this.#wanted = wanted
  }

  /** @returns Whether as many bytes are there as are wanted. */
  add(piece: Buffer): boolean {
    this.#pieces.push(piece)
    this.#length += piece.length
    return this.#length >= this.#wanted
  }

  /** All of them. */
  get bytes(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces, this.#length)]
    return this.#pieces[0]!
  }

  /** So many of the first ones are done with. */
  use(count: number): void {
    const rest = this.bytes.subarray(count)
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.#length = rest.length
  }

  /** With fewer bytes than these, and with those that are there now, nothing can be done. */
  want(length: number): void {
    this.#wanted = Math.max(length, this.#length + 1)
  }
}
