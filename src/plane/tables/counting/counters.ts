/**
 * Reading what the kernel has counted, and forgetting what is nobody's any more.
 */
import { familyOf, parseAddress, type AddressFamily } from '../../../core/address.js'
import { NetlinkError, UnsupportedError } from '../../../core/errors.js'
import { protocolNumbers } from '../../../core/protocols.js'
import { Slices } from '../../../core/slices.js'
import { rowAt } from '../../../nftables/columns.js'
import { ElementBuffer } from '../../../nftables/element-buffer.js'
import type { ListedElements, Nftables } from '../../../nftables/index.js'
import type { Step } from '../../../nftables/steps.js'
import type { ServiceChange } from '../../core/changes/change.js'
import { ReadCounters, type PlaneCounters, type ServiceCounts } from '../../core/counters.js'
import { FAMILIES, isAddressed, isOfFamily } from '../../core/frontend.js'
import type { Endpoint, Frontend, Service, Services } from '../../model.js'
import type { WriteSteps } from '../affinity/sweeper.js'
import { keyValue, type KeyValue } from '../elements/changes.js'
import { countingSets, type CountingSets } from './chains.js'
import { ElementTable } from '../elements/table.js'
import { putPort } from '../elements/endpoint-rows.js'
import type { TableOptions } from '../layout/table.js'
import { ADDRESS_LENGTH, frontendLength, SCOPES, type Scope } from '../layout/sets.js'

type Level = keyof CountingSets
const LEVELS: readonly Level[] = ['frontends', 'endpoints']

const PROTOCOL_NUMBER = protocolNumbers('tcp', 'udp', 'sctp')

/** Bytes of the key of a frontend, and behind it of an endpoint. */
function keyOf(family: AddressFamily, { protocol }: Service, frontend: Frontend, endpoint?: Endpoint): Uint8Array {
  const scope = scopeOf(frontend)
  const length = frontendLength(family, scope)
  const key = new Uint8Array(length + (endpoint === undefined ? 0 : ADDRESS_LENGTH[family] + 4))
  if (isAddressed(frontend)) key.set(parseAddress(frontend.address)!)
  key[length - 8] = PROTOCOL_NUMBER[protocol]
  putPort(key, length - 4, frontend.port)
  if (endpoint === undefined) return key
  key.set(parseAddress(endpoint.address)!, length)
  putPort(key, key.length - 4, endpoint.port)
  return key
}

const scopeOf = (frontend: Frontend): Scope => (isAddressed(frontend) ? 'address' : 'node')

/** Numbers of one set, by key. */
class Numbers {
  readonly #table: ElementTable
  readonly #packets: bigint[] = []

  constructor(keyWidth: number, rows: number) {
    this.#table = new ElementTable(keyWidth, 0, Math.max(rows, 16))
  }

