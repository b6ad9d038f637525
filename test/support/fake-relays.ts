import { EACCES } from '../../src/core/errno.js'
import { NetlinkError } from '../../src/core/errors.js'
import type { Relays, RelaySpec, RelayStatus } from '../../src/plane/userspace/relays/types.js'

const NONE = {
  connections: 0,
  openConnections: 0,
  bytesFromClients: 0,
  bytesToClients: 0,
  packetsFromClients: 0,
  packetsToClients: 0,
  failedDials: 0
}

/** Relays that listen nowhere. */
export class FakeRelays implements Relays {
  readonly specs = new Map<string, RelaySpec>()
  readonly ports = new Map<string, number>()
  /** What was asked for, in order. */
  readonly calls: string[] = []
  /** What ids of relays that cannot listen begin with. */
  readonly refused = new Set<string>()
  /** Why they cannot. */
  errno = EACCES
  /** Ports that are given out before all others. */
  next: number[] = []
  statuses: readonly RelayStatus[] = []
  #port = 40_000

  listen(spec: RelaySpec): Promise<number> {
    this.calls.push(`listen ${spec.id}`)
    if ([...this.refused].some((begin) => spec.id.startsWith(begin)))
      return Promise.reject(new NetlinkError({ operation: 'listen', subject: spec.id, errno: this.errno }))
    const port = this.next.shift() ?? ++this.#port
    this.specs.set(spec.id, spec)
    this.ports.set(spec.id, port)
    return Promise.resolve(port)
  }

  update(spec: RelaySpec): void {
    this.calls.push(`update ${spec.id}`)
    this.specs.set(spec.id, spec)
  }

  withdraw(id: string): void {
    this.calls.push(`withdraw ${id}`)
    this.specs.delete(id)
    this.ports.delete(id)
  }

  status(): readonly RelayStatus[] {
    if (this.statuses.length > 0) return this.statuses
    return [...this.ports].map(([id, port]) => ({ ...NONE, id, port, refused: 0, endpoints: new Map() }))
  }

  close(): Promise<void> {
    this.calls.push('close')
    return Promise.resolve()
  }
}
