/**
 * Operations sent in bulk, with an account of what became of each.
 */
import { NetlinkError } from '../../errors.js'
import { Slices } from '../../slices.js'
import { ROW_APPLIED, ROW_NOT_SENT, ROW_REFUSED, ROW_UNCHANGED, ROW_UNKNOWN, type ChangeReport } from '../column-types.js'
import { describeService } from '../keys.js'
import { decodeListing } from '../listing.js'
import { encodeServerKeys, encodeServers } from '../server-rows.js'
import { encodeServiceKeys, encodeServices } from '../service-rows.js'
import type { VirtualServiceListing } from '../types.js'
import { serverKey } from './accept.js'
import { sameServer, sameService, type Operation, type ServerOperation, type ServiceOperation } from './diff.js'
import { operationText } from './plan.js'
import type { ChangeRows, Limits, SyncTarget } from './target.js'

/** Rows of one call: so many are encoded in a short slice. */
const ROWS_PER_CALL = 2048

/** What became of an operation: ROW_* of column-types.ts, and why it was refused or is unknown. */
export interface Entry {
  readonly operation: Operation
  outcome: number
  error?: NetlinkError
}

/** Whether it is as wanted now. */
export function isDone({ outcome }: Entry): boolean {
  return outcome === ROW_APPLIED || outcome === ROW_UNCHANGED
}

const noPath = (): string => 'plan'
const noPaths = { service: noPath, server: noPath }

/** Rows of operations that share a verb and a kind. */
function encode(operations: readonly Operation[]): ChangeRows {
  const { verb, of } = operations[0] as Operation
  if (of === 'service') {
    const services = (operations as readonly ServiceOperation[]).map(({ service }) => service)
    return { verb, of, services: verb === 'remove' ? encodeServiceKeys(services, noPath) : encodeServices(services, noPath) }
  }
  const list = operations as readonly ServerOperation[]
  const { services, realServers } = verb === 'remove' ? encodeServerKeys(list, noPaths) : encodeServers(list, noPaths)
  return { verb, of, services, servers: realServers }
}

/** What a state that was read says about an operation whose outcome is unknown. */
function settledOutcome(operation: Operation, found: VirtualServiceListing | undefined): number {
  const { verb } = operation
  if (operation.of === 'service') {
    if (verb === 'remove') return found === undefined ? ROW_APPLIED : ROW_REFUSED
    if (found === undefined) return ROW_REFUSED
    return verb === 'add' || sameService(found, operation.service) ? ROW_APPLIED : ROW_REFUSED
  }
  const server = found?.realServers.find((candidate) => serverKey(candidate) === serverKey(operation.server))
  if (verb === 'remove') return server === undefined ? ROW_APPLIED : ROW_REFUSED
  if (server === undefined) return ROW_REFUSED
  return verb === 'add' || sameServer(server, operation.server) ? ROW_APPLIED : ROW_REFUSED
}

/** Reads services by key. */
export async function readServices(
  target: SyncTarget,
  operations: readonly { readonly key: string; readonly service: Operation['service'] }[]
): Promise<Map<string, VirtualServiceListing>> {
  const wanted = new Map(operations.map(({ key, service }) => [key, service]))
  if (wanted.size === 0) return new Map()
  const listed = await decodeListing(await target.list(encodeServiceKeys([...wanted.values()], noPath)))
  return new Map(listed.map((service) => [describeService(service), service]))
}

/** Sends operations and remembers what became of them, in the order of sending. */
export class Journal {
  readonly #target: SyncTarget
  readonly #name: string
  /** Everything that was sent, or should have been. */
  readonly entries: Entry[] = []
  systemCalls = 0
  /** Why it ended early; nothing is sent any more. */
  stopped: { readonly cause: unknown } | undefined

  constructor(target: SyncTarget, name: string) {
    this.#target = target
    this.#name = name
  }

  /** Sends operations of one verb and kind. What is left out because it has been `stopped` counts as not sent. */
  async send(operations: readonly Operation[], limits: Limits): Promise<Entry[]> {
    const entries: Entry[] = []
    const slices = new Slices()
    for (let from = 0; from < operations.length; from += ROWS_PER_CALL) {
      if (slices.isOver) await slices.turn()
      const some = operations.slice(from, from + ROWS_PER_CALL).map((operation): Entry => ({ operation, outcome: ROW_NOT_SENT }))
      entries.push(...some)
      this.entries.push(...some)
      if (this.stopped === undefined) await this.#sendSome(some, limits)
    }
    return entries
  }

  /** Lost replies end a call early: what it left unsent goes into the next, as long as every call gets on. */
  async #sendSome(entries: readonly Entry[], limits: Limits): Promise<void> {
    let rest = entries
    while (rest.length > 0) {
      this.stopped = reasonToStop(limits, this.#name)
      if (this.stopped !== undefined) return
      const report = await this.#call(rest, limits)
      if (report === undefined) return
      await this.#settle(rest, report.stopped)
      const left = rest.filter(({ outcome }) => outcome === ROW_NOT_SENT)
      if (report.stopped !== undefined && left.length === rest.length) {
        this.stopped = { cause: report.stopped }
        return
      }
      rest = left
    }
  }

  async #call(entries: readonly Entry[], limits: Limits): Promise<ChangeReport | undefined> {
    let report: ChangeReport
    try {
      report = await this.#target.change(encode(entries.map(({ operation }) => operation)), limits)
    } catch (cause) {
      this.stopped = { cause }
      return undefined
    }
    this.systemCalls += report.systemCalls
    for (const [row, entry] of entries.entries()) entry.outcome = report.outcomes[row] ?? ROW_NOT_SENT
    for (const error of report.refused) {
      const entry = entries[error.index ?? -1]
      if (entry !== undefined) entry.error = error
    }
    return report
  }

  /** Where replies were lost, the kernel is asked what it holds. */
  async #settle(entries: readonly Entry[], cause: unknown): Promise<void> {
    const unknown = entries.filter(({ outcome }) => outcome === ROW_UNKNOWN)
    if (unknown.length === 0) return
    let found: Map<string, VirtualServiceListing>
    try {
      found = await readServices(
        this.#target,
        unknown.map(({ operation }) => operation)
      )
    } catch (error) {
      this.stopped = { cause: error }
      return
    }
    for (const entry of unknown) {
      entry.outcome = settledOutcome(entry.operation, found.get(entry.operation.key))
      if (entry.outcome === ROW_REFUSED) entry.error = lostReply(this.#name, entry.operation, cause)
    }
  }

  /** Operations by what became of them. */
  with(outcome: number): Entry[] {
    return this.entries.filter((entry) => entry.outcome === outcome)
  }
}

const ENOBUFS = 105
const ETIMEDOUT = 110

function lostReply(operation: string, what: Operation, cause: unknown): NetlinkError {
  const known = cause instanceof NetlinkError ? -cause.errno : ENOBUFS
  return new NetlinkError({
    errno: known,
    operation,
    subject: operationText(what),
    hint: 'replies were lost, and the kernel does not hold it: it was refused, nobody knows why',
    cause
  })
}

function reasonToStop({ signal, end }: Limits, operation: string): { readonly cause: unknown } | undefined {
  if (signal?.aborted === true) return { cause: signal.reason }
  if (performance.now() < end) return undefined
  return { cause: new NetlinkError({ errno: ETIMEDOUT, operation, subject: 'the deadline passed between two system calls' }) }
}
