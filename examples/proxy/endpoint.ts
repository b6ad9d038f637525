import type { Server } from 'node:http'
import { isIP, type AddressInfo } from 'node:net'

/** Where an HTTP server listens. An empty host: at all addresses. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** `HOST:PORT`, with brackets around IPv6. */
export function joinEndpoint({ host, port }: Endpoint): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}

/** Reads `HOST:PORT` with a port up to 65,535; the host may be empty, a name, an address, or one in brackets, of which `isBracketed` tells. */
export function parseEndpoint(value: string): (Endpoint & { readonly isBracketed: boolean }) | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):([0-9]{1,5})$/.exec(value)
  if (match === null || Number(match[3]) > 65_535) return undefined
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]), isBracketed: match[1] !== undefined }
}

/**
 * Makes a server listen.
 *
 * @param failed Told of errors after the start, such as a connection that finds no free descriptor: the server goes on.
 * @returns Where it listens.
 * @throws The address or port cannot be had.
 */
export async function listenAt(server: Server, { host, port }: Endpoint, failed: (error: Error) => void): Promise<Endpoint> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host === '' ? undefined : host, resolve))
  server.removeAllListeners('error').on('error', failed)
  const bound = server.address() as AddressInfo
  return { host: bound.address, port: bound.port }
}
