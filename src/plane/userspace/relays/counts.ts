/**
 * What a relay counts.
 */
import type { RelayCounts } from './types.js'

/** Numbers that grow. */
export class Counts implements RelayCounts {
  connections = 0
  openConnections = 0
  bytesFromClients = 0
  bytesToClients = 0
  packetsFromClients = 0
  packetsToClients = 0
  failedDials = 0

  /** Adds others. */
  add(other: RelayCounts): void {
    this.connections += other.connections
    this.openConnections += other.openConnections
    this.bytesFromClients += other.bytesFromClients
    this.bytesToClients += other.bytesToClients
    this.packetsFromClients += other.packetsFromClients
    this.packetsToClients += other.packetsToClients
    this.failedDials += other.failedDials
  }

  /** The numbers of this moment. */
  copy(): Counts {
    const copy = new Counts()
    copy.add(this)
    return copy
  }
}
