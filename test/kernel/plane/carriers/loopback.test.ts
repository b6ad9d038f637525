import { it } from 'vitest'
import { expectLoopbackCarried } from '../../../support/loopback-carrier.js'

it.each(['nftables', 'iptables'] as const)('mode %s serves ports of this node, and a carrier those at 127.0.0.1 and ::1', async (mode) => {
  await expectLoopbackCarried(mode)
})
