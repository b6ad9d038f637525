/**
 * What makes a frontend, and an endpoint of it, the same one in two looks. Clients write each address in one way.
 */
import type { ShownEndpoint, ShownFrontend } from '../show/model.js'

/** A frontend by its mode and key. */
export function frontendId({ mode, family, protocol, address, port, fwmark }: ShownFrontend): string {
  return `${mode} ${family} ${protocol ?? ''} ${address ?? ''} ${port ?? ''} ${fwmark ?? ''}`
}

/** An endpoint within its frontend, whoever its clients are. */
export function endpointId({ address, port }: Pick<ShownEndpoint, 'address' | 'port'>): string {
  return `${address} ${port}`
}
