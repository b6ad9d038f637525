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
 * - `never`: none.
 */
export type StaleFlowPolicy = 'gone' | 'not-serving' | 'never'

/** Options of the deletion of stale flows. */
export interface StaleFlowOptions {
  /** Default `gone`: a client that goes on sending from the same port would be led to where nothing answers, for as long as it sends. */
  readonly udp?: StaleFlowPolicy | undefined
  /** Default `never`: a connection whose server is gone ends by itself, and one that is removed gets a reset at best. */
  readonly tcp?: StaleFlowPolicy | undefined
  /** Default `never`. */
  readonly sctp?: StaleFlowPolicy | undefined
  /**
   * Least pause between two examinations, milliseconds, 0–3600000; default 100. The first is made at once. However short, they take a tenth of the time at most:
   * nine times what the last one took is waited after it.
   */
  readonly minIntervalMs?: number | undefined
  /**
   * When to examine the flows a second time, milliseconds after the first time, 0–3600000; default 1000; 0: never. A packet that was on its way through the old rules during the change
   * can begin a flow just after they were examined first.
   */
  readonly secondLookMs?: number | undefined
}

/** The options, complete. */
export interface StaleFlowSettings {
  readonly policies: Readonly<Record<Protocol, StaleFlowPolicy>>
  readonly minIntervalMs: number
  readonly secondLookMs: number
}

const POLICIES = ['gone', 'not-serving', 'never']
const MAX_MS = 3_600_000

function policyOf(path: string, value: unknown, otherwise: StaleFlowPolicy): StaleFlowPolicy {
  if (value === undefined) return otherwise
  if (typeof value === 'string' && POLICIES.includes(value)) return value as StaleFlowPolicy
  throw new ValidationError(path, value, POLICIES.join(', '))
}

function millisecondsOf(path: string, value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise
  if (typeof value === 'number' && value >= 0 && value <= MAX_MS) return value
  throw new ValidationError(path, value, `0 to ${MAX_MS} milliseconds`)
}

/** Checks options. @throws {ValidationError} */
export function checkStaleFlowOptions(options: StaleFlowOptions, path = 'staleFlows'): StaleFlowSettings {
  requireFields(path, options, 'an object, or false')
  requireKnown(`${path}.`, options, ['udp', 'tcp', 'sctp', 'minIntervalMs', 'secondLookMs'])
  return {
    policies: {
      udp: policyOf(`${path}.udp`, options.udp, 'gone'),
      tcp: policyOf(`${path}.tcp`, options.tcp, 'never'),
      sctp: policyOf(`${path}.sctp`, options.sctp, 'never')
    },
    minIntervalMs: millisecondsOf(`${path}.minIntervalMs`, options.minIntervalMs, 100),
    secondLookMs: millisecondsOf(`${path}.secondLookMs`, options.secondLookMs, 1000)
  }
}
