/**
 * Service planes.
 */
import { ValidationError } from '../errors.js'
import type { NftablesPlaneOptions } from './nftables/options.js'
import { NftablesPlane } from './nftables/plane.js'
import type { Plane } from './types.js'

export { MAX_FRONTENDS, MAX_SLOTS } from './model.js'
export type { Endpoint, Frontend, FrontendKind, Protocol, Scheduler, Service, Services } from './model.js'
export type { NftablesPlaneOptions } from './nftables/options.js'
export type { Plan, PlanEntry, Quarantined } from './plan.js'
export type { Plane, PlaneEvent, PlaneStatus, ServiceUpdate, SyncOptions, SyncReport } from './types.js'

/** Options of {@link openPlane}. */
export interface PlaneOptions extends NftablesPlaneOptions {
  /** The kernel subsystem to use. */
  readonly mode: 'nftables'
}

/**
 * Opens a plane. Nothing is written before the first `sync`.
 *
 * @throws {ValidationError} An option is malformed.
 * @throws {UnsupportedError} The kernel lacks the subsystem.
 */
export async function openPlane(options: PlaneOptions): Promise<Plane> {
  const { mode } = options as { readonly mode: unknown }
  if (mode !== 'nftables') throw new ValidationError('mode', mode, "'nftables'")
  return await NftablesPlane.open(options)
}