  async take({ chunks }: ListedElements, slices: Slices): Promise<void> {
    const { keyWidth } = this.#table.buffer
    for (const { rows, key, counterPackets } of chunks)
      await slices.times(rows, (row) => {
        const { rows: before } = this.#table
        this.#table.put(key.subarray(row * keyWidth, (row + 1) * keyWidth), undefined)
        if (this.#table.rows > before) this.#packets.push(counterPackets?.[row] ?? 0n)
      })
  }

  of(key: Uint8Array): bigint {
    const row = this.#table.find(key)
    return row < 0 ? 0n : this.#packets[row]!
  }
}

type AllNumbers = Readonly<Record<AddressFamily, Readonly<Record<Scope, Readonly<Record<Level, Numbers>>>>>>

/** Whether connections of a family are counted that come to a frontend: carriers count those of their own. */
function isCounted(frontend: Frontend, family: AddressFamily): boolean {
  return frontend.carrier === undefined && isOfFamily(frontend, family)
}

function countsOf(service: Service, numbers: AllNumbers): ServiceCounts {
  let connections = 0n
  const endpoints = service.endpoints.map((endpoint) => {
    const family = familyOf(endpoint.address)
    let sum = 0n
    for (const frontend of service.frontends)
      if (isCounted(frontend, family)) sum += numbers[family][scopeOf(frontend)].endpoints.of(keyOf(family, service, frontend, endpoint))
    return { endpoint, connections: sum }
  })
  for (const family of FAMILIES)
    for (const frontend of service.frontends)
      if (isCounted(frontend, family)) connections += numbers[family][scopeOf(frontend)].frontends.of(keyOf(family, service, frontend))
  return { service: service.name, connections, endpoints }
}

/**
 * Reads the numbers.
 *
 * @throws {UnsupportedError} The plane was opened without the option.
 * @throws {NetlinkError}
 */
export async function readCounters(nft: Pick<Nftables, 'listElements'>, options: TableOptions, services: Services): Promise<PlaneCounters> {
  if (!options.counters)
    throw new UnsupportedError('counters', 'counters: openPlane with option counters, without which nothing is counted')
  const slices = new Slices()
  let isComplete = true
  const read = async (family: AddressFamily, scope: Scope, level: Level): Promise<Numbers> => {
    const { name, size } = countingSets(family, scope)[level]
    const listed = await nft.listElements({ family, table: options.name, name })
    if (listed.rows >= size) isComplete = false
    const numbers = new Numbers(frontendLength(family, scope) + (level === 'endpoints' ? ADDRESS_LENGTH[family] + 4 : 0), listed.rows)
    await numbers.take(listed, slices)
    return numbers
  }
  const scoped = async (family: AddressFamily, scope: Scope) => ({
    frontends: await read(family, scope, 'frontends'),
    endpoints: await read(family, scope, 'endpoints')
  })
  const of = async (family: AddressFamily) => ({ address: await scoped(family, 'address'), node: await scoped(family, 'node') })
  const numbers = { ip: await of('ip'), ip6: await of('ip6') }
  return new ReadCounters(services, (service) => countsOf(service, numbers), isComplete)
}

/** Keys by set. */
type Keys = Map<string, { readonly family: AddressFamily; readonly name: string; readonly keys: Map<KeyValue, Uint8Array> }>

function addKeys(keys: Keys, service: Service | undefined): void {
  if (service === undefined) return
  const add = (family: AddressFamily, { name }: CountingSets[Level], key: Uint8Array): void => {
    const set = `${family} ${name}`
    const entry = keys.get(set) ?? { family, name, keys: new Map<KeyValue, Uint8Array>() }
    keys.set(set, entry)
    entry.keys.set(keyValue(key), key)
  }
  for (const frontend of service.frontends) {
    for (const family of FAMILIES) {
      if (!isOfFamily(frontend, family)) continue
      const sets = countingSets(family, scopeOf(frontend))
      add(family, sets.frontends, keyOf(family, service, frontend))
      for (const endpoint of service.endpoints)
        if (familyOf(endpoint.address) === family) add(family, sets.endpoints, keyOf(family, service, frontend, endpoint))
    }
  }
}

/** Rows in one transaction: of both families, with what each adds before it deletes, they fit any message. */
const ROWS_AT_ONCE = 1024
const ROW_BYTES = 130

/**
 * Deletes the numbers of frontends and endpoints that a service gave up: who has them next begins with 0.
 *
 * @param write Commits steps.
 */
export async function forgetCounts(table: string, changes: readonly ServiceChange[], write: WriteSteps): Promise<void> {
  const slices = new Slices()
  for (const { before, after } of changes) {
    if (before === undefined) continue
    if (slices.isOver) await slices.turn()
    const gone: Keys = new Map()
    const kept: Keys = new Map()
    addKeys(gone, before)
    addKeys(kept, after)
    for (const [set, { family, name, keys }] of gone) {
      const rows = [...keys].filter(([text]) => kept.get(set)?.keys.has(text) !== true).map(([, key]) => key)
      await forgetRows({ family, table, name }, rows, write)
    }
  }
}

/**
 * Deletes the numbers of what no service has: an earlier process counted for services that went while no plane ran.
 *
 * @param write Commits steps.
 * @throws {NetlinkError}
 */
export async function forgetStrangers(
  nft: Pick<Nftables, 'listElements'>,
  { name: table }: TableOptions,
  services: Services,
  write: WriteSteps
): Promise<void> {
  const slices = new Slices()
  const wanted: Keys = new Map()
  await slices.each(services.values(), (service) => addKeys(wanted, service))
  for (const family of FAMILIES)
    for (const scope of SCOPES)
      for (const level of LEVELS) {
        const { name } = countingSets(family, scope)[level]
        const listed = await nft.listElements({ family, table, name })
        const rows = await rowsBeside(listed, wanted.get(`${family} ${name}`)?.keys, slices)
        await forgetRows({ family, table, name }, rows, write)
      }
}

/** The keys of a set that are not among those that are known. */
async function rowsBeside(
  { chunks }: ListedElements,
  known: ReadonlyMap<KeyValue, unknown> | undefined,
  slices: Slices
): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for (const chunk of chunks)
    await slices.times(chunk.rows, (row) => {
      const { key } = rowAt(chunk, row)
      if (known?.has(keyValue(key)) !== true) found.push(key)
    })
  return found
}

interface CountingSet {
  readonly family: AddressFamily
  readonly table: string
  readonly name: string
}

async function forgetRows(set: CountingSet, rows: readonly Uint8Array[], write: WriteSteps): Promise<void> {
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
    try {
      await write([forgetStep(set, rows.slice(from, from + ROWS_AT_ONCE))])
    } catch (error) {
      // The set is full: there is no room to say what is to go. A number too many is left.
      if (!(error instanceof NetlinkError) || error.code !== 'ENFILE') throw error
    }
  }
}

/** What nobody has counted yet is not there: it is added before it is deleted, which changes nothing where it is there. */
function forgetStep(set: CountingSet, keys: readonly Uint8Array[]): Step {
  const rows = new ElementBuffer(keys[0]!.length, 0, keys.length)
  for (const key of keys) rows.push(key, undefined)
  return {
    bytes: 400 + keys.length * ROW_BYTES,
    queue: (tx) => {
      tx.add.elements(set, rows, { exclusive: true })
      tx.delete.elements(set, rows, { exclusive: true })
    }
  }
}
