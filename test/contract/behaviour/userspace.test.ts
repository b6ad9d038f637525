import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openNetwork, type Network } from './network.js'
import { rows } from './rows.js'
import { allRowsMs, judge, runRows } from './run.js'
import { subjects } from './subjects.js'

let network: Network

beforeAll(async () => {
  network = await openNetwork({ isOwn: true })
})
afterAll(() => network.close())

/** For work on the plane: a regular expression for the ids of rows to run. */
const selected = rows.filter(({ id }) => new RegExp(process.env.NETPLANE_BEHAVIOUR_ROWS ?? '').test(id))

describe.each(subjects.filter(({ isOfProcess }) => isOfProcess))('$name', (subject) => {
  it(
    'does with packets what the rows say, and where it differs what its table says',
    async () => {
      expect(judge(subject, await runRows(network, subject, selected))).toEqual([])
    },
    allRowsMs
  )
})
