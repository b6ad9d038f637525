import { afterAll, beforeAll, expect, it } from 'vitest'
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

/** For work on the plane: a regular expression for the ids of rows to run. */
const selected = rows.filter(({ id }) => new RegExp(process.env.NETPLANE_BEHAVIOUR_ROWS ?? '').test(id))

it(
  'does with packets what the rows say, and where it differs what its table says',
  async () => {
    expect(judge(subject, await runRows(network, subject, selected))).toEqual([])
  },
  allRowsMs
)
