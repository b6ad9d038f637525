/**
 * What goes on under a plane that users have: a plane of one mode, perhaps with carriers beside it.
 */
import type { ServicePlane } from './plane.js'

/** As {@link ServicePlane}. */
export type ModePlane = Pick<
  ServicePlane,
  'plan' | 'sync' | 'update' | 'explain' | 'watch' | 'counters' | 'status' | 'holding' | 'succeed' | 'release' | 'close'
>
