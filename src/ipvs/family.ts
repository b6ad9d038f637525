/**
 * The number of IPVS's family in generic netlink, which changes when its module is unloaded and loaded again.
 */
import { ENOENT } from '../core/errno.js'
import type { NativeBatchReport, NativeIpvsSocket, NativeOutcome } from '../native/index.js'

/** Every row was answered with ENOENT: so the kernel says of a family that it does not know (genl_rcv_msg), but of a missing scheduler, too. */
function areAllUnknown({ errors, sent }: NativeBatchReport): boolean {
  return sent > 0 && errors.rows === sent && (errors.errno as Uint32Array).every((errno) => errno === ENOENT)
}

/** A socket that follows the number: where the kernel does not know the old one, it did nothing, and is asked again. */
class FollowingSocket implements NativeIpvsSocket {
  readonly #socket: NativeIpvsSocket
  #family: number

  constructor(socket: NativeIpvsSocket, family: number) {
    this.#socket = socket
    this.#family = family
  }

  get portId(): number {
    return this.#socket.portId
  }
  get maxSendBytes(): number {
    return this.#socket.maxSendBytes
  }
  get namespace(): NativeIpvsSocket['namespace'] {
    return this.#socket.namespace
  }

  close: NativeIpvsSocket['close'] = () => this.#socket.close()
  resolve: NativeIpvsSocket['resolve'] = (request) => this.#socket.resolve(request)
  list: NativeIpvsSocket['list'] = (request) => this.#follow(request, () => this.#socket.list(request))
  query: NativeIpvsSocket['query'] = (query) => this.#follow(query, () => this.#socket.query(query))
  command: NativeIpvsSocket['command'] = (command) => this.#follow(command, () => this.#socket.command(command))
  change: NativeIpvsSocket['change'] = (change) => this.#follow(change, () => this.#socket.change(change), areAllUnknown)

  async #follow<T>(
    { deadlineMs }: { readonly deadlineMs: number },
    call: () => Promise<NativeOutcome<T>>,
    isUnknown: (value: T) => boolean = () => false
  ): Promise<NativeOutcome<T>> {
    const outcome = await call()
    if (outcome.failure === undefined ? !isUnknown(outcome.value) : outcome.failure.errno !== ENOENT) return outcome
    // Asking makes newer kernels load the module.
    const resolved = await this.#socket.resolve({ deadlineMs })
    if (resolved.failure !== undefined) return { failure: resolved.failure }
    if (resolved.value === this.#family) return outcome
    this.#family = resolved.value
    return await call()
  }
}

/** @param family What `socket.resolve` has said. */
export function followFamily(socket: NativeIpvsSocket, family: number): NativeIpvsSocket {
  return new FollowingSocket(socket, family)
}
