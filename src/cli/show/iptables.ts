/**
 * Frontends as chains of iptables have them.
 */
import { Slices } from '../../core/slices.js'
import type { AddressFamily } from '../../core/address.js'
import type { IptablesRule } from '../../iptables/index.js'
import { tableKey, type TableSnapshot } from '../../iptables/state/snapshot.js'
import type { Nftables } from '../../nftables/index.js'
import { FAMILIES } from '../../plane/core/frontend.js'
import { ABOUT_SERVED, commentOf, listedRule } from '../../plane/iptables/inspect/comments.js'
import { destinationOf } from '../../plane/iptables/inspect/endpoints.js'
import { addressOf, portOf } from '../../plane/iptables/inspect/frontends.js'
import { readKernel, type KernelState } from '../../plane/iptables/inspect/kernel.js'
import { holdsOurs } from '../../plane/iptables/inspect/ours.js'
import { isBalancing, missingJumps, missingRules, TO_SOURCES, toFrontends, toRefusals } from '../../plane/iptables/inspect/ways.js'
import { CHAIN, isChainOf } from '../../plane/iptables/layout/names.js'
import { withMissing, type ShownEndpoint, type ShownFrontend } from './model.js'

/** Digits of a share that say something: the kernel keeps 31 bits of each, and rules multiply. */
const SHARE_DIGITS = 9

/** Of a share: less than this is what the last bits of chances say. */
const LEAST_SHARE = 1e-6

/** Where a rule goes on. */
function jumpOf({ target }: IptablesRule): string | undefined {
  return typeof target === 'object' && 'jump' in target ? target.jump : undefined
}

/** What of the packets that reach a rule it takes. */
function chanceOf({ matches = [] }: IptablesRule): number {
  const found = matches.find((match) => match.match === 'statistic')
  return found !== undefined && 'probability' in found && typeof found.probability === 'number' ? found.probability : 1
}

/** Whether a rule leads clients back that are remembered: others by-pass it. */
function isForKnown({ matches = [] }: IptablesRule): boolean {
  return matches.some((match) => match.match === 'recent')
}

/** Chains of the nat table, read as they are asked for. */
class NatChains {
  readonly #table: TableSnapshot
  readonly #read = new Map<string, readonly IptablesRule[]>()

  constructor(table: TableSnapshot) {
    this.#table = table
  }

  rules(chain: string): readonly IptablesRule[] {
    let rules = this.#read.get(chain)
    if (rules === undefined) {
      const listed = this.#table.chains.get(chain)?.rules ?? []
      rules = listed.map(listedRule).filter((rule) => rule !== undefined)
      this.#read.set(chain, rules)
    }
    return rules
  }

  /** Chains out of whose end packets come that should have got to an endpoint. */
  readonly #leaks = new Set<string>()

