/**
 * `recent`: lists of addresses that were seen. Source: include/uapi/linux/netfilter/xt_recent.h, iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { requireAddress } from '../../../core/address.js'
import { ValidationError } from '../../../core/errors.js'
import type { IptablesFamily } from '../../types.js'
import { ADDRESS, addressText, inetAddress } from '../addresses.js'
import type { ExtensionContext, OptionReader } from '../extension.js'
import { flagBits, flagFrom, present } from '../flags.js'
import { invertible, splitInvertible, type Invertible } from '../invertible.js'
import { requireName } from '../names.js'
import { bytes, struct, text, u32, u8 } from '../layout.js'
import { flagOption, integerWord, printFlag, printOption, textWord, valueOption, type Word } from '../words.js'
import { match, type Drafted } from './match.js'

/** What is done with the list. */
export type RecentAction = 'set' | 'rcheck' | 'update' | 'remove'

/** Options of the match `recent`. */
export interface RecentOptions {
  /** `set` adds the address; `rcheck` asks whether it is in the list, `update` notes that it was seen too, `remove` takes it out. */
  readonly action: Invertible<RecentAction>
  /** Only addresses seen within so many seconds; at least 1. */
  readonly seconds?: number
  /** Takes addresses out that were seen before `seconds`, which it needs. */
  readonly reap?: boolean
  /** Only addresses seen so many times, at least 1; the kernel refuses more than its module remembers of each (`ip_pkt_list_tot`), 255 at most. */
  readonly hitCount?: number
  /** Only packets whose TTL is that of the packet that set the address; not with `set` and `remove`. */
  readonly ttl?: boolean
  /** The list, 1–199 bytes; default: `DEFAULT`. */
  readonly name?: string
  /** What is left of addresses before they are noted; revision 1; default: all of them. */
  readonly mask?: string
  /** Whose address; default: `source`. */
  readonly side?: 'source' | 'destination'
}

const ACTIONS = { rcheck: 1, set: 2, update: 4, remove: 8 } as const
const MODIFIERS = { ttl: 0x10, reap: 0x20 } as const
const ALL_ACTIONS = 0xf
const SIDES = ['source', 'destination'] as const

const NAME_OFFSET = 10
const NAME_LENGTH = 200
const DEFAULT_NAME = 'DEFAULT'
const MAX_COUNT = 0xffff_ffff

const fields = {
  seconds: u32(0),
  hitCount: u32(4),
  bits: u8(8),
  isInverted: u8(9),
  name: text(NAME_OFFSET, NAME_LENGTH),
  nameBytes: bytes(NAME_OFFSET, NAME_LENGTH),
  side: u8(210)
}
const FIRST = struct(212, fields)
const MASK_OFFSET = 212
const SECOND = struct(228, { ...fields, mask: inetAddress(MASK_OFFSET) })

const NAME = textWord(NAME_LENGTH - 1)
const SECONDS = integerWord(1, MAX_COUNT)
const COUNT = integerWord(0, MAX_COUNT)

/** The name as iptables writes it: over the default one, of which what is longer stays after the NUL. */
function nameBytesOf(name: string): Uint8Array {
  const field = Buffer.alloc(NAME_LENGTH)
  field.write(DEFAULT_NAME)
  field.write(`${name}\0`)
  return field
}

/** What stands for bytes that are no UTF-8. */
const REPLACEMENT = '\ufffd'

function infoOf(options: RecentOptions) {
  const { seconds, hitCount, name = DEFAULT_NAME, side = 'source' } = options
  const { value: action, isInverted } = splitInvertible(options.action)
  if (!Object.hasOwn(ACTIONS, action)) throw new ValidationError('action', options.action, 'set, rcheck, update or remove')
  const modifiers = flagBits(MODIFIERS, options)
  if ((modifiers & MODIFIERS.reap) !== 0 && seconds === undefined) throw new ValidationError('reap', true, 'nothing without seconds')
  if ((modifiers & MODIFIERS.ttl) !== 0 && (action === 'set' || action === 'remove'))
    throw new ValidationError('ttl', true, 'nothing beside set and remove')
  if (!SIDES.includes(side)) throw new ValidationError('side', side, 'source or destination')
  return {
    seconds: seconds === undefined ? 0 : requireInteger('seconds', seconds, 1, MAX_COUNT),
    hitCount: hitCount === undefined ? 0 : requireInteger('hitCount', hitCount, 1, MAX_COUNT),
    bits: ACTIONS[action] | modifiers,
    isInverted: Number(isInverted),
    nameBytes: nameBytesOf(requireName('name', name, NAME_LENGTH - 1)),
    side: SIDES.indexOf(side)
  }
}

type Info = NonNullable<ReturnType<typeof FIRST.read>>

function optionsFrom(read: Info, mask: string | undefined): RecentOptions | undefined {
  const action = (Object.keys(ACTIONS) as RecentAction[]).find((name) => ACTIONS[name] === (read.bits & ALL_ACTIONS))
  if (action === undefined || read.name.includes(REPLACEMENT)) return undefined
  return present<RecentOptions>({
    action: invertible(action, read.isInverted !== 0),
    seconds: read.seconds === 0 ? undefined : read.seconds,
    reap: flagFrom(read.bits, MODIFIERS.reap),
    hitCount: read.hitCount === 0 ? undefined : read.hitCount,
    ttl: flagFrom(read.bits, MODIFIERS.ttl),
    name: read.name,
    mask,
    side: SIDES[read.side]
  })
}

