import { afterAll, beforeAll, expect, it } from 'vitest'
import { oneOfEach } from '../../contract/behaviour/group-by.js'
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

/** Of each chapter, setting, kind of frontend, policy and client one row, without those that wait: protocols and families take turns. */
const some = oneOfEach(
  rows.filter(({ pauseMs, services }) => pauseMs === undefined && services.every(canBeWritten)),
  ({ id, settings, kind, policy, client }) => `${id.split('/')[0]!} ${settings} ${kind} ${policy} ${client}`
)

it(
  'in mode ipvs the proxy does with packets what rows of all kinds say whose services are written as manifests',
  async () => {
    expect(some.length).toBeGreaterThan(100)
    expect(judge(proxyIn('ipvs'), await runRows(network, proxyIn('ipvs'), some))).toEqual([])
  },
  allRowsMs
)
