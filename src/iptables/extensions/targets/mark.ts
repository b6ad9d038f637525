/**
 * The target `MARK`: it changes the packet's mark. `struct xt_mark_tginfo2`, include/uapi/linux/netfilter/xt_mark.h.
 */
import { requireInteger } from '../../../core/checks.js'
import { extension, type OptionReader } from '../extension.js'
import { struct, u32 } from '../layout.js'

const ALL_BITS = 0xffff_ffff

/** What the target `MARK` does: it clears the bits of `mask`, then changes those of `value` (exclusive or). */
export interface MarkTargetOptions {
  /** 0 to 2^32 - 1. */
  readonly value: number
  /** 0 to 2^32 - 1; default: all bits, so that the mark becomes the value. */
  readonly mask?: number
}

/** What a line says of it. */
export interface MarkDraft {
  value?: number
  mask?: number
}

const layout = struct(8, { value: u32(0), mask: u32(4) })

/** A number of 32 bits as strtoul reads it: decimal, `0x` hexadecimal, `0` octal. */
function readNumber(word: string): number | undefined {
  if (!/^(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.test(word)) return undefined
  const number = /^0[0-7]+$/.test(word) ? Number.parseInt(word, 8) : Number(word)
  return number <= ALL_BITS ? number : undefined
}

/** One option that takes a value and, with `isMasked`, a mask behind it. */
function reader(apply: (value: number, mask: number) => Required<MarkDraft>, isMasked: boolean): OptionReader<MarkDraft> {
  return {
    values: 1,
    read: (draft, [word = ''], place) => {
      if (draft.value !== undefined) place.fail('one option of MARK only')
      const [value, mask, rest] = word.split('/')
      const read = [readNumber(value ?? ''), mask === undefined ? ALL_BITS : readNumber(mask)]
      const [first, second] = read
      if (first === undefined || second === undefined || rest !== undefined || (mask !== undefined && !isMasked))
        return place.fail(isMasked ? 'a number of 32 bits, or two with a slash between them' : 'a number of 32 bits', 0)
      Object.assign(draft, apply(first, second))
    }
  }
}

/** Bits of a number, without sign. */
const unsigned = (bits: number): number => bits >>> 0

/** `-j MARK --set-xmark VALUE/MASK`. */
export const MARK = extension<MarkTargetOptions, MarkDraft, 'MARK'>({
  kind: 'target',
  name: 'MARK',
  revision: 2,
  families: ['ip', 'ip6'],
  module: 'xt_mark',
  size: 8,
  encode: ({ value, mask = ALL_BITS }) =>
    layout.write({ value: requireInteger('value', value, 0, ALL_BITS), mask: requireInteger('mask', mask, 0, ALL_BITS) }),
  decode: (info) => {
    const read = layout.read(info)
    return read?.mask === ALL_BITS ? { value: read.value } : read
  },
  print: ({ value, mask = ALL_BITS }) => ['--set-xmark', `0x${value.toString(16)}/0x${mask.toString(16)}`],
  draft: () => ({}),
  options: {
    '--set-xmark': reader((value, mask) => ({ value, mask }), true),
    '--set-mark': reader((value, mask) => ({ value, mask: unsigned(value | mask) }), true),
    '--and-mark': reader((bits) => ({ value: 0, mask: unsigned(~bits) }), false),
    '--or-mark': reader((bits) => ({ value: bits, mask: bits }), false),
    '--xor-mark': reader((bits) => ({ value: bits, mask: 0 }), false)
  },
  finish: ({ value, mask }, _context, fail) => {
    if (value === undefined || mask === undefined) return fail('--set-xmark, --set-mark, --and-mark, --or-mark or --xor-mark')
    return mask === ALL_BITS ? { value } : { value, mask }
  }
})
