import { expect, it } from 'vitest'
import { goThrough } from '../../support/switching.js'

it('serves new connections throughout, and cuts none that is established, from each of three modes to each other one', async () => {
  const { before, after } = await goThrough(['nftables', 'iptables', 'userspace', 'nftables', 'userspace', 'iptables', 'nftables'])
  expect(after).toBe(before)
}, 240_000)
