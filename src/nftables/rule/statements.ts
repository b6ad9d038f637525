/**
 * Statements of rules, by the names that nft has: `counter()`, `accept()`, `dnat('10.0.0.1', { port: 80 })`.
 */
import { Buffer } from 'node:buffer'
import { isIPv6 } from 'node:net'
import { parsePrefix, prefixRange } from '../../core/address.js'
import { ValidationError } from '../../core/errors.js'
import type { Expression } from '../expressions.js'
import { ICMPV6_CODES, ICMPX_CODES, ICMP_CODES } from '../symbols.js'
import { checkBigint, checkName, checkNoOwnChain, checkNumber, checkQuotable } from './checks.js'
import { constantNode } from './constants.js'
import type {
  ChainRule,
  DynamicSetStatement,
  PlainStatement,
  RejectStatement,
  RuleStatement,
  TranslationFlag,
  TranslationStatement,
  ValueNode,
  ValueRange,
  VerdictStatement
} from './nodes.js'
import { type KeySelector, Selector, type SetArgument } from './selector.js'

function plain(expression: Expression): PlainStatement {
  return { kind: 'plain', expression }
}

/** Counts packets and bytes: from what is given, default 0; or on a named counter of the table. @throws {ValidationError} */
export function counter(start: string | { readonly packets?: bigint | number; readonly bytes?: bigint | number } = {}): PlainStatement {
  if (typeof start === 'string') return plain({ type: 'objref', objectType: 'counter', name: checkName('name', start) })
  return plain({ type: 'counter', packets: checkBigint('packets', start.packets ?? 0n), bytes: checkBigint('bytes', start.bytes ?? 0n) })
}

/** Kinds of named objects that a rule can use: counters, quotas and limits; and what it gives a connection. */
export type UsableObject = 'counter' | 'quota' | 'limit' | 'ct-helper' | 'ct-timeout' | 'ct-expect' | 'synproxy' | 'secmark'

/**
 * Uses a named object of the table: `useObject('ct-helper', 'ftp')` is nft's `ct helper set "ftp"`, `useObject('ct-timeout', 'short')` its `ct timeout set "short"`.
 *
 * @throws {ValidationError}
 */
export function useObject(kind: UsableObject, name: string): PlainStatement {
  const kinds: readonly UsableObject[] = ['counter', 'quota', 'limit', 'ct-helper', 'ct-timeout', 'ct-expect', 'synproxy', 'secmark']
  if (!kinds.includes(kind)) throw new ValidationError('kind', kind, kinds.join(', '))
  return plain({ type: 'objref', objectType: kind, name: checkName('name', name) })
}

function verdict(name: VerdictStatement['verdict']): VerdictStatement {
  return { kind: 'verdict', verdict: name }
}

/** Lets the packet go on; later base chains still see it. */
export const accept = (): VerdictStatement => verdict('accept')
/** Drops the packet. */
export const drop = (): VerdictStatement => verdict('drop')
/** Goes back to the chain that jumped here; at the end of a base chain its policy decides. */
export const returns = (): VerdictStatement => verdict('return')
/** Goes on with the next rule. */
export const continues = (): VerdictStatement => verdict('continue')

/** A chain by its name, or the rules of one that belongs to this rule alone. */
export type ChainArgument = string | readonly ChainRule[]

function goingTo(name: 'jump' | 'goto', chain: ChainArgument): VerdictStatement {
  return Array.isArray(chain)
    ? { kind: 'verdict', verdict: name, rules: checkChainRules(chain as readonly ChainRule[]) }
    : { kind: 'verdict', verdict: name, chain: checkName('chain', chain) }
}

