import { it } from 'vitest'
import { KILLS, walk, WALK_MS, type Walk } from '../../support/killed-walk.js'

/** Emulated processors take long for a sync. */
const walks: readonly (Walk & { readonly what: string })[] = [
  { what: 'virtual services', modes: ['ipvs'], lifeMs: 1000, kills: KILLS },
  { what: 'planes that switch to and from ipvs', modes: ['nftables', 'ipvs'], lifeMs: 3000, kills: KILLS }
]

it.each(walks)(
  '$what of processes that are killed $kills times serve throughout, and are as fresh ones in the end',
  { timeout: WALK_MS },
  (steps) => walk(steps)
)
