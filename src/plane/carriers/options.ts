/**
 * Option `carriers`: planes of another mode that carry some of the services of a plane, or some of their frontends.
 */
import { requireFields, requireKnown } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import { CARRIER_NAME, isCarrierName } from '../core/accept/checks.js'
import { identityOf } from '../switch/identity.js'
import { carrierBase } from './left.js'
import type { PlaneOptions } from '../options.js'
import type { UserspacePlaneOptions } from '../userspace/options.js'

/** What of a carrier's own options can be said. All others are those of the plane. */
const OWN = ['schedulerFallback', 'relays', 'proxyProtocol', 'drainSeconds', 'tableOwner', 'auditMs'] as const

/**
 * What a carrier carries.
 *
 * - `loopbackNodePorts`: frontends of kind `node` at `127.0.0.1` and `::1`, for this node itself. The plane goes on serving them at all other addresses. Services of SCTP are left out.
 * - `assigned`: services and frontends whose field `carrier` has its name.
 * - a list of names: these services too, but for frontends that name another carrier.
 */
export type Carries = 'loopbackNodePorts' | 'assigned' | readonly string[]

/** A plane of mode `userspace` that carries a part of another plane's services, beside it. */
export interface CarrierOptions extends Pick<
  UserspacePlaneOptions,
  'schedulerFallback' | 'relays' | 'proxyProtocol' | 'drainSeconds' | 'tableOwner' | 'auditMs'
> {
  readonly mode: 'userspace'
  /** The scheduler for services that ask for one that relays lack: `consistent`, or one of IPVS. Default: such services are refused; of `loopbackNodePorts`, which the plane serves elsewhere with that scheduler, `random`. */
  readonly schedulerFallback?: UserspacePlaneOptions['schedulerFallback']
  /** 1–12 letters, digits, `-`, `_`, of which the first is a letter. Its tables are called `PLANE-NAME-userspace`, by the name of the plane. */
  readonly name: string
  readonly carries: Carries
}

/** Option `carriers`, checked but for what the mode of carriers checks. */
export interface CheckedCarrier {
  readonly name: string
  readonly carries: Carries
  /** What a plane of its mode is opened with. */
  readonly plane: Extract<PlaneOptions, { readonly mode: 'userspace' }>
}

/** Prefixes of the loopback addresses of a node. */
const LOOPBACK = ['127.0.0.0/8', '::1/128']

const isList = (carries: Carries): carries is readonly string[] => typeof carries !== 'string'

function checkCarries(path: string, value: unknown): Carries {
  if (value === 'loopbackNodePorts' || value === 'assigned') return value
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return [...value]
  throw new ValidationError(path, value, "'loopbackNodePorts', 'assigned' or a list of names of services")
}

/** Whether a plane serves ports of this node at loopback addresses by itself. */
function servesLoopback(options: PlaneOptions): boolean {
  if (options.mode === 'ipvs') return false
  return options.mode === 'userspace' ? options.loopbackNodePorts !== false : options.loopbackNodePorts === true
}

/** What a plane cannot leave to a carrier. @throws {ValidationError} */
function checkBeside(path: string, carries: Carries, options: PlaneOptions): void {
  if (carries === 'loopbackNodePorts') {
    if (!servesLoopback(options)) return
    const without = options.mode === 'userspace' ? 'with loopbackNodePorts: false' : 'without option loopbackNodePorts'
    throw new ValidationError(path, carries, `something else: the plane serves them by itself, ${without} it does not`)
  }
  if (options.mode === 'nftables') return
  throw new ValidationError(
    path,
    carries,
    `'loopbackNodePorts' in mode ${options.mode}: only mode nftables leaves services and frontends to others`
  )
}

/** The options of the plane that a carrier is. */
function planeOf(options: PlaneOptions, carrier: CarrierOptions, name: string): CheckedCarrier['plane'] {
  const { netns, deadlineMs, signal, kernel, localSources, staleFlows } = options
  const isLoopback = carrier.carries === 'loopbackNodePorts'
  // What the plane has for services of such schedulers at other addresses, relays do not have.
  const { schedulerFallback = isLoopback ? 'random' : undefined, relays, proxyProtocol, drainSeconds, tableOwner, auditMs } = carrier
  return {
    mode: 'userspace',
    name: `${carrierBase(identityOf(options.mode, options.name))}${name}`,
    ...{ netns, deadlineMs, signal, kernel, localSources, staleFlows },
    ...{ schedulerFallback, relays, proxyProtocol, drainSeconds, tableOwner, auditMs },
    nodeAddresses: isLoopback ? LOOPBACK : options.nodeAddresses,
    // The plane has decided that for both.
    ownAddresses: 'serve',
    loopbackNodePorts: false
  }
}

function checkCarrier(path: string, value: unknown, options: PlaneOptions): CheckedCarrier {
  requireKnown(`${path}.`, requireFields(path, value), ['mode', 'name', 'carries', ...OWN])
  const carrier = value as CarrierOptions
  const { mode, name } = carrier
  if ((mode as unknown) !== 'userspace') throw new ValidationError(`${path}.mode`, mode, "'userspace'")
  if (!isCarrierName(name)) throw new ValidationError(`${path}.name`, name, CARRIER_NAME)
  const carries = checkCarries(`${path}.carries`, carrier.carries)
  checkBeside(`${path}.carries`, carries, options)
  return { name, carries, plane: planeOf(options, carrier, name) }
}

/** Checks option `carriers`. @throws {ValidationError} */
export function checkCarriers(options: PlaneOptions): readonly CheckedCarrier[] {
  const { carriers } = options
  if (carriers === undefined) return []
  if (!Array.isArray(carriers)) throw new ValidationError('carriers', carriers, 'a list of carriers')
  const checked = (carriers as readonly unknown[]).map((one, index) => checkCarrier(`carriers[${index}]`, one, options))
  const services = new Set<string>()
  for (const [index, { name, carries }] of checked.entries()) {
    const path = `carriers[${index}]`
    const before = checked.slice(0, index)
    if (before.some((other) => other.name === name)) throw new ValidationError(`${path}.name`, name, 'a name that no other carrier has')
    if (carries === 'loopbackNodePorts' && before.some((other) => other.carries === carries))
      throw new ValidationError(`${path}.carries`, carries, 'what no other carrier carries')
    for (const service of isList(carries) ? carries : []) {
      if (services.has(service)) throw new ValidationError(`${path}.carries`, service, 'names of services that no other carrier has')
      services.add(service)
    }
  }
  return checked
}
