/**
 * Sets of ipset, as far as rules need them.
 */
export { SetNames, type KnownSets } from './names.js'
