import { parseDuration, formatDuration } from './durations.js'

/** How the values of a field are written. */
export interface Kind<Value> {
  /** What a value of another kind is told: `true or false`. */
  readonly wanted: string
  /** The value that counts as unset in most fields of Go. */
  readonly zero: Value
  /**
   * The value of what a file has there; undefined: it is none.
   *
   * @param raw What the parser made of it.
   * @param text How a scalar is written in the file, which says `010` where `raw` is 8.
   */
  readonly read: (raw: unknown, text: string | undefined) => Value | undefined
  /** The value of what an option of the command line has. */
  readonly parse: (text: string) => Value | undefined
  /** What stands in a file for it. */
  readonly write: (value: Value) => unknown
}

const scalarText = (raw: unknown, text: string | undefined): string | undefined => {
  if (typeof raw === 'string') return raw
  // sigs.k8s.io/yaml makes a text of any scalar where a text is wanted.
  return typeof raw === 'number' || typeof raw === 'boolean' ? (text ?? String(raw)) : undefined
}

/** Texts. */
export const text: Kind<string> = {
  wanted: 'a text',
  zero: '',
  read: scalarText,
  parse: (word) => word,
  write: (value) => value
}

/** The words of Go's `strconv.ParseBool`. */
const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map((word) => [word, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map((word) => [word, false] as const)
])

/** True and false. */
export const flag: Kind<boolean> = {
  wanted: 'true or false',
  zero: false,
  read: (raw) => (typeof raw === 'boolean' ? raw : undefined),
  parse: (word) => FLAGS.get(word),
  write: (value) => value
}

const MAX_INT32 = 2 ** 31 - 1

/** Integers of 32 bits. */
export const integer: Kind<number> = {
  wanted: 'an integer',
  zero: 0,
  read: (raw) => (Number.isInteger(raw) && Math.abs(raw as number) <= MAX_INT32 ? (raw as number) : undefined),
  parse: (word) => (/^[+-]?\d+$/.test(word) && Math.abs(Number(word)) <= MAX_INT32 ? Number(word) : undefined),
  write: (value) => value
}

/** Numbers. */
export const number: Kind<number> = {
  wanted: 'a number',
  zero: 0,
  read: (raw) => (typeof raw === 'number' && Number.isFinite(raw) ? raw : undefined),
  parse: (word) => (word.trim() !== '' && Number.isFinite(Number(word)) ? Number(word) : undefined),
  write: (value) => value
}

/** Durations, milliseconds. A bare number has no unit, and so is none. */
export const duration: Kind<number> = {
  wanted: 'a duration with its unit, such as "30s", "1h30m" or "250ms"',
  zero: 0,
  read: (raw) => (typeof raw === 'string' ? parseDuration(raw) : undefined),
  parse: parseDuration,
  write: formatDuration
}

/** Durations, milliseconds, of which a bare number counts nanoseconds (`TimeOrMetaDuration` of component-base). */
export const durationOrNanoseconds: Kind<number> = {
  ...duration,
  read: (raw) => (typeof raw === 'number' && Number.isInteger(raw) ? raw / 1e6 : duration.read(raw, undefined))
}

/** Lists of texts; empty: none. */
export const texts: Kind<readonly string[]> = {
  wanted: 'a list of texts',
  zero: [],
  read: (raw) => {
    if (!Array.isArray(raw)) return undefined
    const entries = raw.map((entry) => scalarText(entry, undefined))
    return entries.includes(undefined) ? undefined : (entries as string[])
  },
  parse: (word) => (word === '' ? [] : word.split(',').map((entry) => entry.trim())),
  // Go writes a list that nobody made as null.
  write: (value) => (value.length === 0 ? null : value)
}

/** Names with true or false: feature gates. */
export const gates: Kind<Readonly<Record<string, boolean>>> = {
  wanted: 'names with true or false',
  zero: {},
  read: (raw) => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return undefined
    return Object.values(raw).every((value) => typeof value === 'boolean') ? (raw as Record<string, boolean>) : undefined
  },
  parse: (word) => {
    const pairs = word.split(',').map((pair) => /^([^=]+)=(.*)$/.exec(pair.trim()))
    const entries = pairs.map((pair) => [pair?.[1] ?? '', FLAGS.get(pair?.[2] ?? '')] as const)
    return entries.some(([, value]) => value === undefined) ? undefined : (Object.fromEntries(entries) as Record<string, boolean>)
  },
  write: (value) => value
}

const MODULE = /^[^=,]+=\d+$/

/** Verbosities by file (`vmodule`), each as `PATTERN=N`. */
export const modules: Kind<readonly string[]> = {
  wanted: 'a list of { filePattern, verbosity }',
  zero: [],
  read: (raw) => {
    if (!Array.isArray(raw)) return undefined
    const entries = raw.map((entry: unknown) => {
      const { filePattern, verbosity } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>
      return typeof filePattern === 'string' && Number.isInteger(verbosity) ? `${filePattern}=${String(verbosity)}` : ''
    })
    return entries.every((entry) => MODULE.test(entry)) ? entries : undefined
  },
  parse: (word) => {
    const entries = word === '' ? [] : word.split(',')
    return entries.every((entry) => MODULE.test(entry)) ? entries : undefined
  },
  write: (value) =>
    value.map((entry) => ({
      filePattern: entry.slice(0, entry.lastIndexOf('=')),
      verbosity: Number(entry.slice(entry.lastIndexOf('=') + 1))
    }))
}
