/**
 * From the caller's flows to the columns of native/conntrack/flow_columns.h.
 */
import { requireAddress } from '../core/address.js'
import { requireFields, requireInteger } from '../core/checks.js'
import { NO_SYMBOL } from '../core/columns.js'
import { ValidationError } from '../core/errors.js'
import { AF_INET, AF_INET6 } from '../core/protocols.js'
import type { NativeColumns, NativeFlowDetails, NativeRecord } from '../native/index.js'
import { MAX_U32, requireHelper, requireLabels, requireProtocol } from './checks.js'
import { ADDRESS_WIDTH } from './columns.js'
import { DCCP_STATES, PRESENT, PROTOCOLS, SETTABLE_STATUS, STATES, STATUSES, tupleForm } from './constants.js'
import { encodeTuple } from './details.js'
import type { Flow, FlowAttributes, FlowInput, FlowKey, FlowNat, FlowTuple, SequenceAdjustment } from './types.js'

/** A 32-bit number of seconds that the kernel multiplies by ticks; it caps the product itself. */
const MAX_SECONDS = 2 ** 31 - 1
const MAX_SHORT = 65_535

/** Type of the other side's message, where icmp has pairs (invmap of nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c). */
const ICMP_ANSWERS: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  [PROTOCOLS.icmp]: { 8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17 },
  [PROTOCOLS.icmpv6]: { 128: 129, 129: 128, 139: 140, 140: 139 }
}

/** What an update may say, and what only a new flow may. */
type RareAttributes = FlowAttributes & Partial<Pick<FlowInput, 'master' | 'sourceNat' | 'destinationNat'>>

/** A tuple in numbers. */
export interface Tuple {
  readonly family: number
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
  readonly zone: number | undefined
}

const PARTS = {
  ports: (tuple: FlowTuple, path: string) => [
    requireInteger(`${path}.sourcePort`, tuple.sourcePort, 0, MAX_SHORT),
    requireInteger(`${path}.destinationPort`, tuple.destinationPort, 0, MAX_SHORT)
  ],
  keys: (tuple: FlowTuple, path: string) => [
    requireInteger(`${path}.sourceKey`, tuple.sourceKey ?? 0, 0, MAX_SHORT),
    requireInteger(`${path}.destinationKey`, tuple.destinationKey ?? 0, 0, MAX_SHORT)
  ],
  icmp: (tuple: FlowTuple, path: string) => [
    requireInteger(`${path}.icmpId`, tuple.icmpId, 0, MAX_SHORT),
    (requireInteger(`${path}.icmpType`, tuple.icmpType, 0, 255) << 8) | requireInteger(`${path}.icmpCode`, tuple.icmpCode, 0, 255)
  ],
  none: () => [0, 0]
} as const

/** A tuple of a caller, checked. */
export function readTuple(path: string, tuple: unknown, protocol: number): Tuple {
  if (typeof tuple !== 'object' || tuple === null)
    throw new ValidationError(path, tuple, 'addresses, and what the protocol has beside them')
  const fields = tuple as FlowTuple
  const source = requireAddress(`${path}.source`, fields.source)
  const destination = requireAddress(`${path}.destination`, fields.destination, source.length === 4 ? 'ip' : 'ip6')
  const [sourcePort, destinationPort] = PARTS[tupleForm(protocol)](fields, path)
  const zone = fields.zone === undefined ? undefined : requireInteger(`${path}.zone`, fields.zone, 0, MAX_SHORT)
  return {
    family: source.length === 4 ? AF_INET : AF_INET6,
    source,
    destination,
    sourcePort: sourcePort!,
    destinationPort: destinationPort!,
    zone
  }
}

/** The record of a tuple. */
export function tupleRecord(tuple: Tuple, protocol: number): NativeRecord {
  const parts = { source: tuple.sourcePort, destination: tuple.destinationPort }
  return encodeTuple(tuple.family === AF_INET ? 'ip' : 'ip6', protocol, tuple, parts)
}

