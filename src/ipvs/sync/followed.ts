/**
 * Calls that say how far they are, for callers within the package.
 */
import type { IpvsSyncOptions } from './types.js'

/** How a sync that tells how far it is calls an option of itself. */
export const whenSent = Symbol('when sent')

/** {@link IpvsSyncOptions} of whoever follows a call while it goes on. */
export interface FollowedSyncOptions extends IpvsSyncOptions {
  /** Called after each batch. @param part Of all virtual and real servers that are to be changed, that of those which have been sent since the last call. */
  readonly [whenSent]?: ((part: number) => void) | undefined
}
