import { describe, expect, it, onTestFinished } from 'vitest'
import { watchGeneration, type Nftables } from '../../../src/nftables/client.js'
import { kernelsHere } from '../../support/lab.js'
import { nftablesKernels } from '../../support/nftables-kernels.js'
import { until } from '../../support/run.js'

const rest = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

function counting(nft: Nftables): { readonly watch: ReturnType<typeof watchGeneration>; told: number } {
  const state = {
    watch: watchGeneration(nft, () => {
      state.told++
    }),
    told: 0
  }
  onTestFinished(() => state.watch.close())
  return state
}

async function addTable(nft: Nftables, name: string): Promise<void> {
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name })
  await tx.commit()
}

describe.each(kernelsHere(nftablesKernels))('a watch of the generation, on $kernel', ({ opener }) => {
  it('tells once that another client has committed', async () => {
    const open = await opener()
    await using nft = await open()
    await using other = await open()
    const state = counting(nft)
    state.watch.arm(nft.readGenerationSync().id, 5)
    await rest(50)
    expect(state.told).toBe(0)
    await addTable(other, 'one')
    await until('the commit', () => state.told === 1)
    await addTable(other, 'two')
    await rest(50)
    expect(state.told).toBe(1)
    state.watch.arm(nft.readGenerationSync().id, 5)
    await addTable(other, 'three')
    await until('the next one', () => state.told === 2)
  })

  it('tells nothing once it was disarmed or closed', async () => {
    const open = await opener()
    await using nft = await open()
    const state = counting(nft)
    state.watch.arm(nft.readGenerationSync().id - 1, 5)
    state.watch.disarm()
    await rest(50)
    state.watch.arm(nft.readGenerationSync().id - 1, 5)
    state.watch.close()
    state.watch.arm(nft.readGenerationSync().id - 1, 5)
    await rest(50)
    expect(state.told).toBe(0)
  })

  it('tells that its client was closed', async () => {
    const open = await opener()
    const nft = await open()
    const state = counting(nft)
    state.watch.arm(nft.readGenerationSync().id, 5)
    await nft.close()
    await until('the end', () => state.told === 1)
  })
})
