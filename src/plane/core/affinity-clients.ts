/**
 * How many clients tables remember.
 */
import { requireInteger } from '../../core/checks.js'

/** The most that have a table of buckets of 2 MiB: nft_hash_buckets takes 4/3 of them, rounded up to a power of two. */
const AFFINITY_CLIENTS = 196_608
const MIN_AFFINITY_CLIENTS = 1024
const MAX_AFFINITY_CLIENTS = 16_777_216

/** Checks option `affinityClients`. @throws {ValidationError} */
export function checkAffinityClients(clients: number | undefined): number {
  return clients === undefined ? AFFINITY_CLIENTS : requireInteger('affinityClients', clients, MIN_AFFINITY_CLIENTS, MAX_AFFINITY_CLIENTS)
}