/** Rules of a chain that belongs to a rule cannot have such chains themselves (nf_tables_bind_chain). */
function checkChainRules(rules: readonly ChainRule[]): readonly ChainRule[] {
  if (rules.length === 0) throw new ValidationError('rules', rules, 'at least one rule')
  for (const [index, inner] of rules.entries()) {
    if (!Array.isArray((inner as Partial<ChainRule> | null)?.statements))
      throw new ValidationError(`rules[${index}]`, inner, 'a rule, as rule(…) gives it')
    checkNoOwnChain(inner.statements, `rules[${index}].`)
  }
  return rules
}

/**
 * Goes to a chain and comes back at its end: to one that has a name, or to one that belongs to this rule and goes with it, given as its rules (Linux 5.9):
 * `jump([rule(ip.saddr.eq('10.0.0.0/8'), accept()), rule(drop())])`.
 *
 * @throws {ValidationError}
 */
export const jump = (chain: ChainArgument): VerdictStatement => goingTo('jump', chain)
/** Goes to a chain, as {@link jump} does, and does not come back here. @throws {ValidationError} */
export const goto = (chain: ChainArgument): VerdictStatement => goingTo('goto', chain)

/** Leaves the packet's connection untracked; for hooks at priority `raw`. */
export const notrack = (): PlainStatement => plain({ type: 'notrack' })

/**
 * Hands the packet's connection over to a flowtable of the table, as `flow add @name` does: its packets take a short cut from ingress to egress from then on. In chains that packets reach from hook
 * `forward` alone; needs CONFIG_NFT_FLOW_OFFLOAD (nft_flow_offload).
 *
 * @throws {ValidationError}
 */
export function flowAdd(flowtable: string): PlainStatement {
  return plain({ type: 'flow_offload', flowtable: checkName('flowtable', flowtable) })
}

/** Units of time for {@link limit}. */
export type TimeUnit = 'second' | 'minute' | 'hour' | 'day' | 'week'

const SECONDS: Readonly<Record<TimeUnit, bigint>> = { second: 1n, minute: 60n, hour: 3600n, day: 86_400n, week: 604_800n }
/** What nft allows on top where nothing is said. */
const DEFAULT_BURST_PACKETS = 5

/** Options of {@link limit}. */
export interface LimitOptions {
  /** How many of them in a unit of time. */
  readonly rate: number | bigint
  /** Default `second`. */
  readonly per?: TimeUnit | undefined
  /** What is counted; default `packets`. */
  readonly of?: 'packets' | 'bytes' | undefined
  /** How many may come at once; default 5 packets, no bytes. */
  readonly burst?: number | undefined
  /** True above the rate instead of below. */
  readonly over?: boolean | undefined
}

/** True as long as there are no more packets, or bytes, than the rate. @throws {ValidationError} */
export function limit({ rate, per = 'second', of = 'packets', burst, over = false }: LimitOptions): PlainStatement {
  if (!Object.hasOwn(SECONDS, per)) throw new ValidationError('per', per, Object.keys(SECONDS).join(', '))
  const whole = checkBigint('rate', rate)
  if (whole === 0n) throw new ValidationError('rate', rate, 'at least 1')
  const allowed = burst ?? (of === 'packets' ? DEFAULT_BURST_PACKETS : 0)
  checkNumber('burst', allowed, of === 'packets' ? 1 : 0)
  return plain({ type: 'limit', rate: whole, unitSeconds: SECONDS[per], mode: of, burst: allowed, flags: over ? ['inverted'] : [] })
}

/** True until so many bytes have passed; with `over`, after. @throws {ValidationError} */
export function quota(
  bytes: number | bigint,
  { over = false, consumed = 0n }: { readonly over?: boolean; readonly consumed?: number | bigint } = {}
): PlainStatement {
  return plain({
    type: 'quota',
    bytes: checkBigint('bytes', bytes),
    consumed: checkBigint('consumed', consumed),
    flags: over ? ['inverted'] : []
  })
}

/** True where there are no more connections than this; with `over`, where there are more. @throws {ValidationError} */
export function connlimit(count: number, { over = false }: { readonly over?: boolean } = {}): PlainStatement {
  checkNumber('count', count, 0)
  return plain({ type: 'connlimit', count, flags: over ? ['inverted'] : [] })
}

