import { describe, expect, it } from 'vitest'
import { makeRows } from '../../../bench/rows/index.js'
import { parseArguments, selectRows } from '../../../bench/frame/arguments.js'
import type { Bench } from '../../../bench/frame/bench.js'
import { kernelViews, untilCommitted, untilQuiet, type Kernel } from '../../../bench/proxy/kernel.js'
import { addressesOf, partsOf, serviceAddress, sliceObject, spareAddress } from '../../../bench/proxy/large-cluster.js'
import { parseMemory, parseProcessorMs } from '../../../bench/proxy/process.js'

const rows = makeRows(parseArguments([]))

describe('what /proc says of a process', () => {
  it('memory, in MiB', () => {
    expect(parseMemory('Name:\tnode\nVmHWM:\t  262144 kB\nVmRSS:\t  131072 kB\n')).toEqual({ residentMiB: 128, peakMiB: 256 })
    expect(() => parseMemory('Name:\tkthreadd\n')).toThrow('/proc/PID/status has no VmRSS')
  })

  it('processor time, whatever its name is', () => {
    expect(parseProcessorMs('7 (a) (b c) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 5 6 20 0 1 0 9 9 9')).toBe(420)
  })
})

describe('a large cluster', () => {
  const size = { services: 1000, endpoints: 4 }

  it('has no address twice', () => {
    const addresses = Array.from({ length: size.services }, (_, service) => [serviceAddress(service), ...addressesOf(size, service)]).flat()
    expect(new Set([...addresses, spareAddress(size, 0), spareAddress(size, 1)]).size).toBe(addresses.length + 2)
  })

  it('is made in parts, and a slice can have another first endpoint', () => {
    expect([...partsOf({ services: 5 }, 2)]).toEqual([[0, 1], [2, 3], [4]])
    const endpoints = sliceObject(size, 1, '10.1.2.3')['endpoints'] as readonly { readonly addresses: readonly string[] }[]
    expect(endpoints.map(({ addresses }) => addresses[0])).toEqual(['10.1.2.3', '10.128.0.5', '10.128.0.6', '10.128.0.7'])
  })
})

describe('what is seen of kube-proxy', () => {
  const chain = 'service-ABCD2345-shop/s1/tcp/http'
  const elements = [{ key: 0, data: ['10.128.0.4', 8080] }]
  const kernel = {
    listChains: () => Promise.resolve([{ name: chain }, { name: 'services' }, { name: 'service-ABCD2346-default/kubernetes/tcp/https' }]),
    listRules: (of: { chain: string }) => Promise.resolve(of.chain === chain ? [{ expressions: [{ type: 'lookup', set: '__map0' }] }] : []),
    listElements: () => Promise.resolve(elements)
  } as unknown as Kernel
  const { count, has } = kernelViews['kube-proxy']

  it('is a chain for each Service of the bench, and the addresses in its map', async () => {
    expect(await count(kernel)).toBe(1)
    expect(await has(kernel, [{ service: 1, address: '10.128.0.4' }])).toBe(true)
    expect(await has(kernel, [{ service: 1, address: '10.128.0.40' }])).toBe(false)
    expect(await has(kernel, [{ service: 2, address: '10.128.0.4' }])).toBe(false)
  })
})

/** A kernel whose generation goes on with each look that it is told. */
function kernelOf(generations: readonly number[]): Kernel {
  let look = 0
  const readGeneration = (): Promise<unknown> => Promise.resolve({ id: generations[Math.min(look++, generations.length - 1)] })
  return { readGeneration } as Kernel
}

describe('waiting for the kernel', () => {
  it('goes on after a commit that was not that of the change', async () => {
    const looks: number[] = []
    const isDone = (): Promise<boolean> => Promise.resolve(looks.push(looks.length) === 2)
    await untilCommitted(kernelOf([1, 1, 2, 2, 3]), () => Promise.resolve(), { timeoutMs: 5000, isDone })
    expect(looks).toHaveLength(2)
  })

  it('ends where no commit brings it', async () => {
    await expect(untilCommitted(kernelOf([1]), () => Promise.resolve(), { timeoutMs: 20 })).rejects.toThrow(
      'no commit has brought the change'
    )
    const never = { quietMs: 1, timeoutMs: 20, isDone: () => Promise.resolve(false) }
    await expect(untilQuiet(kernelOf([1]), () => Promise.resolve(), never)).rejects.toThrow('the kernel has not all changes')
  })

  it('does not miss a commit that comes while it is looked for', async () => {
    let id = 1
    const kernel = { readGeneration: () => Promise.resolve({ id }) } as unknown as Kernel
    const isDone = (): Promise<boolean> => {
      id = 2
      return Promise.resolve(true)
    }
    const { committedMs } = await untilQuiet(kernel, () => Promise.resolve(), { quietMs: 5, timeoutMs: 5000, isDone })
    expect(committedMs).toBeGreaterThan(5)
  })

  it('takes the last commit as the end', async () => {
    const { committedMs, writtenMs } = await untilQuiet(kernelOf([1, 2, 3]), () => Promise.resolve(), { quietMs: 30, timeoutMs: 5000 })
    expect(committedMs).toBeGreaterThan(0)
    expect(writtenMs).toBeGreaterThanOrEqual(0)
  })
})

describe('the rows of the proxy', () => {
  const folder = selectRows(rows, ['proxy-folder-1000x10'])

  it('of one session run it once a round', async () => {
    let sessions = 0
    const bench = { root: process.cwd(), proxy: () => Promise.resolve({ ours: { start: ++sessions, idle: 7 } }) } as unknown as Bench
    const [start, idle] = await Promise.all(
      ['start', 'idle'].map((figure) => folder.find(({ name }) => name === `proxy-folder-1000x10-${figure}`)!.prepare(bench))
    )
    const place = { name: 'any', path: 'any' }
    expect([await start!.ours(place), await start!.ours(place), await idle!.ours(place), await idle!.ours(place)]).toEqual([1, 2, 7, 7])
  })

  it('on an API have kube-proxy beside them, and the longest runs only by its name', () => {
    const api = rows.filter(({ onApi }) => onApi === true)
    expect(api.map(({ name }) => name.startsWith('proxy-api-'))).not.toContain(false)
    expect(api.filter(({ isLong }) => isLong).map(({ name }) => name)).toEqual(['proxy-api-iptables-10000x4-start'])
    expect(folder.filter(({ onApi }) => onApi === true)).toEqual([])
  })
})
