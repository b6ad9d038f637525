/**
 * The target SET: sets of ipset take the packet's addresses and ports, or give them up. net/netfilter/xt_set.c, include/uapi/linux/netfilter/xt_set.h,
 * iptables-extensions(8).
 */
import { isText, requireInteger, requireKnown, requireObject } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { extension, type ExtensionContext, type OptionReader } from '../extension.js'
import { struct, u16, u32, u8, type Field, type Struct } from '../layout.js'
import { flagBits, present } from '../flags.js'
import type { SetSide } from '../matches/set.js'
import { flagOption, integerWord, valueOption } from '../words.js'
import { codec, type Given } from './codec.js'
import { MAX_U32, note, type Draft } from './words.js'

/** A set, and what of the packet is looked up, added or removed. */
export interface SetUse {
  /** The set's name, at most 31 bytes; or its index, 0–65534. */
  readonly set: string | number
  /** Whose address or port is meant: one for each part of the set's elements, 1–6 of them. */
  readonly sides: readonly SetSide[]
}

/** What happens to sets; at least one of the first three. */
export interface SetTargetOptions {
  /** The set that elements are added to. */
  readonly add?: SetUse
  /** The set that elements are removed from. */
  readonly delete?: SetUse
  /** The set whose elements give the packet what follows, since Linux 4.0; in the table mangle only. */
  readonly map?: SetUse
  /** Beside `add`: elements that are there get the timeout anew. */
  readonly exist?: boolean
  /** Beside `add`: seconds until an element ends, 0–2^32 - 2. Default: those of the set. */
  readonly timeoutSeconds?: number
  /** Beside `map`: the packet gets the element's mark. */
  readonly mapMark?: boolean
  /** Beside `map`: the packet gets the element's class of traffic control; in the chains FORWARD, OUTPUT and POSTROUTING only. */
  readonly mapPriority?: boolean
  /** Beside `map`: the packet gets the element's queue of the device; in the same chains only. */
  readonly mapQueue?: boolean
}

/** IPSET_INVALID_ID: no set. */
const NO_SET = 0xffff
/** The timeout of a structure without one. */
const NO_TIMEOUT = MAX_U32
/** IPSET_MAXNAMELEN - 1. */
const MAX_NAME = 31
/** IPSET_DIM_MAX. */
const MAX_SIDES = 6

/** IPSET_FLAG_EXIST and IPSET_FLAG_MAP_SKB*. */
const FLAGS = { exist: 1 << 0, mapMark: 1 << 8, mapPriority: 1 << 9, mapQueue: 1 << 10 } as const

const FLAG_NAMES = Object.keys(FLAGS) as (keyof typeof FLAGS)[]

/** The options that have a set. */
const USES = ['add', 'delete', 'map'] as const

/** `xt_set_info`. */
interface SetInfo {
  readonly index: number
  readonly dimension: number
  readonly flags: number
}

const NONE: SetInfo = { index: NO_SET, dimension: 0, flags: 0 }

interface Values {
  readonly add: SetInfo
  readonly delete: SetInfo
  readonly map?: SetInfo
  readonly flags?: number
  readonly timeout?: number
}

function setInfo(offset: number): Field<SetInfo> {
  const [index, dimension, flags] = [u16(offset), u8(offset + 2), u8(offset + 3)]
  return {
    offset,
    length: 4,
    read: (view) => ({ index: index.read(view), dimension: dimension.read(view), flags: flags.read(view) }),
    write: (view, value) => {
      index.write(view, value.index)
      dimension.write(view, value.dimension)
      flags.write(view, value.flags)
    }
  }
}

function isSides(given: unknown): given is readonly SetSide[] {
  const isList = Array.isArray(given) && given.length >= 1 && given.length <= MAX_SIDES
  return isList && given.every((each) => each === 'src' || each === 'dst')
}

