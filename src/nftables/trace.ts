/**
 * The way of packets through the rules, as the kernel tells it (net/netfilter/nf_tables_trace.c).
 */
import type { LostEvents } from '../core/events/watch.js'
import type { EventStream } from '../core/events/stream.js'
import { FLOW_STATUSES } from '../core/flow-status.js'
import type { NativeEvent } from '../native/index.js'
import type { Family } from './families.js'
import { CT_DIRECTIONS, CT_STATES } from './symbols.js'
import { verdictName, type VerdictName } from './verdicts.js'

/** What a rule, or the end of a chain, decided. */
export interface TraceVerdict {
  /** `continue`: the rule matched and decided nothing. */
  readonly verdict: VerdictName
  /** Of `jump` and `goto`: the chain where the packet goes on. */
  readonly chain?: string
  /** Of `queue`: the number of the queue. */
  readonly queue?: number
}

/** A link that a packet came by or leaves by. */
export interface TraceLink {
  /** Its index in the network namespace. */
  readonly index: number
  /** ARPHRD_* of include/uapi/linux/if_arp.h: 1 is Ethernet, 772 is loopback. */
  readonly type: number
}

/** The beginning of each header of a packet, as it stands in the packet. A header that the packet does not have is absent. */
export interface TraceHeaders {
  /** At most 20 bytes, and 4 more with a VLAN. */
  readonly link?: Uint8Array
  /** At most 40 bytes. */
  readonly network?: Uint8Array
  /** At most 20 bytes. */
  readonly transport?: Uint8Array
}

/** What connection tracking knows of a packet. */
export interface TraceConnection {
  /** The id of the flow, as the conntrack client gives it. Absent: the packet is not tracked. */
  readonly id?: number
  readonly direction?: 'original' | 'reply' | number
  /** `new`, `established`, `related` or `untracked`. */
  readonly state: readonly (string | number)[]
  /** IPS_* by the names of the conntrack client: `confirmed`, `source-nat` and others. A number is a bit without a name. */
  readonly status: readonly (string | number)[]
}

/** One step of a packet. */
export interface TraceStep {
  /**
   * - `rule`: a rule matched.
   * - `return`: the end of the chain was reached. The packet goes back to the chain that it came from; in a base chain the policy follows.
   * - `policy`: a base chain has ended, and its policy decides.
   */
  readonly type: 'rule' | 'return' | 'policy'
  /** The same in all steps of a packet, from the hook where it comes in or is made to the hook where it leaves. Later packets may have it again. */
  readonly id: number
  /** The family of the table. */
  readonly family: Family
  readonly table: string
  readonly chain: string
  /** The rule that matched. Absent where no rule did. */
  readonly ruleHandle?: bigint
  /** What was decided; of `rule` and `return`. A rule that sends the packet back has `return`. */
  readonly verdict?: TraceVerdict
  /** Of `policy`. */
  readonly policy?: 'accept' | 'drop' | number
  /** The packet's mark (`meta mark`); 0 where it has none. */
  readonly mark: number
  /** What the packet is: a table of family `inet` sees `ip` and `ip6`. */
  readonly protocolFamily?: 'ip' | 'ip6' | 'arp' | 'bridge' | 'netdev' | number
  readonly inLink?: TraceLink
  readonly outLink?: TraceLink
  /** The packet as it is now, NAT included. The kernel tells it, and the links, with the first step in each base chain alone. */
  readonly headers?: TraceHeaders
  /** Linux 6.16 and newer. Absent: connection tracking has not seen the packet, or takes it for invalid. */
  readonly connection?: TraceConnection
}

/** A step, or a sign that steps are missing. */
export type TraceEvent = TraceStep | LostEvents

/** A stream of steps; close it by leaving the loop, or with `await using`. */
export type TraceEvents = EventStream<TraceEvent>

/** The fields of native/nftables/schema_trace.cc. */
interface NativeTrace {
  readonly table?: string
  readonly chain?: string
  readonly ruleHandle?: bigint
  readonly step?: string | number
  readonly verdict?: { readonly verdict?: string | number; readonly chain?: string }
  readonly id?: number
  readonly linkHeader?: Uint8Array
  readonly networkHeader?: Uint8Array
  readonly transportHeader?: Uint8Array
  readonly inInterface?: number
  readonly inInterfaceType?: number
  readonly outInterface?: number
  readonly outInterfaceType?: number
  readonly mark?: number
  readonly protocolFamily?: TraceStep['protocolFamily']
  readonly policy?: TraceStep['policy']
  readonly conntrackId?: number
  readonly conntrackDirection?: number
  readonly conntrackStatus?: number
  readonly conntrackState?: number
}

