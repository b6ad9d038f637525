import { it } from 'vitest'
import { KILLS, walk, WALK_MS, type Walk } from '../../support/killed-walk.js'

const walks: readonly (Walk & { readonly what: string })[] = [
  { what: 'rules of nftables', modes: ['nftables'], lifeMs: 40, kills: KILLS },
  { what: 'rules of nftables whose sets grow', modes: ['nftables'], lifeMs: 200, large: 4000, kills: Math.ceil(KILLS / 4) },
  { what: 'rules of iptables', modes: ['iptables'], lifeMs: 60, kills: KILLS },
  { what: 'relays', modes: ['userspace'], lifeMs: 100, kills: KILLS },
  { what: 'planes that switch', modes: ['nftables', 'iptables'], lifeMs: 150, kills: Math.ceil(KILLS / 2) }
]

it.each(walks)(
  '$what of processes that are killed $kills times serve throughout, and are as fresh ones in the end',
  { timeout: WALK_MS },
  (steps) => walk(steps)
)
