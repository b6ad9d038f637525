/**
 * What becomes of a real server that is desired no longer.
 */
import { ValidationError } from '../../core/errors.js'
import type { VirtualService } from '../types.js'
import type { DrainPolicies, DrainPolicy } from './types.js'

const DEFAULT_DEADLINE: DrainPolicy = { deadlineSeconds: 900 }
const DEFAULTS = { tcp: DEFAULT_DEADLINE, udp: 'at-once', sctp: DEFAULT_DEADLINE, fwmark: DEFAULT_DEADLINE } as const

/** @throws {ValidationError} */
export function checkPolicy(path: string, policy: unknown): void {
  if (policy === 'at-once') return
  if (typeof policy !== 'object' || policy === null) throw new ValidationError(path, policy, "'at-once', or { deadlineSeconds }")
  const { deadlineSeconds } = policy as { readonly deadlineSeconds?: unknown }
  if (typeof deadlineSeconds !== 'number' || !(deadlineSeconds >= 0))
    throw new ValidationError(`${path}.deadlineSeconds`, deadlineSeconds, 'seconds, 0 or more, or Infinity')
}

/** @throws {ValidationError} */
export function checkPolicies(path: string, policies: unknown): void {
  if (policies === undefined) return
  if (typeof policies !== 'object' || policies === null) throw new ValidationError(path, policies, 'policies by protocol')
  for (const [name, policy] of Object.entries(policies)) {
    if (!Object.hasOwn(DEFAULTS, name)) throw new ValidationError(`${path}.${name}`, policy, `one of ${Object.keys(DEFAULTS).join(', ')}`)
    if (policy !== undefined) checkPolicy(`${path}.${name}`, policy)
  }
}

/**
 * Why a service's real servers cannot drain: those of `sh` without fallback and of `dh` keep their share of the clients at weight 0, and refuse them
 * (ip_vs_sh_schedule, ip_vs_dh_schedule); a one-packet service has no connections.
 */
export function obstacleOf({ scheduler, flags }: VirtualService): string | undefined {
  if (flags.includes('one-packet')) return 'one-packet services have no connections'
  if (scheduler === 'dh') return 'dh refuses the clients of a real server with weight 0'
  if (scheduler === 'sh' && !flags.includes('sh-fallback'))
    return 'sh without sh-fallback refuses the clients of a real server with weight 0'
  return undefined
}

/** What becomes of the real servers of a protocol's services, whatever names these. */
export function drainPolicyOf(name: keyof typeof DEFAULTS, policies: DrainPolicies): DrainPolicy {
  return policies[name] ?? DEFAULTS[name]
}

/** Seconds that a real server of a service may drain; undefined: it goes at once. */
export function drainSeconds(service: VirtualService, own: DrainPolicy | undefined, policies: DrainPolicies): number | undefined {
  if (obstacleOf(service) !== undefined) return undefined
  const policy = own ?? drainPolicyOf(service.protocol ?? 'fwmark', policies)
  return policy === 'at-once' ? undefined : policy.deadlineSeconds
}
