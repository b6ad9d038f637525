/**
 * How the client's methods reach the socket: in their turn, with an account of what became of them.
 */
import type { CallOptions, JobQueue } from '../client.js'
import { NetlinkError, ValidationError } from '../errors.js'
import type { NativeIpvsOrder, NativeIpvsQuestion, NativeIpvsSocket, NativeOutcome, NativeRecord } from '../native.js'
import { asNative, ChangeRun, type Change } from './changes.js'
import type { ChangeOptions, ChangeReport, IpvsColumns, RealServerChangeColumns, RealServerKeyColumns } from './column-types.js'
import { describeServiceRow, encodeKey, type KeyColumns } from './keys.js'
import { joinListing } from './listing.js'
import { ESRCH, ipvsFailure } from './refusals.js'
import type { AddOptions, ListOptions, VirtualServiceKey } from './types.js'
import type { Reading } from './updates.js'

/** The rows of a change. */
export type Rows = Pick<Change, 'services' | 'servers'>
/** Makes the rows within the change's turn: an update may have to read first. */
export type MakeRows = (reading: Reading) => Rows | Promise<Rows>

/** Real servers as rows. */
export function asServers({ services, realServers }: RealServerChangeColumns<RealServerKeyColumns>): Rows {
  return { services, servers: realServers }
}

function unwrap<T>(outcome: NativeOutcome<T>, operation: string, subject?: string): T {
  if (outcome.failure !== undefined) throw ipvsFailure(outcome.failure, operation, subject)
  return outcome.value
}

/** Jobs of one client. */
export class IpvsCalls {
  readonly #socket: NativeIpvsSocket
  readonly #queue: JobQueue

  constructor(socket: NativeIpvsSocket, queue: JobQueue) {
    this.#socket = socket
    this.#queue = queue
  }

  /** Changes many rows. */
  async change(verb: Change['verb'], of: Change['of'], operation: string, options: ChangeOptions, make: MakeRows): Promise<ChangeReport> {
    const { onError = 'throw', ensure = false, signal } = options
    if (!['throw', 'isolate'].includes(onError)) throw new ValidationError('options.onError', onError, "'throw', 'isolate'")
    return await this.#queue.run(operation, options, async (deadlineMs) => {
      const end = performance.now() + deadlineMs
      const rows = await make({ socket: this.#socket, operation, deadlineMs })
      const run = new ChangeRun(this.#socket, { verb, of, operation, ...rows, ensure, signal, end })
      await run.apply()
      if (run.hasFailed && onError === 'throw') throw await run.error()
      return run.report()
    })
  }

  /** Changes one row: its refusal is what is thrown. */
  async changeOne(verb: Change['verb'], of: Change['of'], operation: string, options: AddOptions, make: MakeRows): Promise<void> {
    await this.change(verb, of, operation, { ...options, onError: 'throw' }, make)
  }

  async list(operation: string, what: { servers: boolean; services?: KeyColumns }, options: ListOptions): Promise<IpvsColumns> {
    const { statistics = true } = options
    const { servers, services } = what
    return await this.#queue.run(operation, options, async (deadlineMs) => {
      const request = { servers, statistics, deadlineMs, ...(services !== undefined && { services: asNative(services) }) }
      return await joinListing(unwrap(await this.#socket.list(request), operation))
    })
  }

  /** @throws {NetlinkError} `ESRCH`: there is no such service. */
  async readOne(operation: string, service: VirtualServiceKey, servers: boolean, options: ListOptions): Promise<IpvsColumns> {
    const services = encodeKey('service', service)
    const listed = await this.list(operation, { servers, services }, options)
    if (listed.services.rows > 0) return listed
    const subject = `service ${describeServiceRow(services, 0)}`
    throw new NetlinkError({ errno: ESRCH, operation, subject, hint: 'there is no such virtual service' })
  }

  async ask(operation: string, command: NativeIpvsQuestion['command'], options: CallOptions): Promise<readonly NativeRecord[]> {
    return await this.#queue.run(operation, options, async (deadlineMs) =>
      unwrap(await this.#socket.ask({ command, deadlineMs }), operation)
    )
  }

  async tell(operation: string, options: CallOptions, order: Omit<NativeIpvsOrder, 'deadlineMs'>, key?: KeyColumns): Promise<void> {
    const subject = key === undefined ? undefined : `service ${describeServiceRow(key, 0)}`
    await this.#queue.run(operation, options, async (deadlineMs) =>
      unwrap(await this.#socket.tell({ ...order, deadlineMs }), operation, subject)
    )
  }
}
