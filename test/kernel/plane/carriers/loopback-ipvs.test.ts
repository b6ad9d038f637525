import { it } from 'vitest'
import { expectLoopbackCarried } from '../../../support/loopback-carrier.js'

it('mode ipvs serves ports of this node, and a carrier those at 127.0.0.1 and ::1', async () => {
  await expectLoopbackCarried('ipvs')
}, 1_000_000)
