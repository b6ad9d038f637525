/**
 * Virtual services between the caller's words and columns.
 */
import { formatAddress, requireAddress } from '../core/address.js'
import { requireInteger } from '../core/checks.js'
import { NO_SYMBOL } from '../core/columns.js'
import { locate, ValidationError } from '../core/errors.js'
import { AF_INET } from '../core/protocols.js'
import { requireName, requireText } from './checks.js'
import { indexedServiceForms, zeroColumns } from './column-forms.js'
import type { ServiceColumns, ServiceKeyColumns } from './column-types.js'
import { DEFAULT_PERSISTENCE_SECONDS, DEFAULT_SCHEDULER, FULL_NETMASK, PERSISTENT, SERVICE_FLAG_BITS, SETTABLE_FLAGS } from './constants.js'
import { addressAt, emptyKeys, protocolOf, putKey } from './keys.js'
import { Symbols } from './symbols.js'
import type {
  IpvsStatistics,
  Persistence,
  ServiceFlag,
  ServiceSettings,
  VirtualService,
  VirtualServiceKey,
  VirtualServiceSpec
} from './types.js'

/** The kernel keeps time-outs in jiffies, in 32 bits (struct ip_vs_service), and lists them in seconds: so much at 100 a second. */
const MAX_SECONDS = 42_949_672

const none: readonly ServiceFlag[] = []

/** Flags of one scheduler only. */
const schedulerOf: Partial<Record<ServiceFlag, string>> = { 'sh-fallback': 'sh', 'sh-port': 'sh', 'mh-fallback': 'mh', 'mh-port': 'mh' }
const flagNames = {
  sh: ['one-packet', 'sh-fallback', 'sh-port', 'flag-3'],
  mh: ['one-packet', 'mh-fallback', 'mh-port', 'flag-3'],
  other: ['one-packet', 'flag-1', 'flag-2', 'flag-3']
} as const satisfies Record<string, readonly ServiceFlag[]>

function requireFlags(path: string, flags: unknown, scheduler: string): number {
  if (!Array.isArray(flags)) throw new ValidationError(path, flags, 'a list of flags')
  if (flags.length === 0) return 0
  return flags.reduce<number>((bits, flag: unknown, index) => {
    const bit = requireName(`${path}[${index}]`, flag, SERVICE_FLAG_BITS)
    const owner = schedulerOf[flag as ServiceFlag]
    if (owner !== undefined && owner !== scheduler)
      throw new ValidationError(`${path}[${index}]`, flag, `that flag with the scheduler '${owner}' only`)
    return bits | bit
  }, 0)
}

function requireNetmask(path: string, { prefixLength, netmask }: Persistence, family: number): number {
  const isIPv4 = family === AF_INET
  if (netmask !== undefined) {
    if (!isIPv4) throw new ValidationError(`${path}.netmask`, netmask, 'nothing: an IPv6 service has a prefixLength')
    if (prefixLength !== undefined) throw new ValidationError(`${path}.netmask`, netmask, 'either netmask or prefixLength')
    const [a = 0, b = 0, c = 0, d = 0] = requireAddress(`${path}.netmask`, netmask, 'ip')
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
  }
  if (prefixLength === undefined) return isIPv4 ? FULL_NETMASK[2] : FULL_NETMASK[10]
  // Any mask will do for IPv4; of IPv6 the kernel takes 1 to 128 (ip_vs_add_service).
  const length = requireInteger(`${path}.prefixLength`, prefixLength, isIPv4 ? 0 : 1, isIPv4 ? 32 : 128)
  return isIPv4 ? maskOf(length) : length
}

/** The mask of a prefix. A shift by 32 would shift by nothing. */
function maskOf(length: number): number {
  return length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0
}

/**
 * Other programs can make the kernel hold what serves no client: persistence of 0 s, port 0 without persistence. No caller is to ask for that; but what was listed, which is
 * complete, may be given back.
 */
function isListed(spec: VirtualServiceSpec): boolean {
  return 'family' in spec && spec.family !== undefined && isCompleteService(spec)
}

/** Writes the persistence of a row, but for the flag, which it returns. */
function putPersistence(path: string, spec: VirtualServiceSpec, columns: ServiceColumns, row: number): number {
  const family = columns.family[row] ?? AF_INET
  const { persistence } = spec
  if (persistence === undefined || persistence === null) {
    columns.netmask[row] = FULL_NETMASK[family === AF_INET ? 2 : 10]
    return 0
  }
  if (typeof persistence !== 'object') throw new ValidationError(path, persistence, 'an object, or null for none')
  const { timeoutSeconds = DEFAULT_PERSISTENCE_SECONDS } = persistence
  columns.timeoutSeconds[row] = requireInteger(`${path}.timeoutSeconds`, timeoutSeconds, isListed(spec) ? 0 : 1, MAX_SECONDS)
  columns.netmask[row] = requireNetmask(path, persistence, family)
  return PERSISTENT
}

/** Columns of services that are filled row by row. */
export class ServiceWriter {
  readonly columns: ServiceColumns
  readonly #schedulers: Symbols
  readonly #engines: Symbols
  /** The last one that was checked: most often it is meant again. */
  #scheduler: string | undefined

