/**
 * Families, hooks and priorities: the names that nft has for the kernel's numbers.
 */
import { ValidationError } from '../core/errors.js'

/** A family of tables (NFPROTO_*). */
export type Family = 'inet' | 'ip' | 'ip6' | 'arp' | 'bridge' | 'netdev'

const FAMILIES: readonly Family[] = ['inet', 'ip', 'ip6', 'arp', 'bridge', 'netdev']

/** Checks a family's name. @throws {ValidationError} */
export function family(path: string, name: unknown): Family {
  if (typeof name === 'string' && (FAMILIES as readonly string[]).includes(name)) return name as Family
  throw new ValidationError(path, name, FAMILIES.join(', '))
}

/** Where base chains attach. */
export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress'

/** NF_INET_*, NF_ARP_*, NF_NETDEV_* of include/uapi/linux/netfilter*.h, per family. */
const INET_HOOKS: Readonly<Record<string, number>> = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 }
const HOOKS: Readonly<Record<Family, Readonly<Record<string, number>>>> = {
  inet: { ...INET_HOOKS, ingress: 5 },
  ip: INET_HOOKS,
  ip6: INET_HOOKS,
  bridge: INET_HOOKS,
  arp: { input: 0, output: 1, forward: 2 },
  netdev: { ingress: 0, egress: 1 }
}

/** The number of a hook in a family. @throws {ValidationError} */
export function hookNumber(path: string, inFamily: Family, hook: unknown): number {
  const hooks = HOOKS[inFamily]
  const number = typeof hook === 'string' && Object.hasOwn(hooks, hook) ? hooks[hook] : undefined
  if (number === undefined) throw new ValidationError(path, hook, Object.keys(hooks).join(', '))
  return number
}

/** The name of a hook in a family; undefined where it has none. */
export function hookName(inFamily: Family, number: number): Hook | undefined {
  return Object.keys(HOOKS[inFamily]).find((name) => HOOKS[inFamily][name] === number) as Hook | undefined
}

/** Names of priorities; `dstnat+5` and `filter-1` are priorities too. */
export type PriorityName = 'raw' | 'mangle' | 'dstnat' | 'filter' | 'security' | 'srcnat' | 'out'

/** enum nf_ip_hook_priorities (include/uapi/linux/netfilter_ipv4.h) and enum nf_br_hook_priorities (…_bridge.h). */
const INET_PRIORITIES: Readonly<Record<string, number>> = { raw: -300, mangle: -150, dstnat: -100, filter: 0, security: 50, srcnat: 100 }
const PRIORITIES: Readonly<Record<Family, Readonly<Record<string, number>>>> = {
  inet: INET_PRIORITIES,
  ip: INET_PRIORITIES,
  ip6: INET_PRIORITIES,
  arp: { filter: 0 },
  netdev: { filter: 0 },
  bridge: { dstnat: -300, filter: -200, out: 100, srcnat: 300 }
}

/** The number of a priority: a number, a name, or a name with an offset. @throws {ValidationError} */
export function priorityNumber(path: string, inFamily: Family, priority: unknown): number {
  if (typeof priority === 'number' && Number.isInteger(priority) && Math.abs(priority) <= 0x7fff_ffff) return priority
  const names = PRIORITIES[inFamily]
  const match = typeof priority === 'string' ? /^([a-z]+)(?: ?([+-]) ?([0-9]{1,9}))?$/.exec(priority) : null
  const base = match?.[1] !== undefined && Object.hasOwn(names, match[1]) ? names[match[1]] : undefined
  if (match === null || base === undefined)
    throw new ValidationError(
      path,
      priority,
      `an integer, or ${Object.keys(names).join(', ')}, or one of these with an offset such as filter+10`
    )
  const offset = match[3] === undefined ? 0 : Number(match[3])
  return match[2] === '-' ? base - offset : base + offset
}