const STEPS: readonly unknown[] = ['rule', 'return', 'policy']

/** NF_VERDICT_MASK of include/uapi/linux/netfilter.h: the verdict stands in the lowest byte, the number of a queue or an error above it. */
const VERDICT_MASK = 0xff
const QUEUE_BITS = 16

function verdictOf({ verdict, chain }: NonNullable<NativeTrace['verdict']>): TraceVerdict | undefined {
  if (verdict === undefined) return undefined
  if (typeof verdict === 'string') return { verdict: verdict as VerdictName, ...(chain === undefined ? {} : { chain }) }
  const name = verdictName(verdict & VERDICT_MASK)
  return name === 'queue' ? { verdict: name, queue: verdict >>> QUEUE_BITS } : { verdict: name }
}

/** The names of bits; those without a name as numbers. */
function bitsOf(names: Readonly<Record<string, number>>, bits = 0): (string | number)[] {
  const known = Object.entries(names).filter(([, bit]) => (bits & bit) !== 0)
  const left = known.reduce((rest, [, bit]) => rest & ~bit, bits)
  const unnamed = Array.from({ length: 32 }, (_, place) => (1 << place) >>> 0).filter((bit) => (left & bit) !== 0)
  return [...known.map(([name]) => name), ...unnamed]
}

function connectionOf({ conntrackId, conntrackDirection, conntrackState, conntrackStatus }: NativeTrace): TraceConnection | undefined {
  if (conntrackState === undefined) return undefined
  const direction = Object.keys(CT_DIRECTIONS).find((name) => CT_DIRECTIONS[name] === conntrackDirection) ?? conntrackDirection
  return {
    ...(conntrackId === undefined ? {} : { id: conntrackId }),
    ...(direction === undefined ? {} : { direction: direction as NonNullable<TraceConnection['direction']> }),
    state: bitsOf(CT_STATES, conntrackState),
    status: bitsOf(FLOW_STATUSES, conntrackStatus)
  }
}

function headersOf({ linkHeader, networkHeader, transportHeader }: NativeTrace): TraceHeaders | undefined {
  const headers = {
    ...(linkHeader === undefined ? {} : { link: linkHeader }),
    ...(networkHeader === undefined ? {} : { network: networkHeader }),
    ...(transportHeader === undefined ? {} : { transport: transportHeader })
  }
  return Object.keys(headers).length === 0 ? undefined : headers
}

function linkOf(index: number | undefined, type = 0): TraceLink | undefined {
  return index === undefined ? undefined : { index, type }
}

/** The fields that have a value. */
function present<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>
}

/** Newer kernels tell of the end of a chain as of a rule that has no handle, and older ones of a rule that sends the packet back as of a return. */
function stepOf({ step, ruleHandle }: NativeTrace): TraceStep['type'] {
  if (step === 'policy') return step
  return ruleHandle === undefined ? 'return' : 'rule'
}

/** The event for a native one. A step that does not say where the packet is cannot be told: that one is missing. */
export function convertTrace({ type, family, value }: NativeEvent): TraceEvent[] {
  if (type !== 'trace') return []
  const trace = value as NativeTrace
  const { id, table, chain, step } = trace
  if (id === undefined || table === undefined || chain === undefined || !STEPS.includes(step)) return [{ type: 'lost' }]
  const rest = present({
    ruleHandle: trace.ruleHandle,
    verdict: trace.verdict && verdictOf(trace.verdict),
    policy: trace.policy,
    protocolFamily: trace.protocolFamily,
    inLink: linkOf(trace.inInterface, trace.inInterfaceType),
    outLink: linkOf(trace.outInterface, trace.outInterfaceType),
    headers: headersOf(trace),
    connection: connectionOf(trace)
  })
  return [{ type: stepOf(trace), id, family: family as Family, table, chain, mark: trace.mark ?? 0, ...rest } as TraceStep]
}
