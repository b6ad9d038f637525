/**
 * What crosses between TypeScript and C++ (`native/addon`), and how the addon is loaded. Nothing here is public. Fakes implement the types of sockets, so all code
 * above this folder runs on either.
 */
export { loadAddon } from './loader.js'
export type * from './addon.js'
export type * from './common.js'
export type * from './conntrack.js'
export type * from './ipset.js'
export type * from './ipvs.js'
export type * from './nftables.js'
export type * from './route.js'
export type * from './sockets.js'
