/**
 * What is asked of a back end that explains, and what is made of its answer.
 */
import { canonicalAddress, familyOf, requireAddress, type AddressFamily } from '../../../core/address.js'
import { requireFields, requireInteger, requireKnown } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import type { Protocol } from '../../../core/protocols.js'
import type { Explanation, ExplanationOutcome, ExplainRequest, ExplanationStep, PacketDirection } from '../../explanation.js'
import { describeExplanation } from './text.js'
import { frontendIdentities, type FrontendKey } from '../frontend.js'
import { isDeviceName } from '../local-sources.js'

/** A first packet, checked. Addresses are written as the kernel's are. */
export interface Packet {
  readonly protocol: Protocol
  readonly family: AddressFamily
  readonly address: string
  readonly port: number
  readonly from: string | undefined
  readonly interface: string | undefined
}

/** What a back end is asked. */
export interface Question extends Packet {
  readonly direction: PacketDirection
  /** Whether an address is this node's own. */
  readonly isOwn: (address: string) => boolean
  /** The committed service to which the address and port belong, or the port of this node. */
  readonly ownerOf: (scope: 'address' | 'node') => string | undefined
}

/** What a back end answers. */
export type Findings = Pick<Explanation, 'steps' | 'outcome' | 'dependsOn'>

/** Collects what is found on the way. */
export class Trail {
  readonly #steps: ExplanationStep[] = []
  readonly #dependsOn = new Set<'from' | 'interface'>()
  readonly #lacking = new Set<string>()

  add(step: ExplanationStep): void {
    this.#steps.push(step)
  }

  /** Adds what the kernel lacks, where it lacks anything. Returns whether it does. */
  lacks(objects: readonly string[]): boolean {
    const untold = objects.filter((object) => !this.#lacking.has(object))
    for (const object of untold) this.#lacking.add(object)
    if (untold.length > 0) this.add({ type: 'missing', objects: untold })
    return objects.length > 0
  }

  /** Whether something was found to be missing. */
  get isIncomplete(): boolean {
    return this.#lacking.size > 0
  }

  /** Takes note that a field was asked for that was not given. */
  misses(field: 'from' | 'interface'): void {
    this.#dependsOn.add(field)
  }

  end(outcome: ExplanationOutcome): Findings {
    return { steps: this.#steps, outcome, dependsOn: [...this.#dependsOn] }
  }
}

const FIELDS = ['protocol', 'address', 'port', 'from', 'direction', 'interface']
const DIRECTIONS: readonly unknown[] = ['incoming', 'outgoing']
const PROTOCOLS: readonly unknown[] = ['tcp', 'udp', 'sctp']

/** Checks a request, and copies it: the caller may change it. @throws {ValidationError} */
export function checkExplainRequest(request: ExplainRequest): ExplainRequest {
  requireKnown('request.', requireFields('request', request), FIELDS)
  const { protocol, address, port, from, direction } = request
  if (!PROTOCOLS.includes(protocol)) throw new ValidationError('request.protocol', protocol, "'tcp', 'udp', 'sctp'")
  requireAddress('request.address', address)
  requireInteger('request.port', port, 1, 65_535)
  if (from !== undefined) requireAddress('request.from', from, familyOf(address))
  if (direction !== undefined && !DIRECTIONS.includes(direction))
    throw new ValidationError('request.direction', direction, "'incoming', 'outgoing'")
  if (direction === 'incoming' && from === undefined)
    throw new ValidationError('request.from', from, "the client's address, as an incoming packet is somebody else's")
  checkInterface(request)
  return { ...request }
}

function checkInterface({ interface: link, from, direction }: ExplainRequest): void {
  if (link === undefined) return
  if (direction === 'outgoing' || from === undefined)
    throw new ValidationError('request.interface', link, 'nothing, as packets of this node itself come in by no link')
  if (!isDeviceName(link)) throw new ValidationError('request.interface', link, 'the name of a link')
}

/** What the plane knows beside its back end. */
export interface ExplainParts {
  /** This node's own addresses at the moment, in any spelling. */
  readonly ownAddresses: () => Promise<readonly string[]>
  /** The name of the committed service that has a frontend, by {@link frontendIdentities}. */
  readonly owner: (frontend: FrontendKey) => string | undefined
  readonly explain: (question: Question) => Promise<Findings>
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.')

/** Explains what a checked request asks. */
export async function explain(request: ExplainRequest, { ownAddresses, owner, explain: ask }: ExplainParts): Promise<Explanation> {
  const [address, from] = [canonicalAddress(request.address), request.from === undefined ? undefined : canonicalAddress(request.from)]
  const { protocol, port, interface: link } = request
  const family = familyOf(address)
  const own = new Set((await ownAddresses()).map((one) => canonicalAddress(one)))
  const isOwn = (one: string): boolean => own.has(one) || isLoopback(one)
  const direction = request.direction ?? (from === undefined || (link === undefined && isOwn(from)) ? 'outgoing' : 'incoming')
  const identities = {
    address: frontendIdentities(protocol, { kind: 'cluster', address, port }),
    node: frontendIdentities(protocol, { kind: 'node', family, port })
  }
  const ownerOf = (scope: 'address' | 'node'): string | undefined => owner(identities[scope][0]!)
  const findings = await ask({ protocol, family, address, port, from, direction, interface: link, isOwn, ownerOf })
  const asked = { protocol, address, port, from, direction, interface: link }
  return { request: asked, ...findings, toString: () => describeExplanation({ request: asked, ...findings }) }
}
