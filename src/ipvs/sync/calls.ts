/**
 * Plan, sync and draining on a client's socket, in its turn.
 */
import type { BulkReport } from '../../core/bulk-run.js'
import { requireOptions } from '../../core/checks.js'
import { asNative } from '../../core/columns.js'
import { ENOENT } from '../../core/errno.js'
import type { JobQueue } from '../../core/job-queue.js'
import type { NativeKernel } from '../../core/open.js'
import { resolveDeadline, type CallOptions } from '../../core/options.js'
import type { NativeIpvsSocket, NativeNamespace } from '../../native/index.js'
import { ChangeRun } from '../changes.js'
import type { IpvsColumns, ServiceKeyColumns } from '../column-types.js'
import { joinListing } from '../listing.js'
import { unwrapIpvs } from '../refusals.js'
import { openDrainer } from './drainer.js'
import { SyncEngine } from './engine.js'
import type { ChangeRows, Limits, SyncTarget } from './target.js'
import type {
  Desired,
  Drainer,
  DrainerOptions,
  DrainingServer,
  DrainReport,
  IpvsPlan,
  IpvsPlanOptions,
  IpvsSyncOptions,
  IpvsSyncReport
} from './types.js'

/** Half of the longest time that a call may have: undoing gets the other half. */
const MAX_FORWARD_MS = 43_200_000

/** What calls are made on. */
export interface IpvsEndpoint {
  readonly socket: NativeIpvsSocket
  readonly kernel: NativeKernel<'ipvs'>
  readonly netns: NativeNamespace | undefined
}

/** The kernel behind a socket. */
export class SocketTarget implements SyncTarget {
  readonly #endpoint: IpvsEndpoint
  readonly #operation: string
  /** Of a reading. */
  readonly #deadlineMs: number

  constructor(endpoint: IpvsEndpoint, operation: string, deadlineMs: number) {
    this.#endpoint = endpoint
    this.#operation = operation
    this.#deadlineMs = deadlineMs
  }

  async list(services: ServiceKeyColumns | undefined): Promise<IpvsColumns> {
    const request = {
      servers: true,
      statistics: false,
      deadlineMs: this.#deadlineMs,
      ...(services !== undefined && { services: asNative(services) })
    }
    return await joinListing({ ...unwrapIpvs(await this.#endpoint.socket.list(request), this.#operation), statistics: false })
  }

  async change(rows: ChangeRows, limits: Limits): Promise<BulkReport> {
    const run = new ChangeRun(this.#endpoint.socket, { ...rows, operation: this.#operation, ensure: rows.verb === 'remove', ...limits })
    await run.apply()
    return run.report()
  }

  async setting(name: string): Promise<number | undefined> {
    const { kernel, netns } = this.#endpoint
    const outcome = await kernel.readSystemSetting({ name: `ipv4/vs/${name}`, ...(netns !== undefined && { netns }) })
    if (outcome.failure?.errno === ENOENT) return undefined
    return Number(unwrapIpvs(outcome, this.#operation, `setting net.ipv4.vs.${name}`).trim())
  }
}

/** Plan, sync and draining of one client. */
export class SyncCalls {
  readonly #endpoint: IpvsEndpoint
  readonly #queue: JobQueue
  readonly #deadlineMs: number
  readonly #engine = new SyncEngine()

  /** @param deadlineMs Of calls that give none. */
  constructor(endpoint: IpvsEndpoint, queue: JobQueue, deadlineMs: number) {
    this.#endpoint = endpoint
    this.#queue = queue
    this.#deadlineMs = deadlineMs
  }

  async plan(desired: Desired, options: IpvsPlanOptions): Promise<IpvsPlan> {
    const operation = 'ipvs.plan'
    return await this.#queue.run(operation, options, async (deadlineMs) => {
      return await this.#engine.plan(new SocketTarget(this.#endpoint, operation, deadlineMs), desired, options)
    })
  }

  async sync(desired: Desired, options: IpvsSyncOptions): Promise<IpvsSyncReport> {
    const operation = 'ipvs.sync'
    requireOptions(options)
    const forwardMs = Math.min(resolveDeadline(options.deadlineMs, this.#deadlineMs), MAX_FORWARD_MS)
    return await this.#queue.run(operation, { signal: options.signal, deadlineMs: 2 * forwardMs }, async () => {
      const limits: Limits = { signal: options.signal, deadlineAt: performance.now() + forwardMs }
      return await this.#engine.sync(new SocketTarget(this.#endpoint, operation, forwardMs), desired, options, limits, forwardMs)
    })
  }

  async drain(options: CallOptions): Promise<DrainReport> {
    const operation = 'ipvs.drain'
    return await this.#queue.run(operation, options, async (deadlineMs) => {
      const limits: Limits = { signal: options.signal, deadlineAt: performance.now() + deadlineMs }
      return await this.#engine.drain(new SocketTarget(this.#endpoint, operation, deadlineMs), limits)
    })
  }

  drainer(options: DrainerOptions): Drainer {
    return openDrainer(this.#engine.drains, () => this.drain({}), options)
  }

  listDraining(): DrainingServer[] {
    return this.#engine.drains.describeAll()
  }

  /** Ends the drainers. */
  close(): void {
    this.#engine.drains.close()
  }
}
