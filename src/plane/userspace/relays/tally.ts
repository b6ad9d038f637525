/**
 * What is counted of a relay, or of one of its endpoints.
 */
import type { RelayCounts } from './types.js'

/** Counters that only grow, but for {@link Tally.openConnections}. Packets are datagrams of UDP; those of TCP are the kernel's and stay 0. */
export class Tally implements RelayCounts {
  connections = 0
  openConnections = 0
  bytesFromClients = 0
  bytesToClients = 0
  packetsFromClients = 0
  packetsToClients = 0
  failedDials = 0

  /** The counts as they are now. */
  snapshot(): RelayCounts {
    const { connections, openConnections, bytesFromClients, bytesToClients, packetsFromClients, packetsToClients, failedDials } = this
    return { connections, openConnections, bytesFromClients, bytesToClients, packetsFromClients, packetsToClients, failedDials }
  }
}
