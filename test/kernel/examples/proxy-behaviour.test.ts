import { afterAll, beforeAll, expect, it } from 'vitest'
import { openNetwork, type Network } from '../../contract/behaviour/network.js'
import { rows } from '../../contract/behaviour/rows.js'
import { allRowsMs, judge, runRows } from '../../contract/behaviour/run.js'
import { canBeWritten } from './proxy-behaviour/manifests.js'
import { proxyIn } from './proxy-behaviour/subject.js'

let network: Network
beforeAll(async () => {
  network = await openNetwork()
})
afterAll(() => network.close())

const written = rows.filter(({ services }) => services.every(canBeWritten))
/** For work on the proxy: a regular expression for the ids of rows to run. */
const selected = written.filter(({ id }) => new RegExp(process.env.NETPLANE_BEHAVIOUR_ROWS ?? '').test(id))

it('Kubernetes has words for all rows but those of endpoints that one policy alone chooses, and of clients that are refused by name', () => {
  const others = rows.filter((row) => !written.includes(row))
  const reasonOf = ({ services }: (typeof rows)[number]): string =>
    services.some(({ endpoints }) => endpoints.some(({ side }) => side !== undefined)) ? 'side' : 'deny'
  expect(new Set(others.map(reasonOf))).toEqual(new Set(['side', 'deny']))
  expect(others.filter((row) => reasonOf(row) === 'deny').every(({ id }) => /^ranges\/.*deny/.test(id))).toBe(true)
  expect(written.length / rows.length).toBeGreaterThan(0.85)
})

// IPVS is in few kernels: proxy-behaviour-ipvs.test.ts runs rows where it is.
it.each(['nftables', 'iptables', 'userspace'] as const)(
  'in mode %s the proxy does with packets what the rows say whose services are written as manifests',
  async (mode) => {
    expect(judge(proxyIn(mode), await runRows(network, proxyIn(mode), selected))).toEqual([])
  },
  allRowsMs
)
