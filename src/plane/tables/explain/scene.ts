/**
 * What every part of an explanation needs: the packet, the table that it meets, and who sent it.
 */
import type { Question, Trail } from '../../core/explain/explain.js'
import type { LocalSources } from '../../core/local-sources.js'
import type { Key, Lookups } from '../../core/explain/lookups.js'
import type { SetElement } from '../../../nftables/index.js'
import { shortenName } from '../layout/comment.js'
import { localSourcesSet, nodeAddressesSet, type LayoutSet } from '../layout/declarations.js'
import type { TableOptions } from '../layout/table.js'
import type { LostParts } from '../reading/ways.js'
import type { ServiceObjects } from '../writing/objects.js'
import { FIXED_SETS, type ElementSet, type Scope } from '../layout/sets.js'

/** Look-ups in sets that services fill, and in others. */
export type LayoutLookups = Lookups<ElementSet | LayoutSet>

/** Of one packet. */
export interface Scene {
  readonly question: Question
  readonly options: TableOptions
  readonly objects: Pick<ServiceObjects, 'classes' | 'rules'>
  /** What a set is called in the kernel. */
  readonly mapOf: (set: ElementSet) => string
  readonly lookups: LayoutLookups
  readonly trail: Trail
  readonly client: Client
  /** What is gone of the table. */
  readonly lost: LostParts
}

/** Where packets go: an address and a port. */
export interface Destination {
  readonly address: string
  readonly port: number
}

/** The key of a frontend. */
export function frontendKey({ question: { protocol } }: Pick<Scene, 'question'>, scope: Scope, { address, port }: Destination): Key {
  return scope === 'address' ? [address, protocol, port] : [protocol, port]
}

/** The names of sets of services' addresses that have an address. */
export async function serviceSetsWith(
  { question: { family }, lookups }: Pick<Scene, 'question' | 'lookups'>,
  address: string
): Promise<readonly string[]> {
  const { 'cluster-ips': cluster, 'external-ips': external } = FIXED_SETS[family]
  const found: string[] = []
  for (const set of [cluster, external]) if (await lookups.has(set, [address])) found.push(set.name)
  return found
}

/** Whether services have an address as their own. */
export async function isServiceAddress(scene: Pick<Scene, 'question' | 'lookups'>, address: string): Promise<boolean> {
  return (await serviceSetsWith(scene, address)).length > 0
}

/** The filter chains that a packet meets. */
export function filterHook({ direction, isOwn }: Pick<Question, 'direction' | 'isOwn'>, address: string): 'input' | 'forward' | 'output' {
  if (direction === 'outgoing') return 'output'
  return isOwn(address) ? 'input' : 'forward'
}

/** Whether ports of this node are served at an address. */
export function isNodeAddress({ question: { family }, lookups }: Pick<Scene, 'question' | 'lookups'>, address: string): Promise<boolean> {
  return lookups.has(nodeAddressesSet(family), [address])
}

/** The service that an element is of, by its comment; in full where the plane knows the name that the comment shortens. */
export function serviceOf({ question }: Pick<Scene, 'question'>, scope: Scope, { comment }: SetElement): string | undefined {
  const owner = question.ownerOf(scope)
  return owner !== undefined && shortenName(owner) === comment ? owner : comment
}

/** Who sent the packet. What is asked about him is found out when it is asked. */
export class Client {
  readonly #question: Question
  readonly #sources: LocalSources | undefined
  readonly #lookups: LayoutLookups
  readonly #trail: Trail
  #isLocal: Promise<boolean> | undefined
  #isSaid = false

  constructor(question: Question, { localSources }: Pick<TableOptions, 'localSources'>, lookups: LayoutLookups, trail: Trail) {
    this.#question = question
    this.#sources = localSources
    this.#lookups = lookups
    this.#trail = trail
  }

  /** The packet's source is an address of this node: what `fib saddr type local` says. */
  get isNode(): boolean {
    const { direction, from, isOwn } = this.#question
    return direction === 'outgoing' || (from !== undefined && isOwn(from))
  }

  /** The packet's source; undefined where it was not said, of which the trail takes note. */
  get address(): string | undefined {
    const { from } = this.#question
    if (from === undefined) this.#trail.misses('from')
    return from
  }

  /** Whether option `localSources` means the client. */
  isLocal(): Promise<boolean> {
    return (this.#isLocal ??= this.#findLocal())
  }

  /** Whether the client is a local one, or this node itself. */
  async isInside(): Promise<boolean> {
    const is = this.isNode ? 'node' : (await this.isLocal()) ? 'local' : 'outside'
    this.#say(is)
    return is !== 'outside'
  }

  /** Whether answers find their way back to the client without help. */
  async isNotLocal(): Promise<boolean> {
    const isLocal = await this.isLocal()
    this.#say(isLocal ? 'local' : this.isNode ? 'node' : 'outside')
    return !isLocal
  }

  #say(is: 'node' | 'local' | 'outside'): void {
    if (this.#isSaid) return
    this.#isSaid = true
    const by = this.#sources === undefined ? 'nothing' : this.#sources.by
    this.#trail.add({ type: 'client', is, by: is === 'node' ? 'direction' : by })
  }

  async #findLocal(): Promise<boolean> {
    const { direction, family, interface: link } = this.#question
    const sources = this.#sources
    if (sources === undefined) return false
    if (sources.by === 'prefixes') {
      const { address } = this
      return address !== undefined && (await this.#lookups.range(localSourcesSet(family), address)) !== undefined
    }
    // What this node sends came in by no link.
    if (direction === 'outgoing') return false
    if (link === undefined) this.#trail.misses('interface')
    return link !== undefined && (sources.isPrefix ? link.startsWith(sources.name) : link === sources.name)
  }
}
