import { describe, expect, it } from 'vitest'
import type { Nftables } from '../../../src/nftables/client.js'
import type { SetElement } from '../../../src/nftables/elements.js'
import type { SetSpec } from '../../../src/nftables/sets.js'
import type { Transaction } from '../../../src/nftables/transaction.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { kernelsHere } from '../../support/lab.js'
import { nftablesKernels } from '../../support/nftables-kernels.js'
import { rejection } from '../../support/rejection.js'

const table = { family: 'ip', table: 'app' } as const
const plain = { ...table, name: 'plain', key: 'ipv4_addr', flags: ['interval'] } satisfies SetSpec
const pairs = { ...table, name: 'pairs', key: ['ipv4_addr', 'inet_service'], flags: ['interval'] } satisfies SetSpec

describe.each(kernelsHere(nftablesKernels))('ranges in $kernel', ({ opener }) => {
  /** A table with two sets, each of two ranges. */
  async function base(): Promise<Nftables> {
    const nft = await (await opener())()
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'app' })
    tx.create.set(plain)
    tx.create.set(pairs)
    tx.add.elements(plain, [{ key: '10.0.0.0/24' }, { key: '10.9.0.0/24' }])
    tx.add.elements(pairs, [{ key: ['10.0.0.0/24', { from: 80, to: 90 }] }, { key: ['10.1.0.0/16', { from: 1, to: 5 }] }])
    await tx.commit()
    return nft
  }

  const keys = async (nft: Nftables, set: SetSpec): Promise<SetElement['key'][]> =>
    Array.from(await nft.listElements(set), ({ key }) => key)

  async function outcome(nft: Nftables, build: (tx: Transaction) => void): Promise<string> {
    const tx = nft.transaction()
    build(tx)
    return await tx.commit().then(
      () => 'committed',
      (error: unknown) => (error as { readonly code: string }).code
    )
  }

  it('stay as they are when something else is destroyed or deleted', async () => {
    const nft = await base()
    const before = [await keys(nft, plain), await keys(nft, pairs)]
    // Older kernels have no destroy at all, and say so; with nothing left to destroy there is nothing to say.
    const destroyed = isOlderThan('6.3') ? (expect.any(String) as string) : 'committed'
    for (const key of ['10.0.0.128/25', '10.0.0.0/25', '10.0.0.7', { from: '10.0.1.0', to: '10.8.255.255' }]) {
      expect(await outcome(nft, (tx) => tx.destroy.elements(plain, [{ key }]))).toEqual(destroyed)
      expect(await outcome(nft, (tx) => tx.delete.elements(plain, [{ key }]))).toBe('ENOENT')
    }
    for (const key of [
      ['10.0.0.128', 85],
      ['10.0.0.0', 80],
      ['10.1.0.0/16', { from: 1, to: 4 }]
    ] as const) {
      expect(await outcome(nft, (tx) => tx.destroy.elements(pairs, [{ key }]))).toEqual(destroyed)
      expect(await outcome(nft, (tx) => tx.delete.elements(pairs, [{ key }]))).toBe('ENOENT')
    }
    expect([await keys(nft, plain), await keys(nft, pairs)]).toEqual(before)
  })

  it('go when they are named exactly', async () => {
    const nft = await base()
    expect(await outcome(nft, (tx) => tx.delete.elements(plain, [{ key: '10.0.0.0/24' }]))).toBe('committed')
    expect(await outcome(nft, (tx) => tx.delete.elements(pairs, [{ key: ['10.1.0.0/16', { from: 1, to: 5 }] }]))).toBe('committed')
    expect(await keys(nft, plain)).toEqual(['10.9.0.0/24'])
    expect(await keys(nft, pairs)).toEqual([['10.0.0.0/24', { from: 80, to: 90 }]])
  })

  it('are added beside others, and refused where they overlap one', async () => {
    const nft = await base()
    for (const key of ['10.0.0.0/16', '10.0.0.0/25', '10.0.0.255', '0.0.0.0/0', { from: '10.8.0.0', to: '10.9.0.0' }])
      expect(await outcome(nft, (tx) => tx.add.elements(plain, [{ key }]))).toBe('EEXIST')
    expect(await outcome(nft, (tx) => tx.add.elements(plain, [{ key: '10.0.0.0/24' }, { key: '10.0.1.0/24' }]))).toBe('committed')
    expect(await keys(nft, plain)).toEqual(['10.0.0.0/24', '10.0.1.0/24', '10.9.0.0/24'])
    const tx = nft.transaction()
    tx.add.elements(pairs, [{ key: ['10.0.0.9', { from: 85, to: 99 }] }])
    const error = await rejection<Error & { subject: string }>(tx.commit())
    expect(error).toMatchObject({ code: 'EEXIST' })
    if (!isOlderThan('5.19')) expect(error.subject).toBe('add element 10.0.0.9 . 85-99 of set ip app pairs')
  })

  it('are compared row by row by the kernel, where the caller says that the set is his alone', async () => {
    const nft = await base()
    expect(await outcome(nft, (tx) => tx.delete.elements(pairs, [{ key: ['10.0.0.128', 85] }], { exclusive: true }))).toBe('committed')
    expect(await keys(nft, pairs)).toEqual([['10.1.0.0/16', { from: 1, to: 5 }]])
  })
})
