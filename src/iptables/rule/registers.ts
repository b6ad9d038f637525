/**
 * What registers hold while the expressions of a rule are read.
 */
import type { MetaKey, PayloadExpression } from '../../nftables/expressions.js'

/** What was loaded into a register. */
export type Loaded =
  | { readonly kind: 'meta'; readonly key: MetaKey; readonly mask?: Uint8Array }
  | {
      readonly kind: 'payload'
      readonly base: PayloadExpression['base']
      readonly offset: number
      readonly length: number
      readonly mask?: Uint8Array
    }
  | { readonly kind: 'data'; readonly data: Uint8Array }

/** A rule that iptables does not know; `message` says what of it. */
export class ForeignRule extends Error {}

/** NFT_REG32_00: the registers from here on are the 4-byte parts of the others, which begin with NFT_REG_1. */
const FIRST_PART = 8
const PARTS = 4

/** The registers of one rule. */
export class Registers {
  readonly #loaded = new Map<number, Loaded>()

  /** Notes what was loaded. */
  put(register: number, loaded: Loaded): void {
    this.#loaded.set(this.#part(register), loaded)
  }

  /** What a register holds. @throws {ForeignRule} Nothing was loaded. */
  get(register: number): Loaded {
    const loaded = this.#loaded.get(this.#part(register))
    if (loaded === undefined) throw new ForeignRule(`register ${register}, into which nothing was loaded`)
    return loaded
  }

  /** The first 4-byte part of a register. */
  #part(register: number): number {
    return register >= FIRST_PART ? register : FIRST_PART + (register - 1) * PARTS
  }
}