/** @throws {ValidationError} */
function infoOf(path: string, use: SetUse | undefined, context: ExtensionContext): SetInfo {
  if (use === undefined) return NONE
  requireKnown(`${path}.`, requireObject(path, use), ['set', 'sides'])
  const { set, sides } = use
  if (!isSides(sides)) throw new ValidationError(`${path}.sides`, sides, `1 to ${MAX_SIDES} of src and dst`)
  const flags = sides.reduce((sum, side, at) => (side === 'src' ? sum | (2 << at) : sum), 0)
  return { index: indexOf(`${path}.set`, set, context), dimension: sides.length, flags }
}

/** @throws {ValidationError} */
function indexOf(path: string, set: string | number, { sets }: ExtensionContext): number {
  if (typeof set === 'number') return requireInteger(path, set, 0, NO_SET - 1)
  if (!isText(set, MAX_NAME) || set === '') throw new ValidationError(path, set, `a name of 1 to ${MAX_NAME} bytes, or an index`)
  if (sets === undefined) throw new ValidationError(path, set, 'the index of a set: its name cannot be asked for here')
  return sets.indexOf(set) ?? refuseName(path, set)
}

function refuseName(path: string, set: string): never {
  throw new ValidationError(path, set, 'the name of a set that there is')
}

function useOf(info: SetInfo | undefined, { sets }: ExtensionContext): SetUse | undefined {
  if (info === undefined || info.index === NO_SET) return undefined
  const { index, dimension, flags } = info
  return {
    set: sets?.nameOf(index) ?? index,
    sides: Array.from({ length: dimension }, (_, at) => ((flags & (2 << at)) === 0 ? 'dst' : 'src'))
  }
}

function toValues(options: SetTargetOptions, context: ExtensionContext): Given<Values> {
  const { timeoutSeconds } = options
  return {
    add: infoOf('add', options.add, context),
    delete: infoOf('delete', options.delete, context),
    map: infoOf('map', options.map, context),
    flags: flagBits(FLAGS, options),
    timeout: timeoutSeconds === undefined ? NO_TIMEOUT : requireInteger('timeoutSeconds', timeoutSeconds, 0, NO_TIMEOUT - 1)
  }
}

function toOptions(values: Values, context: ExtensionContext): SetTargetOptions {
  const { flags = 0, timeout = NO_TIMEOUT } = values
  return present({
    ...Object.fromEntries(USES.map((name) => [name, useOf(values[name], context)])),
    timeoutSeconds: timeout === NO_TIMEOUT ? undefined : timeout,
    ...Object.fromEntries(FLAG_NAMES.filter((name) => (flags & FLAGS[name]) !== 0).map((name) => [name, true]))
  })
}

/** Which option needs which other one. */
const NEEDS = { exist: 'add', timeoutSeconds: 'add', mapMark: 'map', mapPriority: 'map', mapQueue: 'map' } as const
const NEEDY = Object.keys(NEEDS) as (keyof typeof NEEDS)[]

/** @throws {ValidationError} Options that a revision has no fields for, that miss another one, or that do nothing. */
function check(options: SetTargetOptions, revision: number, { table = 'mangle' }: ExtensionContext): void {
  const none = `nothing in revision ${revision}`
  if (options.map !== undefined && table !== 'mangle') throw new ValidationError('map', options.map, 'none in a table other than mangle')
  if (revision < 3 && options.map !== undefined) throw new ValidationError('map', options.map, none)
  for (const name of NEEDY) {
    const value = options[name]
    if (value === undefined || value === false) continue
    if (revision < 2) throw new ValidationError(name, value, none)
    if (options[NEEDS[name]] === undefined) throw new ValidationError(name, value, `${NEEDS[name]} beside it`)
  }
  if (USES.every((name) => options[name] === undefined)) throw new ValidationError('add', undefined, 'one of add, delete, map at least')
  const { map, mapMark, mapPriority, mapQueue } = options
  if (map !== undefined && !(mapMark === true || mapPriority === true || mapQueue === true))
    throw new ValidationError('map', map, 'mapMark, mapPriority or mapQueue beside it')
}