/** Levels of {@link log}: those of syslog(2), and `audit` for the audit system. */
export type LogLevel = 'emerg' | 'alert' | 'crit' | 'err' | 'warn' | 'notice' | 'info' | 'debug' | 'audit'
const LOG_LEVELS: readonly LogLevel[] = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug', 'audit']
/** What {@link log} adds to a line. */
export type LogFlag = 'tcp-sequence' | 'tcp-options' | 'ip-options' | 'skuid' | 'ether'
/** NF_LOG_*, include/uapi/linux/netfilter/nf_log.h. */
const LOG_FLAGS: Readonly<Record<LogFlag, number>> = { 'tcp-sequence': 1, 'tcp-options': 2, 'ip-options': 4, skuid: 8, ether: 32 }
/** NF_LOG_PREFIXLEN without its NUL. */
const MAX_LOG_PREFIX = 127

/** Options of {@link log}: to the kernel's log, or with `group` to programs that listen. */
export interface LogOptions {
  /** At most 127 bytes, without quotation marks and control characters, which nft could not read again. */
  readonly prefix?: string | undefined
  /** Default `warn`. */
  readonly level?: LogLevel | undefined
  readonly flags?: readonly LogFlag[] | undefined
  /** 0–65535. */
  readonly group?: number | undefined
  /** Bytes of the packet to send. */
  readonly snapLength?: number | undefined
  /** Packets to collect before they are sent. */
  readonly queueThreshold?: number | undefined
}

/** Logs the packet. @throws {ValidationError} */
export function log({ prefix, level, flags, group, snapLength, queueThreshold }: LogOptions = {}): PlainStatement {
  if (prefix !== undefined) checkQuotable('prefix', prefix, MAX_LOG_PREFIX)
  if (level !== undefined && !LOG_LEVELS.includes(level)) throw new ValidationError('level', level, LOG_LEVELS.join(', '))
  for (const flag of flags ?? [])
    if (!Object.hasOwn(LOG_FLAGS, flag)) throw new ValidationError('flags', flag, Object.keys(LOG_FLAGS).join(', '))
  if (group !== undefined) checkNumber('group', group, 0, 0xffff)
  if (snapLength !== undefined) checkNumber('snapLength', snapLength, 0)
  if (queueThreshold !== undefined) checkNumber('queueThreshold', queueThreshold, 0, 0xffff)
  if (group !== undefined && (level !== undefined || flags !== undefined))
    throw new ValidationError('group', group, 'no group beside a level or flags')
  if (group === undefined && (snapLength !== undefined || queueThreshold !== undefined))
    throw new ValidationError('group', group, 'a group beside snapLength and queueThreshold')
  const bits = (flags ?? []).reduce((sum, flag) => sum | LOG_FLAGS[flag], 0)
  return plain({
    type: 'log',
    ...(prefix === undefined ? {} : { prefix }),
    ...(level === undefined ? {} : { level: LOG_LEVELS.indexOf(level) }),
    ...(bits === 0 ? {} : { flags: bits }),
    ...(group === undefined ? {} : { group }),
    ...(snapLength === undefined ? {} : { snapLength }),
    ...(queueThreshold === undefined ? {} : { queueThreshold })
  })
}

/** How {@link reject} answers. */
export type RejectAnswer =
  'tcp-reset' | { readonly icmp: string | number } | { readonly icmpv6: string | number } | { readonly icmpx: string | number }

const REJECT_CODES = { icmp: ICMP_CODES, icmpv6: ICMPV6_CODES, icmpx: ICMPX_CODES } as const

/**
 * Drops the packet and says so: default "port unreachable" in the packet's own protocol. `icmpx` codes are for both versions of IP, in tables of family inet.
 *
 * @throws {ValidationError}
 */
