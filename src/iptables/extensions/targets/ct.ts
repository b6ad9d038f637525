/**
 * The target CT: how connections that begin with the packet are tracked; and NOTRACK, that they are not. net/netfilter/xt_CT.c,
 * include/uapi/linux/netfilter/xt_CT.h, iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { extension, type Extension, type OptionPlace, type OptionReader } from '../extension.js'
import { struct, text, u16, u32, type Struct } from '../layout.js'
import { bitNames, type BitNames, type OneOrMore } from '../bits.js'
import { flagBits, flagFrom, present } from '../flags.js'
import { requireName } from '../names.js'
import { flagOption, printFlag, printOption, readInteger, textWord, valueOption } from '../words.js'
import { codec, emptyCodec, type Codec } from './codec.js'
import { note, type Draft } from './words.js'

/** The bits of events, IPCT_* of include/uapi/linux/netfilter/nf_conntrack_common.h, by the words of iptables. */
const EVENT_BITS = {
  new: 1 << 0,
  related: 1 << 1,
  destroy: 1 << 2,
  reply: 1 << 3,
  assured: 1 << 4,
  protoinfo: 1 << 5,
  helper: 1 << 6,
  mark: 1 << 7,
  natseqinfo: 1 << 8,
  secmark: 1 << 9
} as const

/** IPEXP_*. */
const EXPECTATION_EVENT_BITS = { new: 1 << 0 } as const

/** What happens to a connection. */
export type CtEvent = keyof typeof EVENT_BITS

/** What happens to expectations of a connection. */
export type CtExpectationEvent = keyof typeof EXPECTATION_EVENT_BITS

const EVENTS = bitNames<CtEvent>(EVENT_BITS)
const EXPECTATION_EVENTS = bitNames<CtExpectationEvent>(EXPECTATION_EVENT_BITS)

const DIRECTIONS = ['original', 'reply'] as const

/** XT_CT_*. */
const FLAGS = { notrack: 1, alias: 2, original: 4, reply: 8, markedZone: 16 } as const

/** How connections are tracked. */
export interface CtOptions {
  /** They are not. */
  readonly noTrack?: boolean
  /** The helper of conntrack that looks into them: `ftp`; at most 15 bytes. The rule must ask for its protocol. */
  readonly helper?: string
  /** The timeout policy that they have, since Linux 3.4; at most 31 bytes. The rule must ask for its protocol. */
  readonly timeout?: string
  /** Which of their events are told; absent: all. */
  readonly events?: OneOrMore<CtEvent>
  /** Which events of their expectations are told; absent: all. */
  readonly expectationEvents?: OneOrMore<CtExpectationEvent>
  /** The zone that they are in, 0–65535, or `mark`: that of the packet's mark. */
  readonly zone?: number | 'mark'
  /** The one direction of which the zone is; absent: both. */
  readonly zoneDirection?: 'original' | 'reply'
}

interface Values {
  readonly flags: number
  readonly zone: number
  readonly events: number
  readonly expectationEvents: number
  readonly helper: string
  readonly timeout?: string
}

const MAX_HELPER = 15
const MAX_TIMEOUT = 31

const FIELDS = { flags: u16(0), zone: u16(2), events: u32(4), expectationEvents: u32(8), helper: text(12, MAX_HELPER + 1) }

/** `xt_ct_target_info`, whose last eight bytes are a pointer of the kernel. */
const INFO: Struct<Values> = struct(40, FIELDS)
/** `xt_ct_target_info_v1`, the same. */
const INFO_V1: Struct<Values> = struct(72, { ...FIELDS, timeout: text(28, MAX_TIMEOUT + 1) })

function ctCodec(layout: Struct<Values>): Codec<CtOptions> {
  return codec<CtOptions, Values>({
    layout,
    names: ['noTrack', 'helper', 'timeout', 'events', 'expectationEvents', 'zone', 'zoneDirection'],
    toValues: (options) => ({
      flags: flagsOf(options),
      zone: options.zone === 'mark' ? 0 : requireInteger('zone', options.zone ?? 0, 0, 0xffff),
      events: eventBits('events', options.events, EVENTS),
      expectationEvents: eventBits('expectationEvents', options.expectationEvents, EXPECTATION_EVENTS),
      helper: options.helper === undefined ? '' : requireName('helper', options.helper, MAX_HELPER),
      timeout: options.timeout === undefined ? '' : requireName('timeout', options.timeout, MAX_TIMEOUT)
    }),
    check: ({ timeout }) => {
      if (layout === INFO && timeout !== undefined) throw new ValidationError('timeout', timeout, 'none: revision 0 has no timeout')
    },
    toOptions: ({ flags, zone, events, expectationEvents, helper, timeout = '' }) => {
      const named = [events === 0 ? undefined : EVENTS.namesOf(events), zone === 0 ? undefined : zone] as const
      return present<CtOptions>({
        noTrack: flagFrom(flags, FLAGS.notrack),
        helper: helper === '' ? undefined : helper,
        timeout: timeout === '' ? undefined : timeout,
        events: named[0],
        expectationEvents: expectationEvents === 0 ? undefined : EXPECTATION_EVENTS.namesOf(expectationEvents),
        zone: (flags & FLAGS.markedZone) === 0 ? named[1] : 'mark',
        zoneDirection: directionOf(flags)
      })
    }
  })
}

