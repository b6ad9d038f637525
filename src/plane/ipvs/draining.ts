/**
 * Steps of draining while anything drains, without keeping the process alive.
 */
import type { Protocol } from '../../core/protocols.js'
import type { DrainingServer, Ipvs, VirtualServiceKey } from '../../ipvs/index.js'
import { frontendIdentities, type FrontendKey } from '../core/frontend.js'
import type { DrainingEndpoint } from '../types.js'
import type { Frontend } from '../model.js'
import { virtualServiceName } from './compile.js'
import { nodeFrontendOf } from './marks.js'

const INTERVAL_MS = 1000

/** The frontend of a virtual service; undefined: one with an address that is found by a mark, which does not say what it is. */
function frontendOf(virtual: VirtualServiceKey): { readonly protocol: Protocol; readonly frontend: Frontend } | undefined {
  if (virtual.fwmark !== undefined) return nodeFrontendOf(virtual.fwmark, virtual.family ?? 'ip')
  const { protocol, address, port } = virtual
  return { protocol, frontend: { kind: 'external', address, port } }
}

function endpointOf(drain: DrainingServer, ownerOf: (frontend: FrontendKey) => string | undefined): DrainingEndpoint {
  const { service: virtual, address, port, activeConnections, inactiveConnections, remainingSeconds } = drain
  const counts = { address, port, activeConnections, inactiveConnections, remainingMs: Math.round(remainingSeconds * 1000) }
  const found = frontendOf(virtual)
  const service = found === undefined ? undefined : ownerOf(frontendIdentities(found.protocol, found.frontend)[0]!)
  return { service, virtualService: virtualServiceName(virtual), ...counts }
}

/** Removes real servers that are desired no longer once they have no connections, or at their deadline. */
export class Draining {
  readonly #ipvs: Ipvs
  readonly #onError: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #step: Promise<void> | undefined
  #isStopped = false

  /** @param onError Told when a step failed; the next one tries again. */
  constructor(ipvs: Ipvs, onError: (error: unknown) => void) {
    this.#ipvs = ipvs
    this.#onError = onError
  }

  /** Real servers that drain now. */
  get count(): number {
    return this.#ipvs.listDraining().length
  }

  /** All of them, as read last. */
  list(ownerOf: (frontend: FrontendKey) => string | undefined): DrainingEndpoint[] {
    return this.#ipvs.listDraining().map((drain) => endpointOf(drain, ownerOf))
  }

  /** To be called when something may have begun to drain. */
  start(): void {
    if (this.#isStopped || this.#timer !== undefined || this.#step !== undefined || this.count === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#step = this.#drain()
    }, INTERVAL_MS)
    this.#timer.unref()
  }

  /** Ends it, once a step under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#step
  }

  async #drain(): Promise<void> {
    try {
      const { errors } = await this.#ipvs.drain()
      for (const error of errors) this.#onError(error)
    } catch (error) {
      this.#onError(error)
    }
    this.#step = undefined
    this.start()
  }
}
