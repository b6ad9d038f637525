import type { Logger } from 'pino'
import type { Catalog } from './kubernetes/catalog.js'
import { podPrefixes } from './kubernetes/eligibility.js'
import type { ProxyOptions } from './options.js'

/** Whom it concerns that a plane was opened by what is not so any more. */
export interface OutdatedHooks {
  /** Told once: the own Node has other prefixes of pods than those by which clients are local (`detectLocalMode: NodeCIDR`), or the cluster other ones of Services. */
  readonly outdated?: (() => void) | undefined
  /** Told the prefixes out of which the cluster gives addresses to Services; returns whether the plane was opened with others. Absent: they do not count. */
  readonly learnRanges?: ((ranges: readonly string[]) => boolean) | undefined
}

/** What a plane was opened by, which objects of the cluster say. */
export class OpenedBy {
  readonly #options: ProxyOptions
  readonly #hooks: OutdatedHooks
  readonly #log: Logger
  #isOutdated = false

  constructor(options: ProxyOptions, hooks: OutdatedHooks, log: Logger) {
    this.#options = options
    this.#hooks = hooks
    this.#log = log
  }

  /** Compares it with what the source has told. @param knowsRanges Whether that has all ServiceCIDRs. */
  compare(catalog: Pick<Catalog, 'nodes' | 'clusterRanges'>, knowsRanges: boolean): void {
    this.#compareLocalClients(podPrefixes(catalog.nodes, this.#options.nodeName))
    if (knowsRanges) this.#compareRanges(catalog.clusterRanges)
  }

  /** A Node without prefixes says nothing of who is local: it may get them back. */
  #compareLocalClients(prefixes: readonly string[]): void {
    const { configured, traffic } = this.#options
    if (configured?.isLocalByNode !== true || prefixes.length === 0) return
    if (JSON.stringify(prefixes) === JSON.stringify(traffic.localSources)) return
    this.#tell('the prefixes of pods have changed', prefixes)
  }

  #compareRanges(ranges: readonly string[]): void {
    if (this.#hooks.learnRanges?.(ranges) === true) this.#tell('the ranges of Services have changed', ranges)
  }

  #tell(message: string, prefixes: readonly string[]): void {
    this.#log.info({ prefixes }, message)
    if (!this.#isOutdated) this.#hooks.outdated?.()
    this.#isOutdated = true
  }
}
