import path from 'node:path'
import type { Netplane } from '../frame/netplane.js'
import type { Place } from '../frame/row.js'
import { startProgram, type Background } from '../../test/support/run.js'
import { kernelViews, type KernelView } from './kernel.js'

/** The modes of the proxies that are compared. */
export type ProxyMode = 'nftables' | 'iptables'

/** Where a daemon says that the kernel has all, and what its text says then. */
interface Question {
  readonly url: string
  readonly says: string
  readonly everyMs: number
}

/** A program that makes the rules of a node follow Services. */
export interface Daemon {
  readonly argv: readonly string[]
  readonly question: Question
  readonly view: KernelView
  /** Milliseconds from one change to the next, so that none has to wait for the one before. */
  readonly pauseMs: number
  /** Changes whose times are taken one by one. */
  readonly changes: number
}

/** Where the example proxy is, once it is built. @param root The repository. */
export const proxyProgram = (root: string): string => path.join(root, 'build', 'examples', 'proxy.js')

/** The example proxy with what says where it reads. */
export const exampleProxy = (root: string, mode: ProxyMode, words: readonly string[]): Daemon => ({
  argv: [process.execPath, proxyProgram(root), '--mode', mode, '--local-sources', podRange, ...words],
  question: { url: 'http://127.0.0.1:10256/healthz', says: '"synced":true', everyMs: 20 },
  view: kernelViews[mode === 'nftables' ? 'example proxy' : 'iptables'],
  pauseMs: 100,
  changes: 100
})

/** Local clients, as both proxies are told. */
const podRange = '10.244.0.0/16'

/** Settings of connection tracking belong to the whole machine: they are left as they are. */
const conntrackFlags = ['max-per-core', 'min', 'tcp-timeout-established', 'tcp-timeout-close-wait'].flatMap((name) => [
  `--conntrack-${name}`,
  '0'
])

/** kube-proxy with its defaults, of which one is that a second passes between two syncs. */
export const kubeProxy = (program: string, mode: ProxyMode, words: readonly string[]): Daemon => ({
  argv: [program, ...conntrackFlags, '--proxy-mode', mode, '--cluster-cidr', podRange, ...words],
  question: {
    url: 'http://127.0.0.1:10249/metrics',
    says: '\\nkubeproxy_sync_proxy_rules_duration_seconds_count\\{ip_family="IPv4"\\} [1-9]',
    everyMs: 100
  },
  view: kernelViews[mode === 'nftables' ? 'kube-proxy' : 'iptables'],
  pauseMs: 1500,
  changes: 30
})

/** A program in a node of its own: it asks the daemon there until the answer is the one that was wanted. */
const askUntil = `
const [url, says, everyMs] = process.argv.slice(1)
const wanted = new RegExp(says)
const ask = async () => wanted.test(await (await fetch(url)).text())
console.log('asking')
void (async () => { while (!(await ask().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, Number(everyMs))) })()`

const inside = ({ name }: Pick<Place, 'name'>, argv: readonly string[]): Background => startProgram('ip', ['netns', 'exec', name, ...argv])

/** A daemon that has said that the kernel has all. */
export interface Started {
  readonly program: Background
  /** When it was started, as `performance.now` says it. */
  readonly began: number
}

/** Starts a daemon in a node and waits until it says that the kernel has all. @throws It ends by itself, or takes longer than `timeoutMs`. */
export async function startDaemon(node: Pick<Place, 'name'>, { argv, question }: Daemon, timeoutMs: number): Promise<Started> {
  const { url, says, everyMs } = question
  const asking = inside(node, [process.execPath, '-e', askUntil, url, says, String(everyMs)])
  // Its own start must not fall into that of the daemon.
  await asking.waitFor('asking', timeoutMs)
  const began = performance.now()
  const program = inside(node, argv)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), timeoutMs)))
  const outcome = await Promise.race([asking.ended, program.ended.then(() => 'ended' as const), late])
  clearTimeout(timer)
  await asking.stop('SIGKILL')
  if (outcome !== 'late' && outcome !== 'ended' && outcome.status === 0) return { program, began }
  await program.stop('SIGKILL')
  throw new Error(
    `${argv[0]}: ${outcome === 'late' ? `not ready after ${timeoutMs} ms` : 'ended by itself'}:\n${program.output().slice(-4000)}`
  )
}

/** Opens the nf_tables of a node. */
export const openKernel = ({ Nftables }: Netplane, node: Pick<Place, 'path'>): ReturnType<Netplane['Nftables']['open']> =>
  Nftables.open({ netns: node.path, deadlineMs: 120_000 })