/** The tuple of the answers, where nothing is translated. */
function reversed(tuple: Tuple, protocol: number, path: string): Tuple {
  const { family, source: destination, destination: source, sourcePort, destinationPort } = tuple
  if (tupleForm(protocol) !== 'icmp') {
    return { family, source, destination, sourcePort: destinationPort, destinationPort: sourcePort, zone: undefined }
  }
  const answer = ICMP_ANSWERS[protocol]?.[destinationPort >>> 8]
  if (answer === undefined) throw new ValidationError(`${path}.icmpType`, destinationPort >>> 8, 'a type that is answered: echo, for one')
  return { family, source, destination, sourcePort, destinationPort: (answer << 8) | (destinationPort & 0xff), zone: undefined }
}

/** Status bits that a caller may set, out of the names given. */
export function settableStatus(path: string, status: unknown): number {
  if (!Array.isArray(status)) throw new ValidationError(path, status, 'a list of status names')
  let bits = 0
  for (const [index, name] of status.entries()) {
    if (typeof name !== 'string' || !Object.hasOwn(STATUSES, name))
      throw new ValidationError(`${path}[${index}]`, name, Object.keys(STATUSES).join(', '))
    bits |= STATUSES[name as keyof typeof STATUSES]
  }
  return bits & SETTABLE_STATUS
}

/** The kernel takes a whole status, and refuses one that takes something back (nf_ct_change_status_common). */
export function wholeStatus(flow: Flow | undefined, wanted: number): number {
  return (flow?.status ?? []).reduce((sum, name) => sum | STATUSES[name], wanted)
}

/** Names and helpers of flows to write, a row each. */
export class FlowColumnWriter {
  readonly details: NativeFlowDetails[] = []
  readonly #rows: number
  readonly #columns: Record<string, unknown> & { rows: number }
  readonly #helpers = new Map<string, number>()
  readonly #labels: (Uint8Array | undefined)[] = []
  readonly #labelMasks: (Uint8Array | undefined)[] = []

  constructor(rows: number) {
    this.#rows = rows
    this.#columns = { rows }
    for (const name of ['family', 'protocol']) this.#columns[name] = new Uint8Array(rows)
    for (const direction of ['original', 'reply']) {
      for (const side of ['Source', 'Destination']) {
        this.#columns[`${direction}${side}`] = new Uint8Array(rows * ADDRESS_WIDTH)
        this.#columns[`${direction}${side}Port`] = new Uint16Array(rows)
      }
    }
    this.#columns['present'] = new Uint32Array(rows)
  }

  /** Writes the key of a flow, and the tuple of its answers. */
  key(row: number, path: string, key: FlowKey, reply?: FlowTuple): { readonly protocol: number; readonly original: Tuple } {
    requireFields(path, key)
    const protocol = requireProtocol(`${path}.protocol`, key.protocol)
    const original = readTuple(`${path}.original`, key.original, protocol)
    this.#bytes('family')[row] = original.family
    this.#bytes('protocol')[row] = protocol
    this.#tuple(row, 'original', original, PRESENT.originalZone)
    const answers = reply === undefined ? undefined : readTuple(`${path}.reply`, reply, protocol)
    if (answers !== undefined && answers.family !== original.family)
      throw new ValidationError(`${path}.reply.source`, reply!.source, "an address of the original tuple's family")
    if (answers !== undefined) this.#tuple(row, 'reply', answers, PRESENT.replyZone)
    if (key.zone !== undefined) this.#number(row, 'zone', Uint16Array, requireInteger(`${path}.zone`, key.zone, 0, MAX_SHORT), PRESENT.zone)
    if (key.id !== undefined) this.#number(row, 'id', Uint32Array, requireInteger(`${path}.id`, key.id, 0, MAX_U32), PRESENT.id)
    return { protocol, original }
  }

