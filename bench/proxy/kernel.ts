import { setTimeout as sleep } from 'node:timers/promises'
import type { Netplane } from '../frame/netplane.js'
import { clusterNamespace, type ClusterSize } from './large-cluster.js'

/** The nf_tables of a node. */
export type Kernel = Pick<
  Awaited<ReturnType<Netplane['Nftables']['open']>>,
  'readGeneration' | 'listRules' | 'listChains' | 'listSets' | 'listElements' | 'close'
>

/** A Service that has got an endpoint at another address. */
export interface Moved {
  readonly service: number
  readonly address: string
}

/** What a proxy has in the kernel. */
export interface KernelView {
  /** How much it has of what there is one of for each Service, or each endpoint. */
  readonly count: (kernel: Kernel) => Promise<number>
  /** How much that has to be. */
  readonly wanted: (size: ClusterSize) => number
  /** Whether it has all of what was moved. Absent: the kernel does not show it, and the first commit counts as that of a change. */
  readonly has?: (kernel: Kernel, moved: readonly Moved[]) => Promise<boolean>
}

/** The address in the data of an element, which is an address and a port. */
const addressOf = ({ data }: { readonly data?: unknown }): unknown => (Array.isArray(data) ? (data as readonly unknown[])[0] : undefined)

async function addressesOfSet(kernel: Kernel, set: Parameters<Kernel['listElements']>[0]): Promise<unknown[]> {
  return Array.from(await kernel.listElements(set), addressOf)
}

/** The example proxy's maps of endpoints, one for each number of slots. */
async function mappedAddresses(kernel: Kernel): Promise<unknown[]> {
  const sets = await kernel.listSets({ family: 'ip', table: 'netplane' })
  const maps = sets.filter(({ name }) => name.startsWith('endpoints-'))
  return (await Promise.all(maps.map((map) => addressesOfSet(kernel, map)))).flat()
}

const peerTable = { family: 'ip', table: 'kube-proxy' } as const
const chainNames = async (kernel: Kernel, table: string): Promise<string[]> =>
  (await kernel.listChains({ family: 'ip', table })).map(({ name }) => name)

/** The name of a set that a rule looks something up in. */
export const lookedUpSets = (expressions: readonly object[]): string[] =>
  expressions.flatMap((expression) => ('set' in expression && typeof expression.set === 'string' ? [expression.set] : []))

/** kube-proxy's chains of Services, by namespace and name: `service-HASH-NAMESPACE/SERVICE/tcp/PORT`. */
async function serviceChains(kernel: Kernel): Promise<Map<string, string>> {
  const names = await chainNames(kernel, peerTable.table)
  return new Map(
    names.flatMap((name) => {
      const service = /^service-[A-Z0-9]+-([^/]+\/[^/]+)\/tcp\//.exec(name)?.[1]
      return service?.startsWith(`${clusterNamespace}/`) === true ? [[service, name] as const] : []
    })
  )
}

/** Whether the anonymous map of such a chain has the address. */
async function chainHas(kernel: Kernel, chain: string, address: string): Promise<boolean> {
  const rules = await kernel.listRules({ ...peerTable, chain })
  for (const name of rules.flatMap(({ expressions }) => lookedUpSets(expressions)))
    if ((await addressesOfSet(kernel, { ...peerTable, name })).includes(address)) return true
  return false
}

/** Where what of each kind of proxy is. */
export const kernelViews = {
  'example proxy': {
    count: async (kernel) => (await mappedAddresses(kernel)).length,
    wanted: ({ services, endpoints }) => services * endpoints,
    has: async (kernel, moved) => {
      const addresses = new Set(await mappedAddresses(kernel))
      return moved.every(({ address }) => addresses.has(address))
    }
  },
  'kube-proxy': {
    count: async (kernel) => (await serviceChains(kernel)).size,
    wanted: ({ services }) => services,
    has: async (kernel, moved) => {
      const chains = await serviceChains(kernel)
      for (const { service, address } of moved) {
        const chain = chains.get(`${clusterNamespace}/s${service}`)
        if (chain === undefined || !(await chainHas(kernel, chain, address))) return false
      }
      return true
    }
  },
  /** Of either proxy: the names of chains are hashes, and addresses stand in rules of xtables. */
  iptables: {
    count: async (kernel) => (await chainNames(kernel, 'nat')).filter((name) => name.startsWith('KUBE-SEP-')).length,
    wanted: ({ services, endpoints }) => services * endpoints
  }
} as const satisfies Record<string, KernelView>

/** How much a proxy has, whose tables may not be there yet. */
export async function countOrNothing({ count }: KernelView, kernel: Kernel): Promise<number> {
  return await count(kernel).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  })
}

/** How often the generation is asked for: more often takes a processor from those who work. */
const lookMs = 1

/** Milliseconds from the call of `change` until the kernel has committed something, and `isDone` says that it was the change. @throws That takes longer than `timeoutMs`. */
export async function untilCommitted(
  kernel: Kernel,
  change: () => Promise<unknown>,
  { timeoutMs, isDone = () => Promise.resolve(true) }: { readonly timeoutMs: number; readonly isDone?: () => Promise<boolean> }
): Promise<number> {
  let seen = (await kernel.readGeneration()).id
  const began = performance.now()
  const changing = change()
  for (;;) {
    await sleep(lookMs)
    const { id } = await kernel.readGeneration()
    const tookMs = performance.now() - began
    if (id !== seen && (await isDone())) {
      await changing
      return tookMs
    }
    seen = id
    if (tookMs > timeoutMs) throw new Error(`no commit has brought the change after ${timeoutMs} ms`)
  }
}

/** When changes had been written where the proxy reads them, and when the kernel had the last commit, in milliseconds from the call of `change`. */
export interface QuietTimes {
  readonly writtenMs: number
  readonly committedMs: number
}

/** Waits until the kernel has had no commit for `quietMs` after `change` has ended, and `isDone` says that it has all. @throws That takes longer than `timeoutMs`. */
export async function untilQuiet(
  kernel: Kernel,
  change: () => Promise<unknown>,
  {
    quietMs,
    timeoutMs,
    isDone = () => Promise.resolve(true)
  }: { readonly quietMs: number; readonly timeoutMs: number; readonly isDone?: () => Promise<boolean> }
): Promise<QuietTimes> {
  let seen = (await kernel.readGeneration()).id
  const began = performance.now()
  let writtenMs: number | undefined
  const changing = change().then(() => (writtenMs = performance.now() - began))
  let committedMs = 0
  for (;;) {
    await sleep(lookMs)
    const { id } = await kernel.readGeneration()
    const nowMs = performance.now() - began
    if (id !== seen) committedMs = nowMs
    seen = id
    if (writtenMs !== undefined && nowMs - Math.max(committedMs, writtenMs) > quietMs) {
      // A commit that came while it was looked for counts, too.
      if ((await isDone()) && (await kernel.readGeneration()).id === seen) return { writtenMs: await changing, committedMs }
      await sleep(quietMs / 10)
    }
    if (nowMs > timeoutMs) throw new Error(`the kernel has not all changes after ${timeoutMs} ms`)
  }
}