function useOption(name: (typeof USES)[number]): OptionReader<Draft<SetTargetOptions>> {
  return {
    values: 2,
    read: (draft, [set = '', word = ''], place) => {
      if (!isText(set, MAX_NAME) || set === '') place.fail(`the name of a set, 1 to ${MAX_NAME} bytes`, 0)
      const sides = word.split(',').filter((each): each is SetSide => each === 'src' || each === 'dst')
      if (sides.length > MAX_SIDES || sides.length !== word.split(',').length)
        place.fail(`1 to ${MAX_SIDES} of src and dst, between commas`, 1)
      note(draft, name, { set, sides }, place)
    }
  }
}

const FIRST = { '--add-set': useOption('add'), '--del-set': useOption('delete') }
const SECOND = { ...FIRST, '--exist': flagOption('exist'), '--timeout': valueOption('timeoutSeconds', integerWord(0, NO_TIMEOUT - 1)) }
const THIRD = {
  ...SECOND,
  '--map-set': useOption('map'),
  '--map-mark': flagOption('mapMark'),
  '--map-prio': flagOption('mapPriority'),
  '--map-queue': flagOption('mapQueue')
}

function printUse(option: string, use: SetUse | undefined, { sets }: ExtensionContext): string[] {
  if (use === undefined) return []
  const name = typeof use.set === 'number' ? (sets?.nameOf(use.set) ?? `${use.set}`) : use.set
  return [option, name, use.sides.join(',')]
}

function print(options: SetTargetOptions, context: ExtensionContext): string[] {
  return [
    ...printUse('--add-set', options.add, context),
    ...(options.exist === true ? ['--exist'] : []),
    ...(options.timeoutSeconds === undefined ? [] : ['--timeout', `${options.timeoutSeconds}`]),
    ...printUse('--del-set', options.delete, context),
    ...printUse('--map-set', options.map, context),
    ...(options.mapMark === true ? ['--map-mark'] : []),
    ...(options.mapPriority === true ? ['--map-prio'] : []),
    ...(options.mapQueue === true ? ['--map-queue'] : [])
  ]
}

/** What must stand on a line; the first that lacks. */
function lackOf(draft: Draft<SetTargetOptions>): string | undefined {
  if (USES.every((name) => draft[name] === undefined)) return 'one of --add-set, --del-set, --map-set'
  const needy = NEEDY.find((name) => draft[name] !== undefined && draft[NEEDS[name]] === undefined)
  if (needy !== undefined) return `--${NEEDS[needy]}-set beside its options`
  const hasUse = draft.mapMark ?? draft.mapPriority ?? draft.mapQueue
  return draft.map !== undefined && hasUse === undefined ? '--map-mark, --map-prio or --map-queue beside --map-set' : undefined
}

function revision(number: number, layout: Struct<Values>, options: Readonly<Record<string, OptionReader<Draft<SetTargetOptions>>>>) {
  return extension<SetTargetOptions, Draft<SetTargetOptions>, 'SET'>({
    kind: 'target',
    name: 'SET',
    revision: number,
    families: ['ip', 'ip6'],
    module: 'xt_set',
    ...codec<SetTargetOptions, Values>({
      layout,
      names: [...USES, ...NEEDY],
      check: (given, context) => check(given, number, context),
      toValues,
      toOptions
    }),
    setsOf: (given) => USES.flatMap((name) => given[name]?.set ?? []),
    print,
    draft: () => ({}),
    options,
    finish: (draft, _context, fail) => {
      const lack = lackOf(draft)
      return lack === undefined ? draft : fail(lack)
    }
  })
}

const PAIR = { add: setInfo(0), delete: setInfo(4) }

/** Its revisions but the first, which Linux had before 3.1; iptables 1.8.9 writes the last one. */
export const SET = [
  revision(1, struct(8, PAIR), FIRST),
  revision(2, struct(16, { ...PAIR, flags: u32(8), timeout: u32(12) }), SECOND),
  revision(3, struct(20, { ...PAIR, map: setInfo(8), flags: u32(12), timeout: u32(16) }), THIRD)
] as const
