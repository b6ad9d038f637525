/**
 * What chains of a service say of clients, in words: whom it takes, and for how long it remembers them.
 */
import type { IptablesRule } from '../../../iptables/index.js'
import type { ChainSnapshot } from '../../../iptables/state/snapshot.js'
import type { ListedRule } from '../../../nftables/index.js'
import { differingFew, memoryText } from '../../core/changes/plan.js'
import { isChainOf } from '../layout/names.js'
import { commentOf, listedRule } from './comments.js'

/** A chain of a service as it is there and as it is wanted. */
export interface ChangedChain {
  readonly chain: string
  /** Undefined: the chain is not there. */
  readonly listed: readonly ListedRule[] | undefined
  /** Undefined: nobody wants the chain. */
  readonly wanted: readonly IptablesRule[] | undefined
}

/** Behind the name of the service, where a rule is about clients. */
const ABOUT_CLIENTS = / (?:denied|loadbalancer IP)$/

/** The service that a chain with source ranges is of, by its comments; undefined for other chains. */
export function serviceOfSources({ chain, rules: [first] }: ChainSnapshot): string | undefined {
  const comment = first === undefined || !isChainOf('sources', chain.name) ? undefined : commentOf(listedRule(first))
  return comment !== undefined && ABOUT_CLIENTS.test(comment) ? comment.replace(ABOUT_CLIENTS, '') : undefined
}

/** Whom a rule takes or turns away. */
function rangeOf(rule: IptablesRule): string | undefined {
  const { source } = rule
  if (typeof source !== 'string') return undefined
  return `${commentOf(rule)?.endsWith(' denied') === true ? 'denied' : 'allowed'} ${source}`
}

function rangesOf(rules: readonly IptablesRule[]): string[] {
  return rules.map(rangeOf).filter((range) => range !== undefined)
}

/** For how many seconds rules remember clients; undefined: they do not. */
function memoryOf(rules: readonly IptablesRule[]): number | undefined {
  for (const match of rules.flatMap(({ matches = [] }) => matches))
    if (match.match === 'recent' && 'seconds' in match && typeof match.seconds === 'number') return match.seconds
  return undefined
}

/** What is different of clients. */
export interface ClientWords {
  readonly phrases: readonly string[]
  /** Clients are remembered that were not, or the other way round: then rules of endpoints differ, too. */
  readonly isOfMemory: boolean
}

/** Says what is different of the clients of a service. */
export function clientWords(chains: readonly ChangedChain[]): ClientWords {
  const [there, wanted] = [new Set<string>(), new Set<string>()]
  const memories = new Set<string>()
  let isOfMemory = false
  for (const { chain, listed, wanted: rules } of chains) {
    const before = listed?.map(listedRule).filter((rule) => rule !== undefined)
    if (isChainOf('sources', chain)) {
      for (const range of rangesOf(before ?? [])) there.add(range)
      for (const range of rangesOf(rules ?? [])) wanted.add(range)
    } else if (before !== undefined && rules !== undefined && (isChainOf('cluster', chain) || isChainOf('local', chain))) {
      const [old, now] = [memoryOf(before), memoryOf(rules)]
      if (old !== now) memories.add(`affinity: ${memoryText(old)} -> ${memoryText(now)}`)
      isOfMemory ||= (old === undefined) !== (now === undefined)
    }
  }
  return { phrases: [...memories, ...differingFew('source range:', there, wanted)], isOfMemory }
}
