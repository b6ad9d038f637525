/**
 * The target CONNMARK: the mark of a connection is set, or copied from the packet's mark, or to it. net/netfilter/xt_connmark.c,
 * include/uapi/linux/netfilter/xt_connmark.h, iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { extension, type OptionReader } from '../extension.js'
import { struct, u32, u8 } from '../layout.js'
import { present } from '../flags.js'
import { MARK_WORD, markOf, requireMark, type MarkMatch } from '../marks.js'
import { flagOption, integerWord, valueOption, type Word } from '../words.js'
import { codec, type CodecRules } from './codec.js'
import { hex, MAX_U32, note, requireNumber } from './words.js'

/** Shifts the mark that is written, since Linux 4.17. */
export interface ConnmarkShift {
  readonly direction: 'left' | 'right'
  /** 1–31: the kernel refuses more. */
  readonly bits: number
}

/** The connection's mark is set. */
export interface SetConnmark {
  readonly mode: 'set'
  /** What it becomes; with a mask, `(old & ~mask) ^ value`. */
  readonly mark: MarkMatch
  readonly shift?: ConnmarkShift
}

/** `save`: bits of the packet's mark go to the connection's; `restore`: bits of the connection's to the packet's. */
export interface CopyConnmark {
  readonly mode: 'save' | 'restore'
  /** Bits of the packet's mark: those that are copied (`save`), or replaced (`restore`). Default: all. */
  readonly packetMask?: number
  /** Bits of the connection's mark: those that are replaced (`save`), or copied (`restore`). Default: all. */
  readonly connectionMask?: number
  readonly shift?: ConnmarkShift
}

/** What is done with the mark. */
export type ConnmarkOptions = SetConnmark | CopyConnmark

/** XT_CONNMARK_*. */
const MODES = ['set', 'save', 'restore'] as const
/** The values of `shift_dir`. */
const DIRECTIONS = ['left', 'right'] as const

interface Values {
  readonly ctmark: number
  readonly ctmask: number
  readonly nfmask: number
  readonly mode: number
  readonly direction?: number
  readonly bits?: number
}

const MARKS = { ctmark: u32(0), ctmask: u32(4), nfmask: u32(8) }

/** Both directions for revision 1, which has no shift, and revision 2. */
const rules: Omit<CodecRules<ConnmarkOptions, Values>, 'layout'> = {
  names: ['mode', 'mark', 'packetMask', 'connectionMask', 'shift'] as unknown as readonly (keyof ConnmarkOptions)[],
  toValues: (options) => ({ ...marks(options), ...shiftValues(options.shift) }),
  toOptions: ({ ctmark, ctmask, nfmask, mode, direction = 0, bits = 0 }) => {
    const name = MODES[mode]
    if (name === undefined) return undefined
    const shift = bits === 0 ? undefined : { direction: DIRECTIONS[direction] ?? 'left', bits }
    if (name === 'set') return present<SetConnmark>({ mode: name, mark: markOf(ctmark, ctmask), shift })
    return present<CopyConnmark>({ mode: name, packetMask: nfmask, connectionMask: ctmask, shift })
  }
}

/** @throws {ValidationError} */
function marks(options: ConnmarkOptions): Omit<Values, 'direction' | 'bits'> {
  if (!MODES.includes(options.mode)) throw new ValidationError('mode', options.mode, MODES.join(', '))
  const mode = MODES.indexOf(options.mode)
  const all = options as Partial<Omit<SetConnmark, 'mode'> & Omit<CopyConnmark, 'mode'>>
  refuseOthers(all, options.mode === 'set' ? ['packetMask', 'connectionMask'] : ['mark'], options.mode)
  if (options.mode === 'set') {
    const { value, mask } = requireMark('mark', options.mark)
    return { mode, ctmark: value, ctmask: mask, nfmask: MAX_U32 }
  }
  return {
    mode,
    ctmark: 0,
    ctmask: bits32('connectionMask', options.connectionMask ?? MAX_U32),
    nfmask: bits32('packetMask', options.packetMask ?? MAX_U32)
  }
}

function bits32(path: string, value: unknown): number {
  return requireInteger(path, value, 0, MAX_U32)
}

/** Refuses what belongs to another mode. @throws {ValidationError} */
function refuseOthers(options: object, names: readonly string[], mode: string): void {
  for (const [name, value] of Object.entries(options))
    if (names.includes(name) && value !== undefined) throw new ValidationError(name, value, `nothing of that kind in mode ${mode}`)
}

/** @throws {ValidationError} */
function shiftValues(shift: ConnmarkShift | undefined): Pick<Values, 'direction' | 'bits'> {
  if (shift === undefined) return {}
  if (!DIRECTIONS.includes(shift.direction)) throw new ValidationError('shift.direction', shift.direction, DIRECTIONS.join(', '))
  return { direction: DIRECTIONS.indexOf(shift.direction), bits: requireInteger('shift.bits', shift.bits, 1, 31) }
}

