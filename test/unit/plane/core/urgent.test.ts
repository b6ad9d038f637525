import { expect, it } from 'vitest'
import { openPlane, type Service } from '../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../src/testing.js'

const service = (number: number, priority?: number): Service => ({
  name: `service-${number}`,
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: `10.96.0.${number}`, port: 80 }],
  endpoints: [{ address: '10.1.0.1', port: 8080 }],
  ...(priority === undefined ? {} : { priority })
})

async function commits(mode: 'nftables' | 'iptables', ...priorities: readonly number[]): Promise<number> {
  const services = Array.from({ length: 20 }, (_, number) => service(number + 1, priorities[19 - number]))
  const plane = await openPlane({ mode, auditMs: 0, kernel: { nftables: new FakeNftablesKernel() } })
  const { details } = await plane.sync(new Map(services.map((one) => [one.name, one])))
  await plane.close()
  return (details as { readonly commits: number }).commits
}

it.each(['nftables', 'iptables'] as const)(
  'services with a priority above 0 have a transaction of their own before the others, in mode %s',
  async (mode) => {
    const without = await commits(mode)
    expect(await commits(mode, 5, 1)).toBe(without + 1)
    // Those that are to come last do not make the others urgent, and all together are a sync as any other.
    expect(await commits(mode, -5)).toBe(without)
    expect(await commits(mode, ...Array<number>(20).fill(1))).toBe(without)
  }
)
