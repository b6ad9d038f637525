import { afterAll, beforeAll, expect, it } from 'vitest'
import { oneOfEach } from '../../../contract/behaviour/group-by.js'
import { openNetwork, type Network } from '../../../contract/behaviour/network.js'
import { rows } from '../../../contract/behaviour/rows.js'
import { allRowsMs, judge, runRows } from '../../../contract/behaviour/run.js'
import { subjects } from '../../../contract/behaviour/subjects.js'

let network: Network

beforeAll(async () => {
  network = await openNetwork()
})
afterAll(() => network.close())

const subject = subjects.find(({ name }) => name === 'ipvs')!

/** Of each chapter, kind of frontend, policy and client one row, without those that wait: protocols and families take turns. */
const some = oneOfEach(
  rows.filter(({ settings, pauseMs }) => settings === 'usual' && pauseMs === undefined),
  ({ id, kind, policy, client }) => `${id.split('/')[0]!} ${kind} ${policy} ${client}`
)

it(
  'does with packets what rows of all kinds say',
  async () => {
    expect(some.length).toBeGreaterThan(50)
    expect(judge(subject, await runRows(network, subject, some))).toEqual([])
  },
  allRowsMs
)
