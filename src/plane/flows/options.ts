/**
 * When flows count as stale, and how often they are looked for.
 */
import { requireFields, requireKnown } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { Protocol } from '../../core/protocols.js'

/**
 * Which flows of a service are deleted when it changes.
 *
 * - `gone`: those whose endpoint is no longer named, or whose frontend is gone; draining endpoints keep theirs.
 * - `not-serving`: those too whose endpoint drains or has weight 0.
 * - `untranslated`: those alone that were never answered and lead past the service, because they began while nothing served the frontend, or somebody had removed the plane's rules. A client that goes on
 *   trying would be led nowhere until it gave up, and one that gets the same port again within two minutes would be refused. Not in mode `ipvs`, whose connections are not translated by connection tracking.
 * - `never`: none.
 */
export type StaleFlowPolicy = 'gone' | 'not-serving' | 'untranslated' | 'never'

/** Options of the deletion of stale flows. */
export interface StaleFlowOptions {
  /** Default `gone`: a client that goes on sending from the same port would be led to where nothing answers, for as long as it sends. */
  readonly udp?: StaleFlowPolicy | undefined
  /** Default `untranslated`, in mode `ipvs` `never`: a connection whose server is gone ends by itself, and one that is removed gets a reset at best. */
  readonly tcp?: StaleFlowPolicy | undefined
  /** Default `untranslated`, in mode `ipvs` `never`. */
  readonly sctp?: StaleFlowPolicy | undefined
  /**
   * Least pause between two examinations, milliseconds, 0–3600000; default 100. The first is made at once. However short, they take a tenth of the time at most:
   * nine times what the last one took is waited after it. After a repair nothing is waited.
   */
  readonly minIntervalMs?: number | undefined
  /**
   * When to examine the flows a second time, milliseconds after the first time, 0–3600000; default 1000; 0: never. A packet that was on its way through the old rules during the change
   * can begin a flow just after they were examined first.
   */
  readonly secondLookMs?: number | undefined
}

/** How those who may answer are known: by their addresses and ports, or, where they are relays at any address of this node, by ports alone. */
export type FlowDestination = 'endpoints' | 'ports'

/** The options, complete. */
export interface StaleFlowSettings {
  readonly leadsTo: FlowDestination
  readonly policies: Readonly<Record<Protocol, StaleFlowPolicy>>
  readonly minIntervalMs: number
  readonly secondLookMs: number
}

const POLICIES: readonly StaleFlowPolicy[] = ['gone', 'not-serving', 'untranslated', 'never']
const MAX_MS = 3_600_000

function policyOf(path: string, value: unknown, otherwise: StaleFlowPolicy, known: readonly StaleFlowPolicy[]): StaleFlowPolicy {
  if (value === undefined) return otherwise
  if (known.includes(value as StaleFlowPolicy)) return value as StaleFlowPolicy
  throw new ValidationError(path, value, known.join(', '))
}

function millisecondsOf(path: string, value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise
  if (typeof value === 'number' && value >= 0 && value <= MAX_MS) return value
  throw new ValidationError(path, value, `0 to ${MAX_MS} milliseconds`)
}

/** What modes differ in. */
export interface StaleFlowTraits {
  /** Whether connection tracking translates connections. */
  readonly translates: boolean
  readonly leadsTo?: FlowDestination | undefined
}

/** Checks options. @throws {ValidationError} */
export function checkStaleFlowOptions(
  options: StaleFlowOptions,
  { translates, leadsTo = 'endpoints' }: StaleFlowTraits = { translates: true }
): StaleFlowSettings {
  const path = 'staleFlows'
  const known = translates ? POLICIES : POLICIES.filter((policy) => policy !== 'untranslated')
  const connections = translates ? 'untranslated' : 'never'
  requireFields(path, options, 'an object, or false')
  requireKnown(`${path}.`, options, ['udp', 'tcp', 'sctp', 'minIntervalMs', 'secondLookMs'])
  return {
    leadsTo,
    policies: {
      udp: policyOf(`${path}.udp`, options.udp, 'gone', known),
      tcp: policyOf(`${path}.tcp`, options.tcp, connections, known),
      sctp: policyOf(`${path}.sctp`, options.sctp, connections, known)
    },
    minIntervalMs: millisecondsOf(`${path}.minIntervalMs`, options.minIntervalMs, 100),
    secondLookMs: millisecondsOf(`${path}.secondLookMs`, options.secondLookMs, 1000)
  }
}