  /** The same of those that were met since this was asked last. */
  takeLeaks(): string[] {
    const leaks = [...this.#leaks]
    this.#leaks.clear()
    return leaks
  }

  /** Endpoints that a chain leads to, with their shares. Chains lead to others in a few levels, and never back. */
  endpoints(chain: string, share = 1, seen: readonly string[] = []): ShownEndpoint[] {
    const found: ShownEndpoint[] = []
    const before = this.#leaks.size
    let left = share
    for (const rule of this.rules(chain)) {
      const own = destinationOf(rule)
      if (own !== undefined)
        return [{ ...own, clients: 'all', share: Number(share.toFixed(SHARE_DIGITS)), connections: rule.counters?.packets }]
      const next = jumpOf(rule)
      if (next === undefined || next === CHAIN.mark || seen.includes(next) || isForKnown(rule)) continue
      // All that it admits goes the same way.
      if (isChainOf('sources', chain)) return this.endpoints(next, share, [...seen, chain])
      if (isForFew(rule)) continue
      const taken = left * chanceOf(rule)
      const behind = this.endpoints(next, taken, [...seen, chain])
      if (behind.length > 0) left -= taken
      found.push(...behind)
    }
    // What comes back from the chain of an endpoint may come out of the one before it, too.
    if (left > LEAST_SHARE * share && isBalancing(chain) && this.#leaks.size === before) this.#leaks.add(chain)
    return found
  }
}

/** Whether a rule is for some clients alone: local ones, and this node itself. What all others meet follows it. */
function isForFew({ source, inInterface, matches = [] }: IptablesRule): boolean {
  return source !== undefined || inInterface !== undefined || matches.some((match) => match.match === 'addrtype')
}

/** What the ways of packets lack, by what they are for. */
interface MissingWays {
  readonly served: readonly string[]
  readonly atNode: readonly string[]
  readonly refused: (chain: string) => readonly string[]
}

function waysIn(kernel: KernelState, family: AddressFamily, chains: NatChains): MissingWays {
  const served = missingJumps(kernel, family, [...toFrontends(['PREROUTING', 'OUTPUT']), TO_SOURCES])
  const hasNodePorts = chains.rules(CHAIN.services).some((rule) => jumpOf(rule) === CHAIN.nodePorts)
  const toNode = `a rule of chain ${family} nat ${CHAIN.services} that leads to ${CHAIN.nodePorts}`
  return {
    served,
    atNode: hasNodePorts ? served : [...served, toNode],
    refused: (chain) => missingJumps(kernel, family, toRefusals(['INPUT', 'FORWARD', 'OUTPUT'], chain))
  }
}

function frontendOf(chains: NatChains, family: AddressFamily, rule: IptablesRule, ways: MissingWays): ShownFrontend | undefined {
  const [chain, port] = [jumpOf(rule), portOf(rule.matches)]
  if (chain === undefined || chain === CHAIN.nodePorts || port === undefined) return undefined
  const { protocol } = rule
  const address = addressOf(rule)
  const endpoints = chains.endpoints(chain)
  const inside = chains.takeLeaks().map((leak) => missingRules(family, leak))
  return {
    ...{ mode: 'iptables', family, port, address, isOurs: true, endpoints, refusals: [] },
    service: commentOf(rule)?.replace(ABOUT_SERVED, ''),
    protocol: typeof protocol === 'string' ? protocol : undefined,
    ...withMissing([...(address === undefined ? ways.atNode : ways.served), ...inside])
  }
}

/** What the filter table refuses: frontends that have no endpoint. */
function refusalsIn(table: TableSnapshot | undefined, family: AddressFamily, ways: MissingWays): ShownFrontend[] {
  if (table === undefined) return []
  const filter = new NatChains(table)
  return [CHAIN.services, CHAIN.externalServices].flatMap((chain) =>
    filter.rules(chain).flatMap((rule): ShownFrontend[] => {
      const [port, found] = [portOf(rule.matches), / has no (local )?endpoints$/.exec(commentOf(rule) ?? '')]
      if (port === undefined || found === null) return []
      const refusal =
        found[1] === undefined ? ({ type: 'refused', clients: 'all' } as const) : ({ type: 'dropped', clients: 'outside' } as const)
      const { protocol } = rule
      return [
        {
          ...{ mode: 'iptables', family, port, isOurs: true, endpoints: [], refusals: [refusal] },
          service: commentOf(rule)!.slice(0, found.index),
          protocol: typeof protocol === 'string' ? protocol : undefined,
          address: addressOf(rule),
          ...withMissing(ways.refused(chain))
        }
      ]
    })
  )
}

/** One frontend may be in both tables. */
function merge(frontends: readonly ShownFrontend[]): ShownFrontend[] {
  const merged = new Map<string, ShownFrontend>()
  for (const one of frontends) {
    const id = `${one.family} ${one.protocol ?? ''} ${one.address ?? ''} ${one.port ?? ''}`
    const known = merged.get(id)
    if (known === undefined) {
      merged.set(id, one)
      continue
    }
    const missing = [...new Set([...(known.missing ?? []), ...(one.missing ?? [])])]
    merged.set(id, { ...known, refusals: [...known.refusals, ...one.refusals], ...withMissing(missing) })
  }
  return [...merged.values()]
}

/** Frontends of mode iptables. @throws {NetplaneError} `ERR_NETPLANE_FOREIGN`: the chains are not ours. */
export async function showIptables(nft: Nftables): Promise<ShownFrontend[]> {
  const kernel = await readKernel(nft)
  if (!holdsOurs(kernel, false)) return []
  const slices = new Slices()
  const found: ShownFrontend[] = []
  for (const family of FAMILIES) {
    const nat = kernel.tables.get(tableKey(family, 'nat'))
    if (nat === undefined) continue
    const chains = new NatChains(nat)
    const ways = waysIn(kernel, family, chains)
    for (const chain of [CHAIN.services, CHAIN.nodePorts])
      for (const rule of chains.rules(chain)) {
        if (slices.isOver) await slices.turn()
        const frontend = frontendOf(chains, family, rule, ways)
        if (frontend !== undefined) found.push(frontend)
      }
    found.push(...refusalsIn(kernel.tables.get(tableKey(family, 'filter')), family, ways))
  }
  return merge(found)
}
