/**
 * The tables of iptables and their base chains, as `iptables-nft` makes them.
 */
import { ValidationError } from '../core/errors.js'
import { IPTABLES_TABLES, type IptablesFamily, type IptablesTableName } from './types.js'

/** A chain that packets enter from a hook. */
export interface BaseChain {
  readonly name: string
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
  /** NF_IP_PRI_*, include/uapi/linux/netfilter_ipv4.h: lower runs first. */
  readonly priority: number
  readonly type: 'filter' | 'nat' | 'route'
}

const PREROUTING = { name: 'PREROUTING', hook: 'prerouting' } as const
const INPUT = { name: 'INPUT', hook: 'input' } as const
const FORWARD = { name: 'FORWARD', hook: 'forward' } as const
const OUTPUT = { name: 'OUTPUT', hook: 'output' } as const
const POSTROUTING = { name: 'POSTROUTING', hook: 'postrouting' } as const

function filters(priority: number, ...places: readonly Pick<BaseChain, 'name' | 'hook'>[]): readonly BaseChain[] {
  return places.map((place) => ({ ...place, priority, type: 'filter' }))
}

/** The base chains of each table, in the order in which `iptables-save` prints them. */
export const BASE_CHAINS: Readonly<Record<IptablesTableName, readonly BaseChain[]>> = {
  raw: filters(-300, PREROUTING, OUTPUT),
  mangle: [
    ...filters(-150, PREROUTING, INPUT, FORWARD),
    // Type route: the packet is routed again where a rule changed what routing looks at.
    { ...OUTPUT, priority: -150, type: 'route' },
    ...filters(-150, POSTROUTING)
  ],
  nat: [
    { ...PREROUTING, priority: -100, type: 'nat' },
    { ...INPUT, priority: 100, type: 'nat' },
    { ...OUTPUT, priority: -100, type: 'nat' },
    { ...POSTROUTING, priority: 100, type: 'nat' }
  ],
  filter: filters(0, INPUT, FORWARD, OUTPUT),
  security: filters(150, INPUT, FORWARD, OUTPUT)
}

/** The order in which `iptables-nft-save` prints tables. */
export const SAVE_ORDER: readonly IptablesTableName[] = ['mangle', 'security', 'raw', 'filter', 'nat']

/** The families. */
export const FAMILIES: readonly IptablesFamily[] = ['ip', 'ip6']

/** Whether a name is that of a table of iptables. */
export function isTableName(name: string): name is IptablesTableName {
  return (IPTABLES_TABLES as readonly string[]).includes(name)
}

/** The base chain of that name; undefined: a name for chains of the user. */
export function baseChain(table: IptablesTableName, name: string): BaseChain | undefined {
  return BASE_CHAINS[table].find((chain) => chain.name === name)
}

/** A table of iptables. @throws {ValidationError} */
export function requireTable(path: string, value: unknown): IptablesTableName {
  if (typeof value === 'string' && isTableName(value)) return value
  throw new ValidationError(path, value, `one of ${IPTABLES_TABLES.join(', ')}`)
}

/** A family. @throws {ValidationError} */
export function requireFamily(path: string, value: unknown): IptablesFamily {
  if (value === 'ip' || value === 'ip6') return value
  throw new ValidationError(path, value, "'ip' or 'ip6'")
}