/** What a line says: at most one of the first three. */
export interface ConnmarkDraft {
  set?: MarkMatch
  save?: boolean
  restore?: boolean
  nfmask?: number
  ctmask?: number
  mask?: number
  shift?: ConnmarkShift
}

const BITS = integerWord(0, MAX_U32)

/** An option of which a mark and a mask are made. */
function setOption<Value>({ allowed, read }: Word<Value>, toMark: (value: Value) => MarkMatch): OptionReader<ConnmarkDraft> {
  return {
    values: 1,
    read: (draft, [word = ''], place) => note(draft, 'set', toMark(read(word) ?? place.fail(allowed, 0)), place)
  }
}

function shiftOption(direction: ConnmarkShift['direction']): OptionReader<ConnmarkDraft> {
  return {
    values: 1,
    read: (draft, [word = ''], place) => note(draft, 'shift', { direction, bits: requireNumber(word, 0, 31, place) }, place)
  }
}

const options: Readonly<Record<string, OptionReader<ConnmarkDraft>>> = {
  '--set-xmark': setOption(MARK_WORD, (mark) => mark),
  '--set-mark': setOption(MARK_WORD, (mark) => {
    const { value, mask } = requireMark('mark', mark)
    return markOf(value, (value | mask) >>> 0)
  }),
  '--and-mark': setOption(BITS, (value) => markOf(0, ~value >>> 0)),
  '--or-mark': setOption(BITS, (value) => markOf(value, value)),
  '--xor-mark': setOption(BITS, (value) => markOf(value, 0)),
  '--save-mark': flagOption('save'),
  '--restore-mark': flagOption('restore'),
  '--nfmask': valueOption('nfmask', BITS),
  '--ctmask': valueOption('ctmask', BITS),
  '--mask': valueOption('mask', BITS)
}

const SHIFTS = { '--left-shift-mark': shiftOption('left'), '--right-shift-mark': shiftOption('right') }

function finish(draft: ConnmarkDraft, fail: (allowed: string) => never): ConnmarkOptions {
  const { set, save, restore, nfmask, ctmask, mask } = draft
  const isCopy = save === true || restore === true
  if (Number(set !== undefined) + Number(save === true) + Number(restore === true) !== 1)
    return fail('one of --set-xmark, --set-mark, --and-mark, --or-mark, --xor-mark, --save-mark, --restore-mark')
  const hasMasks = nfmask !== undefined || ctmask !== undefined
  if (!isCopy && (hasMasks || mask !== undefined)) return fail('--nfmask, --ctmask and --mask only beside --save-mark or --restore-mark')
  if (hasMasks && mask !== undefined) return fail('--mask, or --nfmask and --ctmask')
  const shift = draft.shift?.bits === 0 ? undefined : draft.shift
  if (set !== undefined) return present<SetConnmark>({ mode: 'set', mark: set, shift })
  const masks = { packetMask: mask ?? nfmask ?? MAX_U32, connectionMask: mask ?? ctmask ?? MAX_U32 }
  return present<CopyConnmark>({ mode: save === true ? 'save' : 'restore', ...masks, shift })
}

function print(given: ConnmarkOptions): string[] {
  const { shift } = given
  const shifted = shift === undefined ? [] : [`--${shift.direction}-shift-mark`, `${shift.bits}`]
  if (given.mode === 'set') {
    const { value, mask } = requireMark('mark', given.mark)
    return ['--set-xmark', `${hex(value)}/${hex(mask)}`, ...shifted]
  }
  const masks = ['--nfmask', hex(given.packetMask ?? MAX_U32), '--ctmask', hex(given.connectionMask ?? MAX_U32)]
  return [`--${given.mode}-mark`, ...masks, ...shifted]
}

const common = {
  kind: 'target',
  name: 'CONNMARK',
  families: ['ip', 'ip6'],
  module: 'xt_connmark',
  print,
  draft: (): ConnmarkDraft => ({}),
  finish: (draft: ConnmarkDraft, _context: unknown, fail: (allowed: string) => never): ConnmarkOptions => finish(draft, fail)
} as const

/** Its revisions; iptables 1.8.9 writes the last one. */
export const CONNMARK = [
  extension<ConnmarkOptions, ConnmarkDraft, 'CONNMARK'>({
    ...common,
    revision: 1,
    ...codec({
      ...rules,
      layout: struct<typeof MARKS & { mode: ReturnType<typeof u8> }>(16, { ...MARKS, mode: u8(12) }),
      check: refuseShift
    }),
    options
  }),
  extension<ConnmarkOptions, ConnmarkDraft, 'CONNMARK'>({
    ...common,
    revision: 2,
    ...codec({ ...rules, layout: struct(16, { ...MARKS, direction: u8(12), bits: u8(13), mode: u8(14) }) }),
    options: { ...options, ...SHIFTS }
  })
] as const

/** @throws {ValidationError} Revision 1 has no shift. */
function refuseShift({ shift }: ConnmarkOptions): void {
  if (shift !== undefined) throw new ValidationError('shift', shift, 'no shift: only revision 2 has one')
}
