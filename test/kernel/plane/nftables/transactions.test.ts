import { expect, it, onTestFinished } from 'vitest'
import { openPlane, type Service } from '../../../../src/index.js'
import { makeNamespace } from '../../../support/namespace.js'

const services = new Map(
  Array.from({ length: 6000 }, (_, index): [string, Service] => {
    const name = `s${index}`
    const low = `${index >> 8}.${index & 255}`
    const endpoints = [1, 2].map((host) => ({ address: `10.${host}.${low}`, port: 8080 }))
    return [name, { name, protocol: 'tcp', frontends: [{ kind: 'cluster', address: `10.96.${low}`, port: 80 }], endpoints }]
  })
)

/** Transactions of a first sync, and addresses that nft lists after it. */
async function fill(transactionMs: number): Promise<{ readonly commits: number; readonly addresses: number }> {
  const namespace = await makeNamespace()
  const plane = await openPlane({ mode: 'nftables', netns: namespace.path, auditMs: 0, transactionMs })
  onTestFinished(() => plane.close())
  const { details } = await plane.sync(services)
  expect((await plane.plan(services)).isEmpty).toBe(true)
  const listed = await namespace.nft('list', 'set', 'ip', 'netplane', 'cluster-ips')
  return { commits: (details as { commits: number }).commits, addresses: listed.match(/\b10\.96\.\d+\.\d+\b/g)!.length }
}

it('transactions that are not to take long are more, and bring the same', async () => {
  const [usual, short] = [await fill(60_000), await fill(1)]
  expect(usual.addresses).toBe(6000)
  expect(short.addresses).toBe(6000)
  expect(short.commits).toBeGreaterThan(usual.commits + 5)
})
