import { assertAnswers, assertNone, drive } from './driving.js'
import type { Stage } from './daemon.js'
import { SHOP, writeShop } from './manifests.js'
import { note, spread } from './terminal.js'
import { CLIENT_ADDRESS, NODE_ADDRESS, OTHER_CLIENT_ADDRESS } from './topology.js'

/** The act on what clients outside the cluster meet: node port, load balancer, policy Local, affinity. */
const NODE_PORT_URL = `http://${NODE_ADDRESS}:${SHOP.nodePort}/`
const LOAD_BALANCER_URL = `http://${SHOP.loadBalancer}/`
const CONNECTIONS = 200
const ALL = ['backend1', 'backend2', 'backend3']
const RANGES = { loadBalancerSourceRanges: [`${CLIENT_ADDRESS}/32`] }

/** How long a client waits for an answer that will not come. */
const SILENCE_SECONDS = 0.5

async function askBoth({ client }: Stage): Promise<void> {
  const atNodePort = await drive(client, NODE_PORT_URL, CONNECTIONS)
  assertAnswers(atNodePort, ALL)
  note(`${NODE_PORT_URL} is a port of the node:`)
  spread(atNodePort.answers)
  const allowed = await drive(client, LOAD_BALANCER_URL, CONNECTIONS, { source: CLIENT_ADDRESS })
  assertAnswers(allowed, ALL)
  note(`${LOAD_BALANCER_URL} is a load balancer's address: ${CLIENT_ADDRESS}, which is in its source ranges, is answered`)
}

/** Packets that no rule lets through are dropped, and those to a port that there is not are refused. */
async function askInVain({ client }: Stage): Promise<void> {
  const fails = async (url: string, expected: string, source: string): Promise<void> => {
    const { failures, answers } = await drive(client, url, 2, { source, timeoutSeconds: SILENCE_SECONDS })
    const isSo = Object.keys(answers).length === 0 && failures.every((failure) => failure.includes(expected))
    if (!isSo) throw new Error(`${source} at ${url}: ${[...Object.keys(answers), ...failures].join(', ')}; ${expected} was expected`)
    note(`${source} at ${url}: ${failures[0]!}`)
  }
  await fails(LOAD_BALANCER_URL, 'no answer', OTHER_CLIENT_ADDRESS)
  await fails(`http://${SHOP.address}:81/`, 'ECONNREFUSED', CLIENT_ADDRESS)
}

async function keepLocal({ folder, proxy, client }: Stage): Promise<void> {
  await proxy.after('synced', () => writeShop(folder, { externalTrafficPolicy: 'Local' }))
  const report = await drive(client, LOAD_BALANCER_URL, CONNECTIONS, { source: CLIENT_ADDRESS })
  assertAnswers(report, ['backend1', 'backend2'])
  if (report.seen.join() !== CLIENT_ADDRESS) throw new Error(`backends saw ${report.seen.join(', ')} instead of ${CLIENT_ADDRESS}`)
  note(`externalTrafficPolicy Local: the backends of this node answer, and see the client's address ${report.seen.join()}`)
  spread(report.answers)
}

async function keepClients({ folder, proxy, client }: Stage): Promise<void> {
  const sessionAffinityConfig = { clientIP: { timeoutSeconds: 600 } }
  await proxy.after('synced', () => writeShop(folder, { sessionAffinity: 'ClientIP', sessionAffinityConfig }))
  const first = await drive(client, LOAD_BALANCER_URL, 1, { source: CLIENT_ADDRESS })
  assertNone(first.failures)
  const report = await drive(client, LOAD_BALANCER_URL, CONNECTIONS, { source: CLIENT_ADDRESS })
  assertAnswers(report, Object.keys(first.answers))
  note(`sessionAffinity ClientIP: one backend answers this client`)
  spread(report.answers)
}

/** Opens a service to clients outside, in one way after the other. */
export async function openToOutside(stage: Stage): Promise<void> {
  const { durationMs, requests } = await stage.proxy.after('synced', () => writeShop(stage.folder, RANGES))
  note(`applied in ${durationMs?.toFixed(1)} ms, ${requests} kernel transactions`)
  await askBoth(stage)
  await askInVain(stage)
  await keepLocal(stage)
  await keepClients(stage)
}