/** The mask of revision 1: all 16 bytes unless one is given, which has those of its family. */
function maskOf(mask: string | undefined, { family }: ExtensionContext): Uint8Array {
  return mask === undefined ? new Uint8Array(16).fill(0xff) : requireAddress('mask', mask, family)
}

/** A signed number, as iptables-save prints these. */
const SIGNED: Pick<Word<number>, 'print'> = { print: (value) => String(value | 0) }

function printHead({ action, seconds, reap, hitCount, ttl, name = DEFAULT_NAME }: RecentOptions): string[] {
  const { value, isInverted } = splitInvertible(action)
  return [
    ...printFlag(`--${value}`, isInverted ? { not: true } : true),
    ...printOption('--seconds', seconds, SIGNED),
    ...printFlag('--reap', reap),
    ...printOption('--hitcount', hitCount, SIGNED),
    ...printFlag('--rttl', ttl),
    '--name',
    name
  ]
}

function printSide({ side = 'source' }: RecentOptions): string {
  return side === 'source' ? '--rsource' : '--rdest'
}

type Draft = Drafted<RecentOptions>

function actionOption(action: RecentAction): OptionReader<Draft> {
  return {
    values: 0,
    isInvertible: true,
    read: (draft, _, place) => {
      if (draft.action !== undefined) place.fail('one of --set, --rcheck, --update and --remove, once')
      draft.action = invertible(action, place.isInverted)
    }
  }
}

/** The last one counts, as iptables has it. */
function sideOption(side: 'source' | 'destination'): OptionReader<Draft> {
  return { values: 0, read: (draft) => void (draft.side = side) }
}

const OPTIONS: Readonly<Record<string, OptionReader<Draft>>> = {
  '--set': actionOption('set'),
  '--rcheck': actionOption('rcheck'),
  '--update': actionOption('update'),
  '--remove': actionOption('remove'),
  '--seconds': valueOption('seconds', SECONDS),
  '--reap': flagOption('reap'),
  '--hitcount': valueOption('hitCount', COUNT),
  '--rttl': flagOption('ttl'),
  '--name': valueOption('name', NAME),
  '--rsource': sideOption('source'),
  '--rdest': sideOption('destination')
}

const common = {
  name: 'recent' as const,
  families: ['ip', 'ip6'],
  module: 'xt_recent',
  // Others write nothing after the name.
  idleBytes: [[NAME_OFFSET, NAME_LENGTH]],
  draft: (): Draft => ({}),
  finish: (draft: Draft, _: ExtensionContext, fail: (allowed: string) => never): RecentOptions => {
    const { action = fail('--set, --rcheck, --update or --remove'), hitCount, ...rest } = draft
    const name = splitInvertible(action).value
    if (rest.reap && rest.seconds === undefined) fail('--seconds beside --reap')
    if (rest.ttl && (name === 'set' || name === 'remove')) fail('--rcheck or --update beside --rttl')
    return { action, ...rest, ...(hitCount === undefined || hitCount === 0 ? {} : { hitCount }) }
  }
} as const

/** Revision 0, without a mask. */
export const RECENT_0 = match<'recent', RecentOptions>({
  ...common,
  revision: 0,
  size: FIRST.size,
  fields: ['action', 'seconds', 'reap', 'hitCount', 'ttl', 'name', 'side'],
  encode: (options) => FIRST.write(infoOf(options)),
  decode: (info) => {
    const read = FIRST.read(info)
    return read && optionsFrom(read, undefined)
  },
  print: (options) => [...printHead(options), printSide(options)],
  options: OPTIONS
})

/** Revision 1, which of IPv4 has more bytes in its mask than addresses have: iptables fills them where no mask is given, and not where one is. */
const revision1 = (family: IptablesFamily) =>
  match<'recent', RecentOptions>({
    ...common,
    revision: 1,
    families: [family],
    size: SECOND.size,
    kernelBytes: family === 'ip' ? [[MASK_OFFSET + 4, 12]] : [],
    fields: ['action', 'seconds', 'reap', 'hitCount', 'ttl', 'name', 'mask', 'side'],
    encode: (options, context) => SECOND.write({ ...infoOf(options), mask: maskOf(options.mask, context) }),
    decode: (info, { family }) => {
      const read = SECOND.read(info)
      const isWhole = read?.mask.every((byte) => byte === 0xff)
      return read && optionsFrom(read, isWhole ? undefined : addressText(read.mask, family))
    },
    print: (options, context) => {
      const mask = new Uint8Array(16)
      mask.set(maskOf(options.mask, context))
      return [...printHead(options), '--mask', addressText(mask, context.family), printSide(options)]
    },
    options: { ...OPTIONS, '--mask': valueOption('mask', ADDRESS) }
  })

/** Revision 1; the families differ in what of the mask says something. */
export const RECENT_1 = [revision1('ip'), revision1('ip6')] as const
