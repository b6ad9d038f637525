import type { Subject } from '../frame/subject.js'
import { planeServices, type PlaneOptions, type PlaneSize } from './plane.js'

/** Services, and the modes that a plane carries them in, one after the other. */
export interface PlaneSwitchOptions extends PlaneSize {
  readonly from: PlaneOptions['mode']
  readonly to: PlaneOptions['mode']
}

/** A plane goes on in another mode. */
export const planeSwitch: Subject<PlaneSwitchOptions> = async ({ openPlane }, netns, { from, to, ...size }) => {
  const plane = await openPlane({ mode: from, netns, auditMs: 0 })
  await plane.sync(planeServices(size))
  return {
    work: async () => {
      const { sync } = await plane.switchTo({ mode: to, netns, auditMs: 0 })
      if (sync.quarantined[0] !== undefined) throw sync.quarantined[0].error
      if (plane.status().leaving !== undefined) throw new Error(`something of ${from} is left`)
    },
    close: () => plane.close()
  }
}