function directionOf(flags: number): CtOptions['zoneDirection'] {
  if ((flags & FLAGS.original) !== 0) return 'original'
  return (flags & FLAGS.reply) === 0 ? undefined : 'reply'
}

/** @throws {ValidationError} */
function flagsOf({ noTrack, zone, zoneDirection }: CtOptions): number {
  if (zoneDirection !== undefined && !DIRECTIONS.includes(zoneDirection))
    throw new ValidationError('zoneDirection', zoneDirection, DIRECTIONS.join(', '))
  return flagBits(FLAGS, {
    notrack: noTrack,
    markedZone: zone === 'mark',
    original: zoneDirection === 'original',
    reply: zoneDirection === 'reply'
  })
}

/** @throws {ValidationError} No events, which would be all of them. */
function eventBits<Event extends string>(path: string, events: OneOrMore<Event> | undefined, names: BitNames<Event>): number {
  if (events === undefined) return 0
  const mask = names.require(path, events)
  if (mask === 0) throw new ValidationError(path, events, names.allowed)
  return mask
}

function zoneOption(direction?: 'original' | 'reply'): OptionReader<Draft<CtOptions>> {
  const read = (draft: Draft<CtOptions>, [word = '']: readonly string[], place: OptionPlace): void => {
    const zone = word.toLowerCase() === 'mark' ? 'mark' : readInteger(word, 0, 0xffff)
    note(draft, 'zone', zone ?? place.fail('mark, or a zone from 0 to 65535', 0), place)
    if (direction !== undefined) draft.zoneDirection = direction
  }
  return { values: 1, read }
}

const options: Readonly<Record<string, OptionReader<Draft<CtOptions>>>> = {
  '--notrack': flagOption('noTrack'),
  '--helper': valueOption('helper', textWord(MAX_HELPER)),
  '--ctevents': valueOption('events', EVENTS),
  '--expevents': valueOption('expectationEvents', EXPECTATION_EVENTS),
  '--zone': zoneOption(),
  '--zone-orig': zoneOption('original'),
  '--zone-reply': zoneOption('reply')
}

/** iptables-save prints no zone 0, of whichever direction. */
function printZone({ zone, zoneDirection }: CtOptions): string[] {
  if (zone === undefined || zone === 0) return []
  const suffix = zoneDirection === undefined ? '' : zoneDirection === 'original' ? '-orig' : '-reply'
  return [`--zone${suffix}`, `${zone}`]
}

function print(given: CtOptions): string[] {
  return [
    ...printFlag('--notrack', given.noTrack),
    ...printOption('--helper', given.helper, TEXT),
    ...printOption('--timeout', given.timeout, TEXT),
    ...printOption('--ctevents', given.events, EVENTS),
    ...printOption('--expevents', given.expectationEvents, EXPECTATION_EVENTS),
    ...printZone(given)
  ]
}

/** Texts are printed as they are. */
const TEXT = { print: String }

const common = {
  kind: 'target',
  name: 'CT',
  families: ['ip', 'ip6'],
  tables: ['raw'],
  module: 'xt_CT',
  print,
  draft: (): Draft<CtOptions> => ({}),
  finish: (draft: Draft<CtOptions>): CtOptions => draft
} as const

function revision(number: 1 | 2) {
  return extension<CtOptions, Draft<CtOptions>, 'CT'>({
    ...common,
    revision: number,
    kernelBytes: [[64, 8]],
    ...ctCodec(INFO_V1),
    options: { ...options, '--timeout': valueOption('timeout', textWord(MAX_TIMEOUT)) }
  })
}

/** Its revisions; iptables 1.8.9 writes the last one. In revision 2, what NOTRACK wrote is left to {@link NOTRACK}. */
export const CT = [
  extension<CtOptions, Draft<CtOptions>, 'CT'>({ ...common, revision: 0, kernelBytes: [[32, 8]], ...ctCodec(INFO), options }),
  revision(1),
  revision(2)
] as const

/** NOTRACK has no options: connections are not tracked. */
export type NotrackOptions = object

const notrack = {
  kind: 'target',
  families: ['ip', 'ip6'],
  tables: ['raw'],
  module: 'xt_CT',
  print: (): string[] => [],
  draft: (): NotrackOptions => ({}),
  options: {},
  finish: (): NotrackOptions => ({})
} as const

/** As iptables writes it since 1.4.17: a CT with a flag by which it is told apart. */
const asCt = extension<NotrackOptions, NotrackOptions, 'CT'>({
  ...notrack,
  name: 'CT',
  alias: 'NOTRACK',
  revision: 2,
  kernelBytes: [[64, 8]],
  ...codec<NotrackOptions, Values>({
    layout: INFO_V1,
    names: [],
    toValues: () => ({ flags: FLAGS.notrack | FLAGS.alias, helper: '', timeout: '' }),
    toOptions: () => ({})
  })
})

/**
 * Its revisions: the kernel's own target, which has no structure, and the last revision of CT, which iptables 1.8.9 writes. The type names both by the word of the command
 * line, by which callers tell targets apart.
 */
export const NOTRACK = [
  extension<NotrackOptions, NotrackOptions, 'NOTRACK'>({ ...notrack, name: 'NOTRACK', revision: 0, ...emptyCodec }),
  asCt as unknown as Extension<NotrackOptions, NotrackOptions, 'NOTRACK'>
] as const
