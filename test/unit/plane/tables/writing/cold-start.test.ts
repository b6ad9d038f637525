import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, it, onTestFinished } from 'vitest'
import { EINVAL, EMSGSIZE, ENOBUFS, ERESTART } from '../../../../../src/core/errno.js'
import type { RequestTrace } from '../../../../../src/core/tracing.js'
import type { Service } from '../../../../../src/index.js'
import { faulty, type Fault } from '../../../../support/faulty-kernel.js'
import { dump, fakeRig, freshDump, type Rig, type RigKernel } from '../../../../support/plane-rigs.js'

/** More than five transactions of elements. */
const services = new Map(
  Array.from({ length: 2000 }, (_, index): [string, Service] => {
    const low = `${index >> 8}.${index & 255}`
    const endpoints = Array.from({ length: 16 }, (__, host) => ({ address: `10.${host}.${low}`, port: 8080 }))
    const name = `s${index}`
    return [name, { name, protocol: 'tcp', frontends: [{ kind: 'cluster', address: `10.96.${low}`, port: 80 }], endpoints }]
  })
)

let known: Promise<string[]> | undefined
const fresh = (): Promise<string[]> => (known ??= freshDump(fakeRig('nftables'), services))

function requestsOf(operation: string): RequestTrace[] {
  const traces: RequestTrace[] = []
  const listen = (trace: unknown): void => {
    if ((trace as RequestTrace).operation === operation) traces.push(trace as RequestTrace)
  }
  subscribe('netplane:request', listen)
  onTestFinished(() => void unsubscribe('netplane:request', listen))
  return traces
}

/** A rig in whose n-th commit something happens, and how many commits there were. */
function rigWith(happens: (commit: number, kernel: RigKernel) => Promise<Fault> | Fault): {
  readonly rig: Rig
  readonly commits: () => number
} {
  let commits = 0
  const rig = fakeRig('nftables', (kernel) =>
    faulty(kernel, (operation) => (operation === 'commit' ? happens(++commits, kernel) : undefined))
  )
  return { rig, commits: () => commits }
}

async function stranger({ nftables }: RigKernel): Promise<void> {
  await using nft = await nftables.open()
  const tx = nft.transaction()
  tx.add.table({ family: 'inet', name: 'theirs' })
  await tx.commit()
}

it('a transaction waits behind the one in the kernel, so that the kernel has always something to do', { timeout: 60_000 }, async () => {
  const { rig, commits } = rigWith(() => ({ type: 'late', ms: 100 }))
  const requests = requestsOf('nftables.commit')
  // The fake works on the thread of the plane, and so is slow.
  const plane = await rig.open({ transactionMs: 60_000 })
  await plane.sync(services)
  expect(commits()).toBeGreaterThan(5)
  expect(requests.some(({ waitedMs }) => waitedMs > 1)).toBe(true)
  expect(await dump(rig)).toEqual(await fresh())
})

it('transactions that are not to take long are small, and many', { timeout: 60_000 }, async () => {
  const usual = rigWith(() => undefined)
  await (await usual.rig.open({ transactionMs: 60_000 })).sync(services)
  const { rig, commits } = rigWith(() => undefined)
  const plane = await rig.open({ transactionMs: 1 })
  await plane.sync(services)
  expect(commits()).toBeGreaterThan(2 * usual.commits())
  expect(await dump(rig)).toEqual(await fresh())
  const fewer = new Map([...services].map(([name, one]) => [name, { ...one, endpoints: one.endpoints.slice(1) }]))
  const before = commits()
  await plane.sync(fewer)
  expect(commits() - before).toBeGreaterThan(10)
  expect(await dump(rig)).toEqual(await freshDump(fakeRig('nftables'), fewer))
})

/** What may befall the n-th transaction while others wait behind it. */
const faults: readonly (readonly [what: string, fault: Fault, isForeign: boolean])[] = [
  ['another process commits', undefined, true],
  ['the kernel says that another process has committed', { type: 'refuse', errno: ERESTART }, false],
  ['another process commits, and the next transaction is as it expects', { type: 'refuse', errno: ERESTART }, true],
  ['it is too large', { type: 'refuse', errno: EMSGSIZE }, false],
  ['its verdict is lost', { type: 'lose', errno: ENOBUFS }, false]
]

it.each(faults)('%s: the first sync, or the one after it, ends as a fresh one', { timeout: 60_000 }, async (_, fault, isForeign) => {
  for (let at = 2; at <= 6; at++) {
    const { rig } = rigWith(async (commit, kernel) => {
      if (commit !== at) return undefined
      if (isForeign) await stranger(kernel)
      return fault
    })
    const plane = await rig.open()
    await plane.sync(services).catch(async () => await plane.sync(services))
    const now = await dump(rig)
    expect(now.filter((line) => !line.includes('theirs'))).toEqual(await fresh())
  }
})

it('the service whose element is refused is named, with transactions behind it', { timeout: 60_000 }, async () => {
  for (let at = 2; at <= 6; at++) {
    const { rig } = rigWith((commit) => (commit === at ? { type: 'refuse-element', errno: EINVAL, pick: () => 0 } : undefined))
    // The sizes of transactions follow how long they take, and at elements of no single service they are not to be cut.
    const plane = await rig.open({ transactionMs: 60_000 })
    const { quarantined } = await plane.sync(services)
    expect(quarantined.map(({ error }) => (error as { code?: string }).code)).toEqual(['EINVAL'])
    const { service } = quarantined[0]!
    const others = new Map([...services].filter(([name]) => name !== service))
    expect(await dump(rig)).toEqual(await freshDump(fakeRig('nftables'), others))
  }
})