  /** Writes a key by which the kernel looks a flow up by its answers. */
  replyKey(row: number, path: string, protocolName: unknown, reply: FlowTuple, zone: number | undefined): void {
    const protocol = requireProtocol(`${path}.protocol`, protocolName)
    const answers = readTuple(`${path}.reply`, reply, protocol)
    this.#bytes('family')[row] = answers.family
    this.#bytes('protocol')[row] = protocol
    this.#tuple(row, 'reply', answers, PRESENT.replyZone)
    if (zone !== undefined) this.#number(row, 'zone', Uint16Array, requireInteger(`${path}.zone`, zone, 0, MAX_SHORT), PRESENT.zone)
  }

  /** Writes a flow to be created. */
  flow(row: number, path: string, input: FlowInput): void {
    requireFields(path, input)
    const { protocol, original } = this.key(row, path, { ...input, id: undefined }, input.reply)
    if (input.reply === undefined) this.#tuple(row, 'reply', reversed(original, protocol, `${path}.original`), 0)
    requireInteger(`${path}.timeoutSeconds`, input.timeoutSeconds, 0, MAX_SECONDS)
    if (input.status !== undefined) this.status(row, settableStatus(`${path}.status`, input.status))
    // A new flow has no helper to take away; the kernel would look for one without a name.
    this.attributes(row, path, input.helper === '' ? { ...input, helper: undefined } : input, protocol, original.family)
  }

  status(row: number, bits: number): void {
    this.#number(row, 'status', Uint32Array, bits, PRESENT.status)
  }

