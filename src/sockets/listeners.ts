/**
 * Sockets of local processes that wait for others.
 */
import { formatAddress } from '../core/address.js'
import { failureError, unwrapOutcome } from '../core/failures.js'
import { nativeOpenOptions, type OpenOptions } from '../core/options.js'
import { loadAddon, type NativeColumns, type NativeDiagnosticSocket } from '../native/index.js'

/** A socket of TCP that listens, or one of UDP that is bound and not connected. */
export interface Listener {
  /** IPv4 or IPv6; `0.0.0.0` and `::`: every address. Sockets at `::` may take IPv4 as well. */
  readonly address: string
  readonly port: number
}

const FAMILIES = [2, 10] as const
const PROTOCOLS = { tcp: 6, udp: 17 } as const
const WIDTH = 16

function* decode({ rows, family, address, port }: NativeColumns): Generator<Listener> {
  if (rows === 0) return
  const [families, addresses, ports] = [family as Uint8Array, address as Uint8Array, port as Uint16Array]
  for (let row = 0; row < rows; row++) {
    const length = families[row] === FAMILIES[0] ? 4 : WIDTH
    yield { address: formatAddress(addresses.subarray(row * WIDTH, row * WIDTH + length)), port: ports[row]! }
  }
}

/** A client of NETLINK_SOCK_DIAG (man 7 sock_diag). Needs no privilege but to enter the namespace. */
export class Listeners {
  readonly #socket: NativeDiagnosticSocket
  readonly #deadlineMs: number

  private constructor(socket: NativeDiagnosticSocket, deadlineMs: number) {
    this.#socket = socket
    this.#deadlineMs = deadlineMs
  }

  /** @throws {NetlinkError} The namespace could not be entered, or the kernel has no sock_diag (`EPROTONOSUPPORT`). */
  static async open(options: OpenOptions): Promise<Listeners> {
    const native = nativeOpenOptions(options)
    const outcome = await loadAddon().openSocketDiagnostics(native)
    if (outcome.failure !== undefined) throw failureError(outcome.failure, { operation: 'sockets.open' })
    return new Listeners(outcome.value, native.deadlineMs)
  }

  /** Lists those of both families. @throws {NetlinkError} `ENOENT`: the kernel has no `tcp_diag` or `udp_diag`. */
  async list(protocol: keyof typeof PROTOCOLS): Promise<Listener[]> {
    const listeners: Listener[] = []
    for (const family of FAMILIES) {
      const outcome = await this.#socket.listListeners({ family, protocol: PROTOCOLS[protocol], deadlineMs: this.#deadlineMs })
      for (const columns of unwrapOutcome(outcome, { operation: 'sockets.listListeners' })) listeners.push(...decode(columns))
    }
    return listeners
  }

  async close(): Promise<void> {
    await this.#socket.close()
  }
}