export function reject(answer?: RejectAnswer): RejectStatement {
  if (answer === undefined) return { kind: 'reject', with: 'default' }
  if (answer === 'tcp-reset') return { kind: 'reject', with: 'tcp-reset' }
  const entries = Object.entries(answer) as [keyof typeof REJECT_CODES, string | number][]
  const [kind, code] = entries[0] ?? []
  if (kind === undefined || entries.length !== 1 || !Object.hasOwn(REJECT_CODES, kind))
    throw new ValidationError('with', answer, "'tcp-reset', { icmp }, { icmpv6 } or { icmpx }")
  const number = typeof code === 'string' ? REJECT_CODES[kind][code] : code
  if (number === undefined) throw new ValidationError(`with.${kind}`, code, Object.keys(REJECT_CODES[kind]).join(', '))
  checkNumber(`with.${kind}`, number, 0, 0xff)
  return { kind: 'reject', with: kind, code: number }
}

/** Ports of address translation: one, a range of which one is chosen, or what a selector has. */
export type PortArgument = number | { readonly from: number; readonly to: number } | Selector<number> | Selector<never>

/** Options of {@link dnat} and {@link snat}. */
export interface TranslationOptions {
  readonly port?: PortArgument | undefined
  readonly flags?: readonly TranslationFlag[] | undefined
}

/** Where to: an address, a range or prefix of which one is chosen, or what a map has: an address, or an address and a port. */
export type AddressArgument = string | { readonly from: string; readonly to: string } | Selector<never>

const TRANSLATION_FLAGS: readonly string[] = ['random', 'fully-random', 'persistent']

function translationFlags(flags: readonly TranslationFlag[] = []): readonly TranslationFlag[] {
  for (const [index, flag] of flags.entries())
    if (!TRANSLATION_FLAGS.includes(flag)) throw new ValidationError(`flags[${index}]`, flag, TRANSLATION_FLAGS.join(', '))
  return flags
}

function portRange(port: PortArgument | undefined): ValueRange | undefined {
  if (port === undefined) return undefined
  if (port instanceof Selector) return { from: port.node }
  if (typeof port === 'number') return { from: constantNode('port', 'inet_service', port) }
  const range = { from: constantNode('port.from', 'inet_service', port.from), to: constantNode('port.to', 'inet_service', port.to) }
  if (port.from > port.to) throw new ValidationError('port', port, 'a range whose end is not below its start')
  return range
}

function address(path: string, text: string): ValueNode {
  return constantNode(path, isIPv6(text) ? 'ipv6_addr' : 'ipv4_addr', text)
}

function addressRange(to: AddressArgument): ValueRange {
  if (to instanceof Selector) return { from: to.node }
  if (typeof to === 'object') return orderedRange(to, address('to.from', to.from), address('to.to', to.to))
  const prefix = to.includes('/') ? parsePrefix(to) : undefined
  if (prefix === undefined) return { from: address('to', to) }
  const type = prefix.address.length === 4 ? 'ipv4_addr' : 'ipv6_addr'
  const { first, last } = prefixRange(prefix)
  return { from: constantNode('to', type, first), to: constantNode('to', type, last) }
}

function orderedRange(given: unknown, from: ValueNode, to: ValueNode): ValueRange {
  const bytes = [from, to].map((node) => (node.kind === 'constant' ? node.bytes : new Uint8Array(0)))
  if (bytes[0]!.length !== bytes[1]!.length || Buffer.compare(bytes[0]!, bytes[1]!) > 0)
    throw new ValidationError('to', given, 'a range of one family whose end is not below its start')
  return { from, to }
}

function translation(action: 'dnat' | 'snat', to: AddressArgument, { port, flags }: TranslationOptions): TranslationStatement {
  return { kind: 'translation', action, address: addressRange(to), port: portRange(port), flags: translationFlags(flags) }
}

