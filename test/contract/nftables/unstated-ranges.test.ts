import { describe, expect, it } from 'vitest'
import type { Nftables } from '../../../src/nftables/client.js'
import type { ElementColumns } from '../../../src/nftables/columns.js'
import type { SetElement } from '../../../src/nftables/elements.js'
import type { SetSpec } from '../../../src/nftables/sets.js'
import type { Transaction } from '../../../src/nftables/transaction.js'
import type { ElementTarget } from '../../../src/nftables/transaction-types.js'
import { kernelsHere } from '../../support/lab.js'
import { nftablesKernels } from '../../support/nftables-kernels.js'

const table = { family: 'ip', table: 'app' } as const
const plain = { ...table, name: 'plain', key: 'ipv4_addr', flags: ['interval'] } satisfies SetSpec
const pairs = { ...table, name: 'pairs', key: ['ipv4_addr', 'inet_service'], flags: ['interval'] } satisfies SetSpec
const single = { ...table, name: 'single', key: 'ipv4_addr' } satisfies SetSpec

const withoutFlags = ({ name, key }: SetSpec): SetSpec => ({ ...table, name, key })
const bare = (name: string): ElementTarget => ({ ...table, name })
const rows: ElementColumns = { rows: 1, key: Uint8Array.of(10, 0, 0, 1) }

describe.each(kernelsHere(nftablesKernels))('declarations that do not say whether there are ranges, in $kernel', ({ opener }) => {
  async function base(): Promise<Nftables> {
    const nft = await (await opener())()
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'app' })
    for (const set of [plain, pairs, single]) tx.create.set(set)
    tx.add.elements(plain, [{ key: '10.9.0.0/24' }])
    tx.add.elements(pairs, [{ key: ['10.0.0.0/24', { from: 80, to: 90 }] }])
    tx.add.elements(single, [{ key: '10.0.0.9' }])
    await tx.commit()
    return nft
  }

  const keys = async (nft: Nftables): Promise<SetElement['key'][]> =>
    (await Promise.all([plain, pairs, single].map(async (set) => Array.from(await nft.listElements(set), ({ key }) => key)))).flat()

  async function outcome(nft: Nftables, build: (tx: Transaction) => void, send: 'commit' | 'check' = 'commit'): Promise<string> {
    const tx = nft.transaction()
    build(tx)
    return await tx[send]().then(
      () => 'committed',
      (error: unknown) => (error as Error).message
    )
  }

  it('are refused where an element would be a range without an end', async () => {
    const nft = await base()
    const before = await keys(nft)
    const message = "flags: ['interval'], as set ip app plain holds ranges"
    for (const send of ['commit', 'check'] as const)
      for (const verb of ['add', 'create', 'delete', 'destroy'] as const) {
        expect(await outcome(nft, (tx) => tx[verb === 'destroy' ? 'delete' : verb].elements(withoutFlags(plain), [{ key: '10.0.0.1' }]), send)).toContain(message) // prettier-ignore
        expect(await outcome(nft, (tx) => (verb === 'create' ? tx.create : tx[verb]).elements(bare('plain'), rows), send)).toContain(
          message
        )
      }
    expect(await keys(nft)).toEqual(before)
    expect(await outcome(nft, (tx) => tx.add.elements(bare('single'), rows))).toBe('committed')
    expect(await outcome(nft, (tx) => tx.add.elements(bare('missing'), rows))).toContain('ENOENT')
    expect(await outcome(nft, (tx) => tx.add.elements({ ...bare('plain'), table: 'none' }, rows))).toContain('ENOENT')
  })

  it('are refused where a range would be its first key', async () => {
    const nft = await base()
    const before = await keys(nft)
    const declared = { ...single, flags: ['interval'] } as const
    const everything = { key: '0.0.0.0/0' }
    expect(await outcome(nft, (tx) => tx.add.elements(declared, [everything]))).toContain('set ip app single holds no ranges')
    const made = outcome(nft, (tx) => {
      tx.create.set({ ...single, name: 'made' })
      tx.add.elements({ ...declared, name: 'made' }, [everything], { exclusive: true })
    })
    expect(await made).toContain('set ip app made holds no ranges')
    expect(await keys(nft)).toEqual(before)
  })

  it('are refused by what the transaction itself declares', async () => {
    const nft = await base()
    const made = outcome(nft, (tx) => {
      tx.create.set({ ...plain, name: 'made' })
      tx.add.elements({ ...withoutFlags(plain), name: 'made' }, [{ key: '10.0.0.1' }], { exclusive: true })
    })
    expect(await made).toContain("operations[1] (elements of set ip app made).flags is missing; allowed: a declaration of the set with its key and flags: ['interval']") // prettier-ignore
  })

  it('are none where the flags are a number that says so', async () => {
    const nft = await base()
    const numbered = { ...plain, name: 'numbered', flags: [4] } satisfies SetSpec
    const made = await outcome(nft, (tx) => {
      tx.create.set(numbered)
      tx.add.elements(numbered, [{ key: '10.0.0.0/24' }])
    })
    expect(made).toBe('committed')
    expect(Array.from(await nft.listElements(numbered), ({ key }) => key)).toEqual(['10.0.0.0/24'])
  })

  it('do for single keys of concatenations, but not for removing some', async () => {
    const nft = await base()
    const target = withoutFlags(pairs)
    expect(await outcome(nft, (tx) => tx.add.elements(target, [{ key: ['10.7.0.1', 443] }]))).toBe('committed')
    expect(await outcome(nft, (tx) => tx.delete.elements(target, [{ key: ['10.0.0.7', 85] }]))).toContain('set ip app pairs holds ranges')
    expect(await keys(nft)).toHaveLength(4)
  })

  it('differ from operation to operation without harm', async () => {
    const nft = await base()
    const mixed = outcome(nft, (tx) => {
      tx.add.elements(plain, [{ key: '10.0.0.0/24' }])
      tx.add.elements({ ...pairs, name: 'plain' }, [{ key: ['10.0.0.0/24', 80] }])
      tx.add.elements({ ...plain, key: 'ipv6_addr' }, [{ key: 'fd00::/64' }])
    })
    expect(await mixed).toMatch(/^EINVAL/)
  })

  it('of sets that are not there are missed by name', async () => {
    const nft = await base()
    const missed = await nft.listElements(bare('missing')).catch((error: unknown) => error)
    expect(missed).toMatchObject({ code: 'ENOENT', kernelMessage: 'list: there is nothing named missing' })
  })

  it('of sets of rules need no number to be told apart', async () => {
    const nft = await base()
    const own = { ...plain, flags: ['interval', 'anonymous', 'constant'] } satisfies SetSpec
    const ids = await outcome(nft, (tx) => {
      for (const name of ['__set0', '__set1']) {
        tx.create.set({ ...own, name })
        tx.create.elements({ ...own, name }, [{ key: '10.0.0.0/8' }])
      }
    }, 'check') // prettier-ignore
    expect(ids).not.toContain('overlap')
    expect(ids).not.toContain('EEXIST')
  })
})
