import { expect, it } from 'vitest'
import { Nftables, type CommitReport } from '../../../src/index.js'
import { StepWriter, type Step } from '../../../src/nftables/steps.js'
import { FakeNftablesKernel } from '../../../src/testing.js'

it('the kernel says the handles of steps that ask for them, and of no others in the same transaction', async () => {
  await using nft = await Nftables.open({ kernel: new FakeNftablesKernel() })
  const reports: CommitReport[] = []
  const hooks = {
    before: () => undefined,
    options: () => ({}),
    committed: (report: CommitReport) => void reports.push(report),
    refused: (error: unknown) => error
  }
  const chains = (echo: boolean, ...names: readonly string[]): Step => ({
    bytes: 100,
    echo,
    queue: (tx) => {
      for (const name of names) tx.add.chain({ family: 'ip', table: 'app', name })
    }
  })
  const table: Step = { bytes: 100, queue: (tx) => tx.add.table({ family: 'ip', name: 'app' }) }
  await new StepWriter(nft, hooks).write([table, chains(false, 'a'), chains(true, 'b', 'c'), chains(false, 'd'), chains(true, 'e')])
  expect(reports.map(({ operations, handles }) => [operations, [...handles.keys()]])).toEqual([[6, [2, 3, 5]]])
  const listed = new Map((await nft.listChains()).map(({ name, handle }) => [name, handle]))
  expect(reports[0]!.handles).toEqual(
    new Map([
      [2, listed.get('b')],
      [3, listed.get('c')],
      [5, listed.get('e')]
    ])
  )
})
