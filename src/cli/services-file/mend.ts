/**
 * Values in place of wrong ones, by which a check gets to the next mistake. None of them makes a mistake of its own:
 * where a check compares fields or entries with each other, the value is one that none of them has.
 */
import { isInteger } from '../../core/checks.js'
import type { ValidationError } from '../../core/errors.js'
import { formatAddress, parsePrefix, prefixRange } from '../../core/address.js'
import { isIn, requireRanges, type RangesByFamily } from '../../plane/core/ranges.js'
import { isUnknownField } from './words.js'

/** An object of the file. */
export type Fields = Record<string, unknown>

const MAX_PORT = 65_535

/** 198.18.0.0, where the addresses for measurements begin (RFC 2544): services have none of them. */
const FIRST_ADDRESS = 0xc612_0000

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

function valuesOf(entries: readonly unknown[], field: string): Set<unknown> {
  return new Set(entries.map((entry) => (isFields(entry) ? entry[field] : undefined)))
}

/** A port that no entry has; there are fewer frontends than ports. */
function unusedPort(entries: readonly unknown[]): number {
  const used = valuesOf(entries, 'port')
  let port = 1
  while (used.has(port)) port += 1
  return port
}

/** An address that no entry has. */
function unusedAddress(entries: readonly unknown[]): string {
  const used = valuesOf(entries, 'address')
  for (let number = FIRST_ADDRESS; ; number += 1) {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, number)
    const address = formatAddress(bytes)
    if (!used.has(address)) return address
  }
}

const freshFrontend = (entries: readonly unknown[]): Fields => ({ kind: 'cluster', address: unusedAddress(entries), port: 1 })

/** Weight 0: the endpoint changes nothing in how those of the others are to each other. */
const freshEndpoint = (entries: readonly unknown[]): Fields => ({ address: unusedAddress(entries), port: 1, weight: 0 })

type MendEntry = (entry: Fields, entries: readonly unknown[]) => void

/** Which kind was meant is guessed: fields that only some kinds have go, unless they tell it, and the entry is the same as no other one. */
const mendKind: MendEntry = (entry, entries) => {
  const isOfNode = entry['address'] === undefined
  const fields = isOfNode ? ['port', 'trafficPolicy', 'carrier', 'family'] : ['address', 'port', 'trafficPolicy', 'carrier', 'sourceRanges']
  for (const name of Object.keys(entry)) if (!fields.includes(name)) Reflect.deleteProperty(entry, name)
  entry['kind'] = isOfNode ? 'node' : 'loadBalancer'
  if (isInteger(entry['port'], 1, MAX_PORT)) entry['port'] = unusedPort(entries)
}

const without =
  (name: string): MendEntry =>
  (entry) => {
    Reflect.deleteProperty(entry, name)
  }

const FRONTEND: Readonly<Record<string, MendEntry>> = {
  kind: mendKind,
  address: (entry, entries) => {
    entry['address'] = unusedAddress(entries)
    // They may have been of the family of the address that was meant.
    delete entry['sourceRanges']
  },
  port: (entry, entries) => {
    entry['port'] = unusedPort(entries)
  },
  trafficPolicy: without('trafficPolicy'),
  carrier: without('carrier'),
  family: (entry, entries) => {
    delete entry['family']
    // Of both families, it would have what another one has.
    entry['port'] = unusedPort(entries)
  },
  sourceRanges: without('sourceRanges')
}

const ENDPOINT: Readonly<Record<string, MendEntry>> = {
  address: (entry, entries) => {
    entry['address'] = unusedAddress(entries)
  },
  // The address was right: it is looked at before.
  port: (entry, entries) => {
    entry['address'] = unusedAddress(entries)
    entry['port'] = 1
  },
  weight: (entry) => {
    entry['weight'] = 0
  },
  local: without('local'),
  state: (entry) => {
    delete entry['state']
    entry['weight'] = 0
  },
  side: without('side')
}

const LISTS: Readonly<Record<string, { readonly fields: Readonly<Record<string, MendEntry>>; readonly fresh: typeof freshFrontend }>> = {
  frontends: { fields: FRONTEND, fresh: freshFrontend },
  endpoints: { fields: ENDPOINT, fresh: freshEndpoint }
}

