/**
 * Everything of the IPVS client that is public.
 */
export { Ipvs } from './client.js'
export * from './column-types.js'
export { SERVICE_FLAG_BITS } from './constants.js'
export type { IpvsOptions } from './open.js'
export type * from './sync/types.js'
export type * from './types.js'
