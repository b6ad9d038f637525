import { HTTP, type Stage } from './daemon.js'
import { assertAnswers, assertNone, drive } from './driving.js'
import { INSIDE, writeInside } from './manifests.js'
import { bar, dim, note, spread } from './terminal.js'

/** The act on a whole shop: beside the service that clients outside reach, those that it needs itself. They are scaled while they are asked. */
const API_URL = `http://${INSIDE.api}/`
const CACHE_URL = `http://${INSIDE.cache}/`
const DNS_URL = `udp://${INSIDE.dns}:53`
const CONNECTIONS = 200
const UNDER_LOAD = 3000
const FIRST = { api: [1, 2], cache: [1, 2, 3], dns: [2, 3] }
const SCALED = { api: [1, 2, 3, 4], cache: [1, 2, 3], dns: [1, 2, 3] }

const named = (numbers: readonly number[]): string[] => numbers.map((number) => `backend${number}`)

async function askEach({ client }: Stage): Promise<void> {
  const api = await drive(client, API_URL, CONNECTIONS)
  assertAnswers(api, named(FIRST.api))
  note(`api, ${API_URL}:`)
  spread(api.answers)
  const cache = await drive(client, CACHE_URL, CONNECTIONS)
  assertNone(cache.failures)
  if (Object.keys(cache.answers).length !== 1) throw new Error(`a client of the cache met ${Object.keys(cache.answers).join(', ')}`)
  note(`cache, ${CACHE_URL}, whose clients stay where they are:`)
  spread(cache.answers)
  const dns = await drive(client, DNS_URL, CONNECTIONS)
  assertAnswers(dns, named(FIRST.dns))
  note(`dns, ${DNS_URL}, a datagram from a new port each:`)
  spread(dns.answers)
}

async function scaleUnderLoad({ folder, proxy, client }: Stage): Promise<void> {
  const load = drive(client, API_URL, UNDER_LOAD)
  const { durationMs } = await proxy.after('synced', () => writeInside(folder, SCALED))
  const { failures } = await load
  assertNone(failures)
  note(
    `api scaled from two backends to four, and dns from two to three, in ${durationMs?.toFixed(1)} ms, while ${UNDER_LOAD} connections were made; failed: 0`
  )
  const api = await drive(client, API_URL, CONNECTIONS)
  assertAnswers(api, named(SCALED.api))
  spread(api.answers)
  assertAnswers(await drive(client, DNS_URL, CONNECTIONS), named(SCALED.dns))
}

/** Lines of `/metrics` that say something of the shop. */
const TOLD =
  /^(netplane_service_connections_total|netplane_services|kubeproxy_sync_proxy_rules_duration_seconds_count|netplane_drift_repaired_total)\b/

/** The connections that were made to the services of this act; each datagram comes from a port of its own, and is a connection, too. */
const MADE = { 'api:http': UNDER_LOAD + 2 * CONNECTIONS, 'cache:http': CONNECTIONS, 'dns:dns': 2 * CONNECTIONS }

async function showMetrics(): Promise<void> {
  const text = await (await fetch(`http://${HTTP}/metrics`)).text()
  const lines = text.split('\n').filter((line) => TOLD.test(line))
  for (const [service, made] of Object.entries(MADE)) {
    const line = lines.find((line) => line.includes(`service="default/${service}"`))
    if (line?.endsWith(` ${made}`) !== true) throw new Error(`${made} connections were made to ${service}, and /metrics says: ${line}`)
  }
  note(`http://${HTTP}/metrics, some lines:`)
  dim(lines.join('\n'))
}

/** What the page asks for. */
interface Rows {
  readonly rows: readonly {
    readonly name: string
    readonly frontends: readonly string[]
    readonly connections?: number
    readonly endpoints: readonly { readonly address: string; readonly connections?: number }[]
  }[]
}

async function showPage(): Promise<void> {
  const page = await fetch(`http://${HTTP}/ui`)
  if (!page.ok) throw new Error(`/ui: ${page.status}`)
  const { rows } = (await (await fetch(`http://${HTTP}/ui/services?from=0&count=50`)).json()) as Rows
  if (rows.length !== 5) throw new Error(`/ui has ${rows.length} services, and should have 5`)
  note(`http://${HTTP}/ui is a page; what it shows now, with where connections went:`)
  for (const { name, frontends, connections = 0, endpoints } of rows) {
    note(`${name}  ${frontends.join(', ')}`)
    for (const { address, connections: own = 0 } of endpoints)
      dim(`  ${address.padEnd(18)} ${String(own).padStart(6)}  ${bar(own / Math.max(1, connections))}`)
  }
}

/** Fills the shop, scales it, and shows what the proxy tells of it. */
export async function fillShop(stage: Stage): Promise<void> {
  const { durationMs, requests } = await stage.proxy.after('synced', () => writeInside(stage.folder, FIRST))
  note(`applied in ${durationMs?.toFixed(1)} ms, ${requests} kernel transactions`)
  await askEach(stage)
  await scaleUnderLoad(stage)
  await showMetrics()
  await showPage()
}
