import { expect, it } from 'vitest'
import { goThrough } from '../../support/switching.js'

it('serves new connections throughout, and cuts none that is established, to ipvs from each other mode and back', async () => {
  const { before, after } = await goThrough(['nftables', 'ipvs', 'iptables', 'ipvs', 'userspace', 'ipvs', 'nftables'])
  expect(after).toBe(before)
}, 1_200_000)
