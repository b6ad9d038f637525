/**
 * The header of the PROXY protocol, version 2, by which a relay tells an endpoint who the client is
 * (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, 2.2).
 */
import { parseAddress } from '../../../core/address.js'
import type { SocketAddress } from './types.js'

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a)
/** Version 2, command PROXY. */
const PROXY = 0x21
const TCP_OVER_IPV4 = 0x11
const TCP_OVER_IPV6 = 0x21
const HEAD_BYTES = 16

/** IPv4 addresses as IPv6 ones (`::ffff:0:0/96`), as both addresses of a header are of one family. */
function asIPv6(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes
  const mapped = new Uint8Array(16).fill(0xff, 10, 12)
  mapped.set(bytes, 12)
  return mapped
}

/**
 * The header for a connection of TCP.
 *
 * @param client Who connects.
 * @param asked The address and port that the client asked for.
 */
export function proxyHeader(client: SocketAddress, asked: SocketAddress): Uint8Array {
  // A zone (`fe80::1%eth0`) has no place in the header.
  let addresses = [client, asked].map(({ address }) => parseAddress(address.replace(/%.*/, ''))!)
  if (addresses.some(({ length }) => length === 16)) addresses = addresses.map(asIPv6)
  const [source, destination] = addresses as [Uint8Array, Uint8Array]
  const length = 2 * source.length + 4
  const header = new Uint8Array(HEAD_BYTES + length)
  const view = new DataView(header.buffer)
  header.set(SIGNATURE)
  header[12] = PROXY
  header[13] = source.length === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6
  view.setUint16(14, length)
  header.set(source, HEAD_BYTES)
  header.set(destination, HEAD_BYTES + source.length)
  view.setUint16(HEAD_BYTES + 2 * source.length, client.port)
  view.setUint16(HEAD_BYTES + 2 * source.length + 2, asked.port)
  return header
}
