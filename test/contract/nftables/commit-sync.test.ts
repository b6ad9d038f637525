import { describe, expect, it } from 'vitest'
import { ClosedError, NetlinkError, NetplaneError, ValidationError } from '../../../src/core/errors.js'
import type { SetSpec } from '../../../src/nftables/sets.js'
import type { Transaction } from '../../../src/nftables/transaction.js'
import { kernelsHere } from '../../support/lab.js'
import { nftablesKernels } from '../../support/nftables-kernels.js'

const table = { family: 'ip', name: 'app' } as const
const addresses: SetSpec = { family: 'ip', table: 'app', name: 'addresses', key: 'ipv4_addr' }
const ranges: SetSpec = { ...addresses, name: 'ranges', flags: ['interval'] }

function base(tx: Transaction): void {
  tx.add.table(table)
  tx.add.set(addresses)
  tx.add.set(ranges)
}

function thrown(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe.each(kernelsHere(nftablesKernels))('commits for which the thread waits, on $kernel', ({ opener }) => {
  it('commits all of it at once, and reports as others do', async () => {
    const open = await opener()
    await using nft = await open()
    const tx = nft.transaction()
    base(tx)
    tx.add.chain({ ...table, table: 'app', name: 'web' })
    tx.add.elements(
      addresses,
      Array.from({ length: 1000 }, (_, index) => ({ key: `10.0.${index >> 8}.${index & 255}` }))
    )
    const report = tx.commitSync({ echo: true })
    expect(report).toMatchObject({ operations: 5, generation: (await nft.readGeneration()).id })
    expect([...report.handles.keys()]).toEqual([0, 1, 2, 3])
    const [set] = (await nft.list({ elements: true })).elements
    expect([...set!]).toHaveLength(1000)
    expect(() => tx.commitSync()).toThrow(ClosedError)
  })

  it('changes nothing where the kernel refuses, and says what', async () => {
    const open = await opener()
    await using nft = await open()
    const first = nft.transaction()
    base(first)
    first.commitSync()
    const tx = nft.transaction()
    tx.add.elements(addresses, [{ key: '10.0.0.1' }])
    tx.delete.elements(addresses, [{ key: '10.9.9.9' }])
    const error = thrown(() => tx.commitSync()) as NetlinkError
    expect(error).toBeInstanceOf(NetlinkError)
    // Which of the elements it was, only newer kernels say.
    expect(error).toMatchObject({ code: 'ENOENT', operation: 'nftables.commitSync', index: 1 })
    expect([...(await nft.list({ elements: true })).elements.flatMap((set) => [...set])]).toEqual([])
  })

  it('is refused when another commit came since the generation that it names', async () => {
    const open = await opener()
    await using nft = await open()
    const { id } = await nft.readGeneration()
    const first = nft.transaction()
    base(first)
    first.commitSync({ generation: id })
    const second = nft.transaction()
    second.add.elements(addresses, [{ key: '10.0.0.1' }])
    expect(thrown(() => second.commitSync({ generation: id }))).toMatchObject({ code: 'ERESTART' })
    second.commitSync({ generation: id + 1 })
  })

  it('leaves ranges to the commit that checks them', async () => {
    const open = await opener()
    await using nft = await open()
    const first = nft.transaction()
    base(first)
    first.commitSync()
    const stated = nft.transaction()
    stated.add.elements(ranges, [{ key: '10.0.0.0/24' }])
    expect(thrown(() => stated.commitSync())).toBeInstanceOf(ValidationError)
    expect(String(thrown(() => stated.commitSync()))).toContain('operations[0]')
    await stated.commit()
    // The caller does not say that there are ranges, and the kernel would take the single key for the start of one.
    const unstated = nft.transaction()
    unstated.add.elements({ ...addresses, name: 'ranges' }, [{ key: '10.1.0.0' }])
    expect(thrown(() => unstated.commitSync())).toBeInstanceOf(ValidationError)
  })

  it('is refused while other calls of the client are under way, or after its end', async () => {
    const open = await opener()
    const nft = await open()
    const reading = nft.readGeneration()
    const tx = nft.transaction()
    base(tx)
    const busy = thrown(() => tx.commitSync()) as NetplaneError
    expect(busy).toBeInstanceOf(NetplaneError)
    expect(busy.code).toBe('ERR_NETPLANE_BUSY')
    await reading
    const checking = tx.check()
    expect(thrown(() => tx.commitSync())).toMatchObject({ code: 'ERR_NETPLANE_BUSY' })
    await checking
    tx.commitSync()
    await nft.close()
    const late = nft.transaction()
    base(late)
    expect(() => late.commitSync()).toThrow(ClosedError)
  })

  it('reads the generation likewise', async () => {
    const open = await opener()
    const nft = await open()
    const reading = nft.readGeneration()
    expect(thrown(() => nft.readGenerationSync())).toMatchObject({
      code: 'ERR_NETPLANE_BUSY',
      message: expect.stringContaining('nftables.readGenerationSync') as string
    })
    const before = await reading
    // On a kernel the other number is that of the thread that asks.
    expect(nft.readGenerationSync()).toEqual({ ...before, processId: expect.any(Number) as number })
    const tx = nft.transaction()
    base(tx)
    const { generation } = tx.commitSync()
    expect(generation).toBeGreaterThan(before.id)
    expect(nft.readGenerationSync().id).toBe(generation)
    await nft.close()
    expect(() => nft.readGenerationSync()).toThrow(ClosedError)
  })

  it('refuses malformed operations and options, and sends nothing', async () => {
    const open = await opener()
    await using nft = await open()
    const malformed = nft.transaction()
    base(malformed)
    malformed.add.elements(addresses, [{ key: 'nonsense' }])
    expect(thrown(() => malformed.commitSync())).toMatchObject({ path: 'operations[3] (elements of set ip app addresses).elements[0].key' })
    const tx = nft.transaction()
    base(tx)
    const { signal } = new AbortController()
    expect(thrown(() => tx.commitSync({ signal } as object))).toMatchObject({ path: 'options.signal' })
    expect(thrown(() => tx.commitSync(null as never))).toBeInstanceOf(ValidationError)
    expect((await nft.list()).tables).toEqual([])
  })
})