/** Fields of a service itself, and what stands for them; undefined: nothing. */
const SERVICE: Readonly<Record<string, () => unknown>> = {
  name: () => 'name',
  protocol: () => 'tcp',
  scheduler: () => undefined,
  affinity: () => undefined,
  carrier: () => undefined,
  priority: () => undefined,
  frontends: () => [freshFrontend([])],
  endpoints: () => []
}

/** A prefix of a list of source ranges. */
const RANGE = /^\.frontends\[(\d+)\]\.sourceRanges\.(allow|deny)\[(\d+)\]$/

/** The ranges of those prefixes of a list that are some. */
function rangesOf(prefixes: readonly unknown[]): RangesByFamily {
  const good = prefixes.filter((prefix) => {
    const parsed = typeof prefix === 'string' ? parsePrefix(prefix) : undefined
    return parsed !== undefined && prefixRange(parsed).first.every((byte, index) => byte === parsed.address[index])
  })
  return requireRanges('', good)
}

/** Puts an address that no other prefix has in the place of one that is wrong, so that the others are looked at, too. Returns whether there is one. */
function mendRange(entry: Fields, list: 'allow' | 'deny', index: number): boolean {
  const { sourceRanges, address } = entry
  const prefixes = isFields(sourceRanges) ? sourceRanges[list] : undefined
  if (!Array.isArray(prefixes) || typeof address !== 'string') return false
  const all = prefixes as unknown[]
  const ranges = rangesOf(all.filter((_, at) => at !== index))
  for (let number = 1; number <= MAX_FREE; number++) {
    const free = address.includes(':') ? `${number.toString(16)}::1` : `${number}.255.255.254`
    if (isIn(free, ranges)) continue
    all[index] = free
    return true
  }
  return false
}

/** Addresses that are looked at for one that no prefix has. */
const MAX_FREE = 223

const FIELD = /^\.(\w+)/
const PLACE = /^\.(frontends|endpoints)\[(\d+)\]/
const ENTRY = /^\.(frontends|endpoints)\[(\d+)\](?:\.(\w+))?/

function mendService(service: Fields, name: string): boolean {
  const make = SERVICE[name]
  if (make === undefined) return false
  service[name] = make()
  return true
}

function mendEntry(service: Fields, list: string, index: number, field: string | undefined): boolean {
  const { fields, fresh } = LISTS[list] ?? {}
  const entries = service[list] as unknown[]
  const entry = entries[index]
  if (fields === undefined || fresh === undefined) return false
  if (field === undefined) {
    // It is no object, or the same as another one, which is found last of all.
    entries[index] = fresh(entries)
    return true
  }
  if (!isFields(entry) || fields[field] === undefined) return false
  fields[field](entry, entries)
  return true
}

/** Removes a field that there is not, whatever its name is. */
function removeField(holder: unknown, before: string, path: string): boolean {
  const name = isFields(holder) ? Object.keys(holder).find((one) => path === `${before}.${one}`) : undefined
  return name !== undefined && Reflect.deleteProperty(holder as Fields, name)
}

/** Looks for the field where there may be others than are known. */
function removeUnknown(service: Fields, path: string): boolean {
  const [place = '', list = '', index] = PLACE.exec(path) ?? []
  const entry = (service[list] as readonly Fields[] | undefined)?.[Number(index)]
  return (
    removeField(service, '', path) ||
    removeField(service['affinity'], '.affinity', path) ||
    removeField(entry, place, path) ||
    removeField(entry?.['sourceRanges'], `${place}.sourceRanges`, path)
  )
}

/**
 * Changes a service so that a mistake is gone.
 *
 * @returns False where nobody knows how.
 */
export function mend(service: Fields, error: ValidationError): boolean {
  if (isUnknownField(error)) return removeUnknown(service, error.path)
  const [, at, kind, prefix] = RANGE.exec(error.path) ?? []
  const frontend = at === undefined ? undefined : (service['frontends'] as readonly unknown[])[Number(at)]
  if (isFields(frontend) && mendRange(frontend, kind as 'allow' | 'deny', Number(prefix))) return true
  const [, list, index, field] = ENTRY.exec(error.path) ?? []
  if (list !== undefined) return mendEntry(service, list, Number(index), field)
  return mendService(service, FIELD.exec(error.path)?.[1] ?? '')
}
