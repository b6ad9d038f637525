/**
 * Everything of the IPVS client that is public.
 */
export { Ipvs, type IpvsKernel, type IpvsOptions } from './client.js'
export type * from './client-types.js'
export * from './column-types.js'
export { SERVICE_FLAG_BITS } from './constants.js'
export type * from './types.js'
