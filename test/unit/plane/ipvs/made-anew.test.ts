import { expect, it } from 'vitest'
import { EMSGSIZE, ENOMEM } from '../../../../src/core/errno.js'
import type { Service } from '../../../../src/index.js'
import { faulty, type Fault } from '../../../support/faulty-kernel.js'
import { dump, fakeRig, type RigKernel } from '../../../support/plane-rigs.js'

const service: Service = {
  name: 'web',
  protocol: 'tcp',
  frontends: [
    { kind: 'cluster', address: '10.96.0.10', port: 80 },
    { kind: 'node', port: 30_080 }
  ],
  endpoints: [{ address: '10.1.0.1', port: 8080 }]
}

/** Another process adds a chain to our table, which is made anew then. */
async function addTheirChain(kernel: RigKernel): Promise<void> {
  await using nft = await kernel.nftables.open()
  const tx = nft.transaction()
  tx.add.chain({ family: 'ip', table: 'netplane-ipvs', name: 'theirs' })
  await tx.commit()
}

it('virtual services are known as ours though one message could not hold new tables, and the process ended before they were filled', async () => {
  let kernel: RigKernel | undefined
  let commits: Fault[] = []
  const rig = fakeRig('ipvs', (own) => {
    kernel = own
    return faulty(own, (operation) => (operation === 'commit' ? commits.shift() : undefined))
  })
  const first = await rig.open()
  await first.sync(new Map([['web', service]]))
  await first.close()
  await addTheirChain(kernel!)
  await using route = await kernel!.route.open()
  await route.removeLink('netplane')

  const refuse = (errno: number): Fault => ({ type: 'refuse', errno })
  commits = [refuse(EMSGSIZE), undefined, refuse(ENOMEM)]
  const second = await rig.open()
  await expect(second.sync(new Map([['web', service]]))).rejects.toMatchObject({ code: 'ENOMEM' })
  await second.close()
  expect(commits).toEqual([])

  const third = await rig.open()
  await third.sync(new Map())
  expect((await dump(rig)).filter((line) => line.startsWith('virtual service'))).toEqual([])
  await third.close({ cleanup: true })
})

it('virtual services that were added, before what is beside them was refused, are known as ours where new tables were to be made', async () => {
  let kernel: RigKernel | undefined
  let refused: string | undefined
  const rig = fakeRig('ipvs', (own) => {
    kernel = own
    return faulty(own, (operation) => (operation === refused ? { type: 'refuse', errno: ENOMEM } : undefined))
  })
  const first = await rig.open()
  await first.sync(new Map())
  await first.close()

  for (const operation of ['changeAddresses', 'commit']) {
    await addTheirChain(kernel!)
    refused = operation
    const second = await rig.open()
    await expect(second.sync(new Map([['web', service]]))).rejects.toMatchObject({ code: 'ENOMEM' })
    await second.close()
    refused = undefined
    const third = await rig.open()
    await third.sync(new Map())
    expect((await dump(rig)).filter((line) => line.startsWith('virtual service'))).toEqual([])
    await third.close()
  }
})