  /** Writes what a flow gets; its status apart, which depends on what the flow has. */
  attributes(row: number, path: string, input: RareAttributes, protocol: number, family: number): void {
    const seconds = input.timeoutSeconds
    if (seconds !== undefined)
      this.#number(row, 'timeoutSeconds', Uint32Array, requireInteger(`${path}.timeoutSeconds`, seconds, 0, MAX_SECONDS), PRESENT.timeout)
    if (input.mark !== undefined)
      this.#number(row, 'mark', Uint32Array, requireInteger(`${path}.mark`, input.mark, 0, MAX_U32), PRESENT.mark)
    if (input.markMask !== undefined || this.#columns['markMask'] !== undefined) this.#markMask(row, path, input)
    if (input.labels !== undefined || input.labelsMask !== undefined) this.#setLabels(row, path, input)
    if (input.helper !== undefined) this.#helper(row, `${path}.helper`, input.helper)
    this.#state(row, path, input, protocol)
    const details = this.#rare(path, input, family)
    if (Object.keys(details).length > 0) this.details.push({ row, value: details })
  }

  /** The columns, once every row is written. */
  finish(): NativeColumns {
    if (this.#helpers.size > 0) this.#columns['helperTable'] = [...this.#helpers.keys()]
    this.#blob('labels', this.#labels)
    this.#blob('labelsMask', this.#labelMasks)
    return this.#columns
  }

  #markMask(row: number, path: string, { mark, markMask }: FlowAttributes): void {
    if (markMask !== undefined && mark === undefined) throw new ValidationError(`${path}.markMask`, markMask, 'a mask only beside a mark')
    const isNew = this.#columns['markMask'] === undefined
    const masks = (this.#columns['markMask'] ??= new Uint32Array(this.#rows)) as Uint32Array
    if (isNew) masks.fill(MAX_U32)
    if (markMask === undefined) return void (masks[row] = MAX_U32)
    masks[row] = requireInteger(`${path}.markMask`, markMask, 0, MAX_U32)
    // The kernel would turn such bits over (ctnetlink_change_mark).
    if ((mark! & ~markMask) !== 0) throw new ValidationError(`${path}.mark`, mark, `no bits outside of the mask 0x${markMask.toString(16)}`)
  }

  #setLabels(row: number, path: string, { labels, labelsMask }: FlowAttributes): void {
    this.#labels[row] = requireLabels(`${path}.labels`, labels)
    if (labelsMask !== undefined) {
      this.#labelMasks[row] = requireLabels(`${path}.labelsMask`, labelsMask)
      const strange = labels!.find((label) => !labelsMask.includes(label))
      // The kernel would turn such bits over (nf_connlabels_replace).
      if (strange !== undefined)
        throw new ValidationError(`${path}.labels`, labels, `labels of labelsMask alone, beside it: not ${strange}`)
    }
    this.#present[row]! |= PRESENT.labels
  }

  #helper(row: number, path: string, name: unknown): void {
    const text = requireHelper(path, name)
    const isNew = this.#columns['helper'] === undefined
    const column = (this.#columns['helper'] ??= new Uint32Array(this.#rows)) as Uint32Array
    if (isNew) column.fill(NO_SYMBOL)
    if (!this.#helpers.has(text)) this.#helpers.set(text, this.#helpers.size)
    column[row] = this.#helpers.get(text)!
  }

  #state(row: number, path: string, { state, tcp, sctp }: FlowAttributes, protocol: number): void {
    if (state !== undefined) {
      const names = STATES[protocol] ?? []
      const number = names.indexOf(state)
      if (number < 0)
        throw new ValidationError(`${path}.state`, state, names.length > 0 ? names.join(', ') : 'nothing: the protocol has no states')
      this.#number(row, 'state', Uint8Array, number, PRESENT.state)
    }
    if (tcp !== undefined && protocol === PROTOCOLS.tcp) {
      requireFields(`${path}.tcp`, tcp)
      for (const [name, field] of TCP_FIELDS)
        this.#number(row, name, Uint8Array, requireInteger(`${path}.tcp.${field}`, tcp[field], 0, 255), PRESENT.tcp)
    }
    if (sctp !== undefined && protocol === PROTOCOLS.sctp) {
      requireFields(`${path}.sctp`, sctp)
      for (const field of ['originalTag', 'replyTag'] as const)
        this.#number(row, field, Uint32Array, requireInteger(`${path}.sctp.${field}`, sctp[field], 0, MAX_U32), PRESENT.tags)
    }
  }

  #rare(path: string, input: RareAttributes, family: number): NativeRecord {
    const { master, sequenceAdjustment, synproxy, sourceNat, destinationNat } = input
    if (sequenceAdjustment !== undefined) requireFields(`${path}.sequenceAdjustment`, sequenceAdjustment)
    const { original, reply } = sequenceAdjustment ?? {}
    return {
      ...(master === undefined ? {} : { master: masterRecord(`${path}.master`, master) }),
      ...(original === undefined ? {} : { originalAdjustment: adjustment(`${path}.sequenceAdjustment.original`, original) }),
      ...(reply === undefined ? {} : { replyAdjustment: adjustment(`${path}.sequenceAdjustment.reply`, reply) }),
      ...(input.dccp === undefined ? {} : { protocolInformation: { dccp: dccpRecord(path, input) } }),
      ...(synproxy === undefined ? {} : { synproxy: synproxyRecord(`${path}.synproxy`, synproxy) }),
      ...(sourceNat === undefined ? {} : { sourceNat: natRecord(`${path}.sourceNat`, sourceNat, family) }),
      ...(destinationNat === undefined ? {} : { destinationNat: natRecord(`${path}.destinationNat`, destinationNat, family) })
    }
  }

