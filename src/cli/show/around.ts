/**
 * What is missing before frontends, and behind them, in tables of nf_tables.
 */
import { writeAddress, type AddressFamily } from '../../core/address.js'
import { ADDRESS_LENGTH, FIXED_SETS, PREFIX, type Audience, type Mark, type Scope } from '../../plane/tables/layout/sets.js'
import { nodeAddressesSet } from '../../plane/tables/layout/declarations.js'
import type { KernelTables } from '../../plane/tables/reading/inspect.js'
import {
  missingAddress,
  missingBefore,
  missingRedirect,
  missingRefusals,
  missingSources,
  missingTo,
  type Hook,
  type LostParts
} from '../../plane/tables/reading/ways.js'
import type { Clients, ShownEndpoint, ShownRefusal, ShownRelay } from './model.js'

/** A frontend that was read. */
export interface Read {
  readonly family: AddressFamily
  readonly key: { readonly address: string | undefined }
  readonly endpoints: readonly ShownEndpoint[]
  readonly refusals: readonly ShownRefusal[]
  readonly relays?: readonly ShownRelay[] | undefined
}

/** Whose packets the first chains see. */
const TRANSLATING: readonly Hook[] = ['prerouting', 'output']
const REFUSING: readonly Hook[] = ['input', 'forward', 'output']
/** Packets to ports of this node are not forwarded. */
const REFUSING_AT_NODE: readonly Hook[] = ['input', 'output']

/** The sets of addresses that have an address. */
function setsWith({ elements }: KernelTables, family: AddressFamily, address: string): string[] {
  const key = new Uint8Array(ADDRESS_LENGTH[family])
  writeAddress(address, key, 0)
  const { 'cluster-ips': cluster, 'external-ips': external } = FIXED_SETS[family]
  return [cluster, external].filter((set) => (elements.find(set)?.table.find(key) ?? -1) >= 0).map(({ name }) => name)
}

const marksOf = (scope: Scope, { type, clients }: ShownRefusal): string =>
  `${PREFIX[scope]}${(clients === 'all' ? type : `${type}-${clients}`) satisfies string as Mark}`

const AUDIENCES: Readonly<Record<Clients, Audience>> = { all: 'direct', inside: 'indirect', outside: 'outside' }

/** What is missing before the relays of a frontend. */
function missingToRelays(lost: LostParts, family: AddressFamily, scope: Scope, relays: readonly ShownRelay[]): string[] {
  return relays.flatMap(({ clients }) => {
    const audience = AUDIENCES[clients]
    return [...missingTo(lost, scope, audience), ...missingRedirect(lost, scope, audience, FIXED_SETS[family].relays[scope][audience].name)]
  })
}

/** Says of a frontend what is missing that it has in common with others. */
export function missingAround(tables: KernelTables): (read: Read) => string[] {
  return ({ family, key: { address }, endpoints, refusals, relays = [] }) => {
    const lost = tables.lost.get(family)
    if (lost === undefined) return []
    const scope = address === undefined ? 'node' : 'address'
    const sets = address === undefined ? [nodeAddressesSet(family).name] : setsWith(tables, family, address)
    const of = sets.length === 0 ? [missingAddress(lost)] : []
    const before = endpoints.length + relays.length === 0 ? [] : missingBefore(lost, scope, TRANSLATING, sets)
    const served = [...before, ...(endpoints.length === 0 ? [] : missingSources(lost)), ...missingToRelays(lost, family, scope, relays)]
    const hooks = scope === 'node' ? REFUSING_AT_NODE : REFUSING
    const marks = refusals.map((refusal) => marksOf(scope, refusal))
    return [...of, ...served, ...(marks.length === 0 ? [] : missingRefusals(lost, scope, hooks, marks))]
  }
}
