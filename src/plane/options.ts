/**
 * Options of planes of any mode.
 */
import { ValidationError } from '../core/errors.js'
import type { CarrierOptions } from './carriers/options.js'
import type { StaleFlowOptions } from './flows/options.js'
import type { IptablesPlaneOptions } from './iptables/options.js'
import type { IpvsPlaneOptions } from './ipvs/options.js'
import type { NftablesPlaneOptions } from './nftables/options.js'
import type { UserspacePlaneOptions } from './userspace/options.js'

/** The modes of planes, each of which has a subsystem that carries services. */
export const PLANE_MODES = ['nftables', 'ipvs', 'iptables', 'userspace'] as const

/** One of {@link PLANE_MODES}. */
export type PlaneMode = (typeof PLANE_MODES)[number]

/** Options of all planes. */
export interface CommonPlaneOptions {
  /**
   * When flows that a change left stale are deleted, through connection tracking, after the change and beside it; `false`: never. Default: those of UDP whose endpoint or frontend
   * is gone. On a fake kernel only where `kernel.conntrack` is given.
   */
  readonly staleFlows?: StaleFlowOptions | false | undefined
  /**
   * The path of a file in which the services that the plane holds are kept, for its successor to read with {@link readStateFile}: after the node was started anew, they can serve before anybody else says
   * what should be. It is written after changes, once a second at most and in a twentieth of the time, and when the plane is closed; a new file takes the place of the old one when it is whole and on disk. An event `error` says when
   * it cannot be written (`ERR_NETPLANE_STATE_FILE`); that is tried again. `close({ cleanup: true })` removes it. Its folder must exist. Only its owner may read it. Default: none is kept.
   */
  readonly stateFile?: string | undefined
  /**
   * Modes whose planes this one replaces, each once and not its own: what such a plane of the same name has in the kernel is removed once the first `sync` of this one has succeeded, so that connections are served throughout. Its established
   * connections go on, for 900 seconds at most where IPVS carries them. No process may have it open. Default: only those of a switch that was interrupted.
   */
  readonly replaces?: readonly PlaneMode[] | undefined
  /**
   * Planes of mode `userspace` beside this one that carry some of its services, or some of their frontends; all others it carries by itself. They are one plane to whoever uses it: calls, reports, events and the end are about
   * all of them, and say of what goes wrong which of them it was. What a carrier of an earlier process has in the kernel, and that is not among these, is removed once the first `sync` has succeeded. Default: none.
   */
  readonly carriers?: readonly CarrierOptions[] | undefined
}

/** Options of {@link openPlane}, and of {@link Plane.switchTo}: the kernel subsystem to use, and its own options. */
export type PlaneOptions = CommonPlaneOptions &
  (
    | ({ readonly mode: 'nftables' } & NftablesPlaneOptions)
    | ({ readonly mode: 'ipvs' } & IpvsPlaneOptions)
    | ({ readonly mode: 'iptables' } & IptablesPlaneOptions)
    | ({ readonly mode: 'userspace' } & UserspacePlaneOptions)
  )

/** Options as they are now: callers may change theirs afterwards, and give them again. @throws {ValidationError} They are no object. */
export function takeOptions<T extends PlaneOptions>(options: T): T {
  if (typeof (options as unknown) !== 'object' || (options as unknown) === null)
    throw new ValidationError('options', options, 'an object with a mode')
  // Without a prototype, no name means anything else than an option.
  const taken = Object.create(null) as T
  for (const name in options) taken[name] = options[name]
  // What a class computes is in no loop.
  for (let of: object | null = options; of !== null && of !== Object.prototype; of = Object.getPrototypeOf(of) as object | null)
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(of)))
      if ('get' in property && !(name in taken)) Object.defineProperty(taken, name, { value: options[name as keyof T] })
  return taken
}