  constructor(rows: number) {
    const columns = zeroColumns(rows, indexedServiceForms) as unknown as ServiceColumns
    this.#schedulers = new Symbols(columns.scheduler)
    this.#engines = new Symbols(columns.persistenceEngine)
    this.columns = { ...columns, schedulerTable: this.#schedulers.table, persistenceEngineTable: this.#engines.table }
  }

  /**
   * Checks a spec and writes it; what is not mentioned gets its default.
   *
   * @throws {ValidationError} Names the field: `.port`.
   */
  put(spec: VirtualServiceSpec, row: number): void {
    const { columns } = this
    putKey('', spec, columns, row)
    const { scheduler = DEFAULT_SCHEDULER, persistenceEngine } = spec
    if (scheduler !== this.#scheduler) this.#scheduler = requireText('.scheduler', scheduler)
    this.#schedulers.set(row, scheduler)
    const persistent = putPersistence('.persistence', spec, columns, row)
    columns.flags[row] = persistent | requireFlags('.flags', spec.flags ?? none, scheduler)
    if (persistenceEngine !== undefined && persistenceEngine !== null)
      this.#engines.set(row, requireText('.persistenceEngine', persistenceEngine))
    if (!isListed(spec)) requirePersistentPort('.port', columns, row, persistent)
  }
}

/**
 * Checks specs and makes complete columns of them; what is not mentioned gets its default.
 *
 * @param pathOf Names a row in errors: `services[3]`.
 * @throws {ValidationError} Names the first service and field that cannot be written.
 */
export function encodeServices(specs: readonly VirtualServiceSpec[], pathOf: (row: number) => string): ServiceColumns {
  const writer = new ServiceWriter(specs.length)
  let row = 0
  try {
    for (; row < specs.length; row += 1) writer.put(specs[row] as VirtualServiceSpec, row)
  } catch (error) {
    throw locate(error, pathOf(row))
  }
  return writer.columns
}

// The kernel takes such a service and then schedules nothing ("port zero only supported in persistent services", ip_vs_schedule).
function requirePersistentPort(path: string, keys: ServiceKeyColumns, row: number, flags: number): void {
  if (keys.fwmark[row] === 0 && keys.port[row] === 0 && flags === 0)
    throw new ValidationError(path, 0, '1 to 65535, or 0 (every port) together with persistence')
}

/** Keys as columns. */
export function encodeServiceKeys(keys: readonly VirtualServiceKey[], pathOf: (row: number) => string): ServiceKeyColumns {
  const columns = emptyKeys(keys.length)
  let row = 0
  try {
    for (; row < keys.length; row += 1) putKey('', keys[row] as VirtualServiceKey, columns, row)
  } catch (error) {
    throw locate(error, pathOf(row))
  }
  return columns
}

/** Whether a spec leaves nothing to be read from the kernel before an update. */
export function isCompleteService(spec: ServiceSettings): boolean {
  return spec.scheduler !== undefined && spec.flags !== undefined && spec.persistence !== undefined && spec.persistenceEngine !== undefined
}

/** What an update makes of a service: what the spec does not mention stays. */
export function mergeService(current: VirtualService | undefined, spec: VirtualServiceSpec): VirtualServiceSpec {
  if (current === undefined) return spec
  const scheduler = spec.scheduler ?? current.scheduler
  // A flag of the old scheduler means nothing to a new one.
  const kept = scheduler === current.scheduler ? current.flags : current.flags.filter((flag) => flag === 'one-packet')
  return {
    ...spec,
    scheduler,
    flags: spec.flags ?? kept,
    persistence: spec.persistence === undefined ? current.persistence : spec.persistence,
    persistenceEngine: spec.persistenceEngine === undefined ? current.persistenceEngine : spec.persistenceEngine
  }
}

function decodePersistence(columns: ServiceColumns, row: number): Persistence | null {
  if (((columns.flags[row] ?? 0) & PERSISTENT) === 0) return null
  const timeoutSeconds = columns.timeoutSeconds[row] ?? 0
  const netmask = columns.netmask[row] ?? 0
  if (columns.family[row] !== AF_INET) return { timeoutSeconds, prefixLength: netmask }
  const ones = Math.clz32(~netmask)
  if (maskOf(ones) === netmask) return { timeoutSeconds, prefixLength: ones }
  return { timeoutSeconds, netmask: formatAddress(Uint8Array.of(netmask >>> 24, netmask >>> 16, netmask >>> 8, netmask)) }
}

const noFlags: ServiceFlag[] = []
Object.freeze(noFlags)

function decodeFlags(bits: number, scheduler: string): readonly ServiceFlag[] {
  if (bits === 0) return noFlags
  const names: readonly ServiceFlag[] = scheduler === 'sh' || scheduler === 'mh' ? flagNames[scheduler] : flagNames.other
  return names.filter((name) => (bits & SERVICE_FLAG_BITS[name]) !== 0)
}

/** One row of a listing as an object. Written out, as 10,000 with parts that are spread take ten times as long. */
export function decodeService(columns: ServiceColumns, row: number, statistics?: IpvsStatistics): VirtualService {
  const scheduler = columns.schedulerTable[columns.scheduler[row] ?? NO_SYMBOL] ?? 'none'
  const flags = decodeFlags((columns.flags[row] ?? 0) & SETTABLE_FLAGS, scheduler)
  const persistence = decodePersistence(columns, row)
  const persistenceEngine = columns.persistenceEngineTable[columns.persistenceEngine[row] ?? NO_SYMBOL] ?? null
  const family = columns.family[row] === AF_INET ? 'ip' : 'ip6'
  const fwmark = columns.fwmark[row] ?? 0
  const service: VirtualService =
    fwmark === 0
      ? {
          protocol: protocolOf(columns, row),
          address: addressAt(columns, row),
          port: columns.port[row] ?? 0,
          family,
          scheduler,
          flags,
          persistence,
          persistenceEngine
        }
      : { fwmark, family, scheduler, flags, persistence, persistenceEngine }
  if (statistics !== undefined) (service as { statistics?: IpvsStatistics }).statistics = statistics
  return service
}
