/**
 * The order in which frontends and endpoints are shown, whatever order the kernel has them in.
 */
import { Buffer } from 'node:buffer'
import { writeAddress } from '../../core/address.js'
import type { ShownFrontend } from './model.js'

/** What has a place in the order of addresses and ports. */
interface Placed {
  readonly address?: string | undefined
  readonly port?: number | undefined
  readonly protocol?: string | undefined
}

const PLACE_BYTES = 1 + 16 + 2
/** The first byte of what has no address. */
const NOWHERE = 0xff

/** Places as text whose order is that of addresses, those of IPv4 first, then of ports and of protocols; what has no address comes behind. */
class Places {
  readonly #bytes = Buffer.alloc(PLACE_BYTES)

  of({ address, port = 0, protocol = '' }: Placed): string {
    const bytes = this.#bytes.fill(0)
    bytes[0] = address === undefined ? NOWHERE : writeAddress(address, bytes, 1)
    bytes.writeUInt16BE(port, PLACE_BYTES - 2)
    return bytes.toString('latin1') + protocol
  }
}

function inOrder<Item extends Placed>(items: readonly Item[], places: Places): Item[] {
  return items
    .map((item) => ({ item, place: places.of(item) }))
    .sort((left, right) => (left.place < right.place ? -1 : left.place > right.place ? 1 : 0))
    .map(({ item }) => item)
}

/** Frontends in the order of their addresses and ports, and the endpoints of each likewise. Node ports without an address come last. */
export function byAddress(frontends: readonly ShownFrontend[]): ShownFrontend[] {
  const places = new Places()
  return inOrder(frontends, places).map((frontend) => ({ ...frontend, endpoints: inOrder(frontend.endpoints, places) }))
}
