/**
 * What planes leave in their tables: objects of other options, and of classes to which nothing leads any more. They are told apart from those of other programs by their names.
 */
import type { AddressFamily } from '../../../core/address.js'
import type { DescribeStray } from '../../../nftables/compare.js'
import type { ListedSet } from '../../../nftables/index.js'
import { countingChains, countingSets } from '../counting/chains.js'
import { affinityMap, balancingName } from '../layout/balancing.js'
import { localSourcesSet, nodeAddressesSet, ROUTE_LOCALNET_SET, serviceRangesSet } from '../layout/declarations.js'
import { FLOWTABLE } from '../layout/flow-offload.js'
import { optionalChains } from '../layout/optional-chains.js'
import { learningChains, type TableOptions } from '../layout/table.js'
import { fixedSets, mapNames, SCOPES, slotClassOf, type Audience, type Choice, type SlotClass } from '../layout/sets.js'

const CLASS = /^(node-)?(?:(indirect|outside)-)?(random|hash)-(\d{1,5})(-sticky)?$/
const STICKY = /^(?:node-)?sticky-(?:tcp|udp|sctp)-\d+$/

/** The slot class with a name; undefined: no class is called so. */
export function classNamed(name: string): SlotClass | undefined {
  const [, node, audience = 'direct', choice, count, sticky] = CLASS.exec(name) ?? []
  if (choice === undefined) return undefined
  const slots = Number(count)
  if (slots === 0) return undefined
  const scope = node === undefined ? 'address' : 'node'
  const found = slotClassOf(scope, audience as Audience, choice as Choice, sticky !== undefined, slots)
  return found.name === name ? found : undefined
}

/** Whether a set is called as one of a class is, or as that of clients that are remembered. */
function isOfClass(name: string): boolean {
  const [, own] = /^endpoints-(.*?)(?:-b)?$/.exec(name) ?? []
  return STICKY.test(name) || classNamed(own ?? name) !== undefined
}

/** Classes whose frontends are there, though nothing leads to them. @param inUse Names of sets that are asked. */
export function unledClasses(sets: readonly Pick<ListedSet, 'name'>[], inUse: ReadonlyMap<string, unknown>): SlotClass[] {
  return sets.flatMap(({ name }) => (inUse.has(name) ? [] : (classNamed(name) ?? [])))
}

/** Which of a class's names its map has. */
export function mapIn(names: ReadonlySet<string>, slotClass: SlotClass): string {
  return mapNames(slotClass).find((name) => names.has(name)) ?? mapNames(slotClass)[0]
}

/** Names of all that some plane with the same balancing makes, whatever its options are. */
function knownNames(family: AddressFamily, options: TableOptions): ReadonlySet<string> {
  const everything: TableOptions = {
    ...options,
    ...{ dropInvalid: true, loopbackNodePorts: true, forwardedMark: 1, counters: true, flowOffload: { devices: [], afterPackets: 0 } }
  }
  const statics = [localSourcesSet(family), serviceRangesSet(family), ROUTE_LOCALNET_SET, nodeAddressesSet(family)]
  const learnt = SCOPES.flatMap((scope) => {
    const { frontends, endpoints } = countingSets(family, scope)
    return [affinityMap(family, scope), frontends, endpoints]
  })
  const chains = [...learningChains(family, everything), ...countingChains(family, options.name)].map(({ chain }) => chain)
  const named = [...statics, ...learnt, ...fixedSets(family, everything), ...chains].map(({ name }) => name)
  return new Set([...named, ...optionalChains(family, everything).map(({ chain }) => chain.name), FLOWTABLE])
}

/** Whether a chain is called as one that balances over a class. */
function isBalancing(name: string): boolean {
  const slotClass = classNamed(name.replace(/^lb-/, ''))
  return slotClass !== undefined && balancingName(slotClass) === name
}

/** Says of what should not be in a table of ours whether an earlier plane has left it there. */
export function strayWords(family: AddressFamily, options: TableOptions): DescribeStray {
  let known: ReadonlySet<string> | undefined
  return (what, place, name) => {
    const isOurs = (known ??= knownNames(family, options)).has(name) || (what === 'chain' ? isBalancing(name) : isOfClass(name))
    return isOurs ? `${what} ${place} ${name} left over by an earlier run` : `foreign ${what} ${place} ${name}`
  }
}
