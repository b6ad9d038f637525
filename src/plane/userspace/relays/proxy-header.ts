/**
 * The header of the PROXY protocol, version 2 (haproxy, doc/proxy-protocol.txt, 2.2).
 */
import { Buffer } from 'node:buffer'
import { familyOf, parseAddress } from '../../../core/address.js'

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
/** Version 2, command PROXY. */
const VERSION_AND_COMMAND = 0x21
/** Address family and transport: TCP over IPv4, TCP over IPv6. */
const TCP = { ip: 0x11, ip6: 0x21 } as const

interface Target {
  readonly address: string
  readonly port: number
}

/** Says who the client of a TCP connection is, and what it asked for. Both are of one family. */
export function proxyHeader(client: Target, asked: Target): Buffer {
  const addresses = [client, asked].map(({ address }) => parseAddress(address)!)
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(client.port, 0)
  ports.writeUInt16BE(asked.port, 2)
  const body = Buffer.concat([...addresses, ports])
  const start = Buffer.from([VERSION_AND_COMMAND, TCP[familyOf(client.address)], body.length >> 8, body.length & 0xff])
  return Buffer.concat([SIGNATURE, start, body])
}