/**
 * Sends the connection to another address, or to another address and port: `dnat(concat(ip.daddr, th.dport).map(endpoints))`. For chains of type `nat`
 * at prerouting and output.
 *
 * @throws {ValidationError}
 */
export function dnat(to: AddressArgument, options: TranslationOptions = {}): TranslationStatement {
  return translation('dnat', to, options)
}

/** Gives the connection another source. For chains of type `nat` at postrouting and input. @throws {ValidationError} */
export function snat(to: AddressArgument, options: TranslationOptions = {}): TranslationStatement {
  return translation('snat', to, options)
}

/** Gives the connection the source address of the link that it leaves by. For chains of type `nat` at postrouting. @throws {ValidationError} */
export function masquerade({ port, flags }: TranslationOptions = {}): TranslationStatement {
  return { kind: 'translation', action: 'masquerade', port: portRange(port), flags: translationFlags(flags) }
}

/** Sends the connection to this machine. For chains of type `nat` at prerouting and output. @throws {ValidationError} */
export function redirect({ port, flags }: TranslationOptions = {}): TranslationStatement {
  return { kind: 'translation', action: 'redirect', port: portRange(port), flags: translationFlags(flags) }
}

/** Options of {@link addElement} and {@link updateElement}. */
export interface DynamicSetOptions {
  /** Milliseconds the element lives; default the set's. */
  readonly timeoutMs?: number | undefined
  /** Of maps: what the element holds. */
  readonly data?: KeySelector<never> | undefined
  /** What the element carries: `counter()`, `limit(…)`, `quota(…)`, `connlimit(…)`. */
  readonly statements?: readonly PlainStatement[] | undefined
}

const STATEFUL: readonly string[] = ['counter', 'limit', 'quota', 'connlimit']

function dynamicSet(
  operation: DynamicSetStatement['operation'],
  set: SetArgument,
  key: KeySelector<never>,
  options: DynamicSetOptions
): DynamicSetStatement {
  const { timeoutMs, data, statements = [] } = options
  if (timeoutMs !== undefined) checkNumber('timeoutMs', timeoutMs, 1, Number.MAX_SAFE_INTEGER)
  for (const [index, { expression }] of statements.entries())
    if (!STATEFUL.includes(expression.type)) throw new ValidationError(`statements[${index}]`, expression.type, STATEFUL.join(', '))
  const reference = typeof set === 'string' ? { name: checkName('set', set) } : { name: set.name, id: set.id }
  return {
    kind: 'dynamic-set',
    operation,
    set: reference,
    key: key.node,
    data: data?.node,
    timeoutMs,
    expressions: statements.map(({ expression }) => expression)
  }
}

/** Adds an element to a dynamic set or map; one that exists is left as it is. @throws {ValidationError} */
export function addElement(set: SetArgument, key: KeySelector<never>, options: DynamicSetOptions = {}): DynamicSetStatement {
  return dynamicSet('add', set, key, options)
}

/** Adds an element to a dynamic set or map; the time-out of one that exists begins anew. @throws {ValidationError} */
export function updateElement(set: SetArgument, key: KeySelector<never>, options: DynamicSetOptions = {}): DynamicSetStatement {
  return dynamicSet('update', set, key, options)
}

/** Removes an element from a dynamic set or map (Linux 5.1). @throws {ValidationError} */
export function deleteElement(set: SetArgument, key: KeySelector<never>): DynamicSetStatement {
  return dynamicSet('delete', set, key, {})
}

/** Any expression, as the kernel has it. Registers are the caller's care: statements use them from the first on. */
export function rawExpression(written: Expression): PlainStatement {
  return plain(written)
}

/** A rule, to be spread into what is added: `tx.add.rule({ family, table, chain, ...rule(tcp.dport.eq(443), accept()) })`. */
export function rule(...statements: readonly RuleStatement[]): { readonly statements: readonly RuleStatement[] } {
  return { statements }
}
