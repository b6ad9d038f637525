import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { clusterRange, localSources, type Place } from '../../contract/behaviour/network.js'
import { NODE } from '../kubernetes-services.js'
import { PROXY } from '../manifests.js'
import { startProgram, until, type Background } from '../run.js'
import { NODE_PORTS } from '../service-checks.js'
import { TOKENS, type ControlPlane, type TokenName } from './control-plane.js'

/** What `/healthz` says. */
export interface Health {
  readonly status: number
  readonly healthy: boolean
  readonly synced: boolean
  readonly services: number
  readonly quarantined: readonly string[]
  /** Why the API server is not read at the moment. */
  readonly api?: string
}

/** A proxy of a node on the API. */
export interface NodeProxy extends Background {
  /** Shows another token from now on, as who renews tokens does it: under another name first. */
  showToken(name: TokenName): Promise<void>
  health(): Promise<Health>
  /** Waits until the kernel of its node has what the API has, by one process, so that asking takes little of the processor. */
  untilSynced(timeoutMs: number): Promise<void>
  /** Waits until the kernel of its node has exactly these endpoints, as {@link endpointsOf} names them. */
  serves(address: string, endpoints: readonly string[], timeoutMs?: number): Promise<void>
}

export interface NodeProxyOptions {
  readonly token?: TokenName
  /** Whether it is left to the proxy to find the ranges of Services at the API. Default: it is told those of the network. */
  readonly followsRanges?: boolean
  /** The prefixes of the node's addresses that have node ports. Default: those of the network of the behaviour matrix. */
  readonly nodePorts?: readonly string[]
  /** More words of its command line. */
  readonly words?: readonly string[]
}

/** Starts a proxy in the node of a network; it ends with the test, which removes its rules. What it has to say for itself stands in its log. */
export async function startNodeProxy(
  { node }: { readonly node: Place },
  plane: ControlPlane,
  { token = 'proxy', followsRanges = false, nodePorts = NODE_PORTS, words = [] }: NodeProxyOptions = {}
): Promise<NodeProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'netplane-node-'))
  const tokenFile = join(folder, 'token')
  const showToken = async (name: TokenName): Promise<void> => {
    await writeFile(join(folder, '.token'), `${TOKENS[name]}\n`)
    await rename(join(folder, '.token'), tokenFile)
  }
  await showToken(token)
  const proxy = startProgram('ip', [
    ...['netns', 'exec', node.name, process.execPath, PROXY, '--kubeconfig', plane.kubeconfig(tokenFile), '--node-name', NODE.name],
    ...['--local-sources', `${localSources.ip},${localSources.ip6}`, '--node-port-addresses', nodePorts.join()],
    ...(followsRanges ? [] : ['--service-ranges', `${clusterRange.ip},${clusterRange.ip6}`]),
    ...words
  ])
  onTestFinished(async () => {
    await proxy.stop('SIGKILL')
    await node.run('nft', ['flush', 'ruleset'])
    await rm(folder, { recursive: true })
  })
  const serves = async (address: string, endpoints: readonly string[], timeoutMs = 60_000): Promise<void> => {
    const wanted = [...endpoints].sort().join(', ')
    const isSo = async (): Promise<boolean> => (await endpointsOf(node, address)).join(', ') === wanted
    await until(`${address} is served by [${wanted}]`, isSo, timeoutMs).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${proxy.output().slice(-2000)}`)
    })
  }
  return { ...proxy, showToken, health: () => healthOf(node), untilSynced: (timeoutMs) => untilSynced(node, timeoutMs), serves }
}

async function untilSynced(node: Place, timeoutMs: number): Promise<void> {
  const script = `
const { setTimeout: sleep } = require('node:timers/promises')
const isSynced = async () => (await (await fetch('http://127.0.0.1:10256/healthz')).json()).synced
void (async () => { while (!(await isSynced().catch(() => false))) await sleep(20) })()`
  await node.run(process.execPath, ['-e', script], { timeoutMs })
}

async function healthOf(node: Place): Promise<Health> {
  const script = `fetch('http://127.0.0.1:10256/healthz').then(async (answer) => console.log(JSON.stringify({ status: answer.status, ...(await answer.json()) })))`
  return JSON.parse(await node.run(process.execPath, ['-e', script])) as Health
}

/** The endpoints, `address . port`, that the kernel of a node has for TCP at port 80 of an address, sorted: as nft lists the map that chooses one of them. */
export async function endpointsOf(node: Place, address: string): Promise<string[]> {
  // Before the first sync there is no table.
  const table = await node.run('sh', ['-c', 'nft list table ip netplane 2>/dev/null || true'])
  const elements = table.matchAll(new RegExp(`\\b${address.replaceAll('.', '\\.')} \\. tcp \\. 80 \\. \\d+ : (\\S+ \\. \\d+)`, 'g'))
  return Array.from(elements, ([, endpoint]) => endpoint!).sort()
}
