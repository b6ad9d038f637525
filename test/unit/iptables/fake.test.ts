import { expect, it } from 'vitest'
import { Iptables } from '../../../src/iptables/client.js'
import { parseRule } from '../../../src/iptables/text/line.js'
import { printSave } from '../../../src/iptables/text/save.js'
import { FakeNftablesKernel } from '../../../src/testing.js'

const INPUT = { family: 'ip', table: 'filter', chain: 'INPUT' } as const

it('works on a fake of nf_tables, which has no tables of the legacy interface', async () => {
  await using iptables = await Iptables.open({ kernel: new FakeNftablesKernel() })
  const tx = iptables.transaction()
  tx.newChain({ ...INPUT, chain: 'user' })
  tx.append(INPUT, parseRule('-p tcp -m comment --comment "a b" -j user', INPUT))
  tx.insert(INPUT, parseRule('-s 10.0.0.0/8 -j DROP', INPUT))
  await tx.commit()
  const { tables, legacy } = await iptables.list()
  expect(printSave(tables, { family: 'ip' })).toBe(`*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:user - [0:0]
-A INPUT -s 10.0.0.0/8 -j DROP
-A INPUT -p tcp -m comment --comment "a b" -j user
COMMIT
`)
  expect(legacy).toEqual({ ip: [], ip6: [] })
  expect(await iptables.check(INPUT, parseRule('-s 10.0.0.0/8 -j DROP', INPUT))).toBe(true)
})

it('cannot be used once it is closed', async () => {
  const iptables = await Iptables.open({ kernel: new FakeNftablesKernel() })
  await iptables.close()
  await iptables.close()
  await expect(iptables.list()).rejects.toMatchObject({ code: 'ERR_NETPLANE_CLOSED' })
})

it('a transaction is committed once, and a signal stops it', async () => {
  await using iptables = await Iptables.open({ kernel: new FakeNftablesKernel() })
  const tx = iptables.transaction()
  tx.append(INPUT, {})
  await expect(tx.commit({ signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped')
  await tx.commit()
  await expect(tx.commit()).rejects.toMatchObject({ code: 'ERR_NETPLANE_CLOSED' })
})

it('renames a chain, and sets policies with their counters', async () => {
  await using iptables = await Iptables.open({ kernel: new FakeNftablesKernel() })
  const first = iptables.transaction()
  first.newChain({ ...INPUT, chain: 'old' })
  first.append(INPUT, { target: { jump: 'old' } })
  first.policy(INPUT, 'DROP', { packets: 5n, bytes: 6n })
  await first.commit()
  const second = iptables.transaction()
  second.renameChain({ ...INPUT, chain: 'old' }, 'new')
  await second.commit()
  const [table] = (await iptables.list()).tables
  expect(table!.chains.map(({ name }) => name)).toEqual(['INPUT', 'FORWARD', 'OUTPUT', 'new'])
  expect(table!.chains[0]).toMatchObject({ policy: 'DROP', counters: { packets: 5n, bytes: 6n }, rules: [{ target: { jump: 'new' } }] })
})
