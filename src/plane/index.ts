/**
 * Service planes.
 */
import { Conntrack, type ConntrackKernel } from '../conntrack/index.js'
import { ValidationError } from '../errors.js'
import { checkStaleFlowOptions, type StaleFlowOptions } from './flows/options.js'
import { StaleFlowPlane } from './flows/plane.js'
import type { IpvsPlaneOptions } from './ipvs/options.js'
import { IpvsPlane } from './ipvs/plane.js'
import type { NftablesPlaneOptions } from './nftables/options.js'
import { NftablesPlane } from './nftables/plane.js'
import type { Plane } from './types.js'

export type { StaleFlowReport } from './flows/engine.js'
export type { StaleFlowOptions, StaleFlowPolicy } from './flows/options.js'
export type { IpvsPlaneKernels, IpvsPlaneOptions } from './ipvs/options.js'
export { MAX_FRONTENDS, MAX_SLOTS } from './model.js'
export type { Endpoint, Frontend, FrontendKind, Protocol, Scheduler, Service, Services } from './model.js'
export type { NftablesPlaneOptions } from './nftables/options.js'
export type { Plan, PlanEntry, Quarantined } from './plan.js'
export type { Plane, PlaneEvent, PlaneStatus, ServiceUpdate, SyncOptions, SyncReport } from './types.js'

/** Options of all planes. */
export interface CommonPlaneOptions {
  /**
   * When flows that a change left astray are cut, through connection tracking, after the change and beside it; `false`: never. Default: those of UDP whose endpoint or frontend
   * is gone. On a fake kernel only where `conntrackKernel` is given.
   */
  readonly staleFlows?: StaleFlowOptions | false | undefined
  /** What stands for connection tracking: a fake of `netplane/testing`. Default: the kernel. */
  readonly conntrackKernel?: ConntrackKernel | undefined
}

/** Options of {@link openPlane}: the kernel subsystem to use, and its own options. */
export type PlaneOptions = CommonPlaneOptions &
  (({ readonly mode: 'nftables' } & NftablesPlaneOptions) | ({ readonly mode: 'ipvs' } & IpvsPlaneOptions))

/** How a mode's plane is opened, and whether on a fake. */
const MODES = {
  nftables: { open: (options: NftablesPlaneOptions): Promise<NftablesPlane> => NftablesPlane.open(options), fake: 'kernel' },
  ipvs: { open: (options: IpvsPlaneOptions): Promise<IpvsPlane> => IpvsPlane.open(options), fake: 'kernels' }
} as const

/**
 * Opens a plane. Nothing is written before the first `sync`.
 *
 * @throws {ValidationError} An option is malformed.
 * @throws {UnsupportedError} The kernel lacks the subsystem.
 */
export async function openPlane(options: PlaneOptions): Promise<Plane> {
  const { mode } = options as { readonly mode: unknown }
  if (mode !== 'nftables' && mode !== 'ipvs') throw new ValidationError('mode', mode, "'nftables', 'ipvs'")
  const settings = options.staleFlows === false ? undefined : checkStaleFlowOptions(options.staleFlows ?? {})
  const { open, fake } = MODES[mode]
  const plane = await open(options)
  const isFake = fake in options && options[fake as keyof PlaneOptions] !== undefined && options.conntrackKernel === undefined
  if (settings === undefined || isFake) return plane
  const { deadlineMs, conntrackKernel: kernel } = options
  // It is opened late: where the plane is, whatever `netns` stands for by then.
  return new StaleFlowPlane(plane, settings, () => Conntrack.open({ netns: plane, deadlineMs, kernel }))
}