  get #present(): Uint32Array {
    return this.#columns['present'] as Uint32Array
  }

  #bytes(name: string): Uint8Array {
    return this.#columns[name] as Uint8Array
  }

  #number(
    row: number,
    name: string,
    kind: new (rows: number) => Uint8Array | Uint16Array | Uint32Array,
    value: number,
    part: number
  ): void {
    const column = (this.#columns[name] ??= new kind(this.#rows)) as Uint32Array
    column[row] = value
    this.#present[row]! |= part
  }

  #tuple(row: number, direction: 'original' | 'reply', tuple: Tuple, part: number): void {
    this.#bytes(`${direction}Source`).set(tuple.source, row * ADDRESS_WIDTH)
    this.#bytes(`${direction}Destination`).set(tuple.destination, row * ADDRESS_WIDTH)
    ;(this.#columns[`${direction}SourcePort`] as Uint16Array)[row] = tuple.sourcePort
    ;(this.#columns[`${direction}DestinationPort`] as Uint16Array)[row] = tuple.destinationPort
    if (tuple.zone !== undefined) this.#number(row, `${direction}Zone`, Uint16Array, tuple.zone, part)
  }

  #blob(name: string, rows: readonly (Uint8Array | undefined)[]): void {
    if (rows.length === 0) return
    const offsets = new Uint32Array(this.#rows + 1)
    for (let row = 0; row < this.#rows; row++) offsets[row + 1] = offsets[row]! + (rows[row]?.length ?? 0)
    this.#columns[name] = Uint8Array.from(Buffer.concat(rows.filter((bytes) => bytes !== undefined)))
    this.#columns[`${name}Offsets`] = offsets
  }
}

const TCP_FIELDS = [
  ['originalWindowScale', 'originalWindowScale'],
  ['replyWindowScale', 'replyWindowScale'],
  ['originalTcpFlags', 'originalFlags'],
  ['replyTcpFlags', 'replyFlags']
] as const

function masterRecord(path: string, master: NonNullable<FlowInput['master']>): NativeRecord {
  requireFields(path, master)
  const protocol = requireProtocol(`${path}.protocol`, master.protocol)
  return tupleRecord(readTuple(path, master, protocol), protocol)
}

const MAX_S32 = 2 ** 31 - 1

function adjustment(path: string, value: SequenceAdjustment): NativeRecord {
  requireFields(path, value)
  return {
    correctionPosition: requireInteger(`${path}.correctionPosition`, value.correctionPosition, 0, MAX_U32),
    offsetBefore: requireInteger(`${path}.offsetBefore`, value.offsetBefore, -MAX_S32 - 1, MAX_S32),
    offsetAfter: requireInteger(`${path}.offsetAfter`, value.offsetAfter, -MAX_S32 - 1, MAX_S32)
  }
}

function synproxyRecord(path: string, value: NonNullable<FlowInput['synproxy']>): NativeRecord {
  requireFields(path, value)
  return Object.fromEntries(
    (['initialSequence', 'initialTimestamp', 'timestampOffset'] as const).map((field) => [
      field,
      requireInteger(`${path}.${field}`, value[field], 0, MAX_U32)
    ])
  )
}

function dccpRecord(path: string, { state, dccp }: RareAttributes): NativeRecord {
  requireFields(`${path}.dccp`, dccp)
  const role = ['client', 'server'].indexOf(dccp!.role)
  if (role < 0) throw new ValidationError(`${path}.dccp.role`, dccp!.role, 'client, server')
  const sequence: unknown = dccp!.handshakeSequence
  if (typeof sequence !== 'bigint' || sequence < 0n || sequence >= 1n << 48n)
    throw new ValidationError(`${path}.dccp.handshakeSequence`, sequence, 'a bigint from 0 to 2^48-1')
  return { state: Math.max(0, DCCP_STATES.indexOf((state ?? 'none') as (typeof DCCP_STATES)[number])), role, handshakeSequence: sequence }
}

function natRecord(path: string, nat: FlowNat, family: number): NativeRecord {
  requireFields(path, nat)
  const name = family === AF_INET ? 'ip' : 'ip6'
  const first = requireAddress(`${path}.first`, nat.first, name)
  const last = nat.last === undefined ? first : requireAddress(`${path}.last`, nat.last, name)
  const six = family === AF_INET6
  const addresses = six ? { first6: first, last6: last } : { first, last }
  if (nat.firstPort === undefined) {
    if (nat.lastPort !== undefined) throw new ValidationError(`${path}.lastPort`, nat.lastPort, 'a last port only beside a first one')
    return addresses
  }
  const firstPort = requireInteger(`${path}.firstPort`, nat.firstPort, 1, MAX_SHORT)
  const lastPort = requireInteger(`${path}.lastPort`, nat.lastPort ?? firstPort, firstPort, MAX_SHORT)
  return { ...addresses, ports: { first: firstPort, last: lastPort } }
}
