/**
 * Registers of a rule: 64 bytes, handed out in units of 4 from the front, as nft does it (nftables, src/netlink_linearize.c), so that both write the same numbers.
 */
import { ValidationError } from '../../core/errors.js'

const UNIT_BYTES = 4
const UNITS = 16
const UNITS_OF_REGISTER = 4
const NFT_REG_1 = 1
const NFT_REG32_00 = 8
/** Bytes of the registers 1–4. */
export const REGISTER_BYTES = 16
/** NFT_REG_VERDICT. */
export const VERDICT_REGISTER = 0

/** A run of registers, by its first unit. */
export type RegisterUnit = number

/** Units that a value of this many bytes takes. */
export function unitsOf(bytes: number): number {
  return Math.ceil(bytes / UNIT_BYTES)
}

/**
 * The number of a register: 1–4 where a unit begins one of the 16-byte registers, 8–23 elsewhere. The kernel lists them so.
 */
export function registerNumber(unit: RegisterUnit): number {
  return unit % UNITS_OF_REGISTER === 0 ? NFT_REG_1 + unit / UNITS_OF_REGISTER : NFT_REG32_00 + unit
}

/** Which registers are in use while one statement is compiled. */
export class RegisterFile {
  #next: RegisterUnit = 0

  /** Takes registers for this many bytes. @throws {ValidationError} Where there are not as many. */
  take(bytes: number): RegisterUnit {
    const unit = this.#next
    this.#next += unitsOf(bytes)
    if (this.#next > UNITS)
      throw new ValidationError('statement', `${this.#next * UNIT_BYTES} bytes of registers`, `at most ${UNITS * UNIT_BYTES} bytes at once`)
    return unit
  }

  /** Runs `work` and gives back whatever it took. */
  scope<T>(work: () => T): T {
    const before = this.#next
    try {
      return work()
    } finally {
      this.#next = before
    }
  }
}
