/**
 * Service planes.
 */
import { Conntrack, type ConntrackKernel } from '../conntrack/index.js'
import { ValidationError } from '../errors.js'
import { checkStaleFlowOptions, type StaleFlowOptions } from './flows/options.js'
import { StaleFlowPlane } from './flows/plane.js'
import type { NftablesPlaneOptions } from './nftables/options.js'
import { NftablesPlane } from './nftables/plane.js'
import type { Plane } from './types.js'

export type { StaleFlowReport } from './flows/engine.js'
export type { StaleFlowOptions, StaleFlowPolicy } from './flows/options.js'
export { MAX_FRONTENDS, MAX_SLOTS } from './model.js'
export type { Endpoint, Frontend, FrontendKind, Protocol, Scheduler, Service, Services } from './model.js'
export type { NftablesPlaneOptions } from './nftables/options.js'
export type { Plan, PlanEntry, Quarantined } from './plan.js'
export type { Plane, PlaneEvent, PlaneStatus, ServiceUpdate, SyncOptions, SyncReport } from './types.js'

/** Options of {@link openPlane}. */
export interface PlaneOptions extends NftablesPlaneOptions {
  /** The kernel subsystem to use. */
  readonly mode: 'nftables'
  /**
   * When flows that a change left astray are cut, through connection tracking, after the change and beside it; `false`: never. Default: those of UDP whose endpoint or frontend
   * is gone. On a fake kernel only where `conntrackKernel` is given.
   */
  readonly staleFlows?: StaleFlowOptions | false | undefined
  /** What stands for connection tracking: a fake of `netplane/testing`. Default: the kernel. */
  readonly conntrackKernel?: ConntrackKernel | undefined
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
  const settings = options.staleFlows === false ? undefined : checkStaleFlowOptions(options.staleFlows ?? {})
  const plane = await NftablesPlane.open(options)
  const isFake = options.kernel !== undefined && options.conntrackKernel === undefined
  if (settings === undefined || isFake) return plane
  const { netns, deadlineMs, conntrackKernel: kernel } = options
  return new StaleFlowPlane(plane, settings, () => Conntrack.open({ netns, deadlineMs, kernel }))
}
