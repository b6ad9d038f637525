import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Nftables } from 'netplane'
import { printPlan, ProxyProcess, type Stage } from './daemon.js'
import { SERVICE_ADDRESS, writeCrowd, writeService, type Backend } from './manifests.js'
import { assertNone, drive } from './driving.js'
import { openToOutside } from './outside.js'
import { fillShop } from './shop.js'
import { stayOpen } from './stay.js'
import { dim, heading, note, spread } from './terminal.js'
import { backendAddress, buildNetwork, startIn } from './topology.js'

const BACKENDS = 4
const URL_OF_SERVICE = `http://${SERVICE_ADDRESS}/`
const CROWD = { services: 10_000, endpoints: 10 }

/** Shows the plan of a change without making it: a copy of the folder is changed instead. */
function showPlan(folder: string, change: (folder: string) => void): void {
  const copy = mkdtempSync(join(tmpdir(), 'netplane-plan-'))
  cpSync(folder, copy, { recursive: true })
  change(copy)
  dim(`plan:\n${printPlan(copy)}`)
  rmSync(copy, { recursive: true })
}

async function changeAndDrive({ folder, proxy, client }: Stage, backends: readonly Backend[]): Promise<void> {
  showPlan(folder, (copy) => writeService(copy, backends))
  const { durationMs, requests } = await proxy.after('synced', () => writeService(folder, backends))
  note(`applied in ${durationMs?.toFixed(1)} ms, ${requests} kernel transactions`)
  const { answers, failures } = await drive(client, URL_OF_SERVICE, 400)
  spread(answers)
  assertNone(failures)
}

async function removeUnderLoad({ folder, proxy, client }: Stage): Promise<void> {
  const rest = [{ number: 1 }, { number: 2 }, { number: 3 }]
  showPlan(folder, (copy) => writeService(copy, rest))
  const load = drive(client, URL_OF_SERVICE, 4000)
  await setTimeout(300)
  const { durationMs } = await proxy.after('synced', () => writeService(folder, rest))
  const { answers, failures } = await load
  spread(answers)
  note(`removed in ${durationMs?.toFixed(1)} ms while 4000 connections were made; failed: ${failures.length}`)
  assertNone(failures)
}

async function addCrowd({ folder, proxy, client }: Stage): Promise<void> {
  const { durationMs, objects, requests } = await proxy.after('synced', () => writeCrowd(folder, CROWD.services, CROWD.endpoints))
  note(`${objects?.written} elements in ${durationMs?.toFixed(0)} ms, ${requests} kernel transactions`)
  const { answers, failures } = await drive(client, URL_OF_SERVICE, 400)
  spread(answers)
  assertNone(failures)
}

/** What an administrator's `nft delete table ip netplane` does, which needs no program here. */
async function deleteTable(): Promise<void> {
  await using nft = await Nftables.open()
  const tx = nft.transaction()
  tx.delete.table({ family: 'ip', name: 'netplane' })
  await tx.commit()
}

async function destroyAndRepair({ proxy, client }: Stage): Promise<void> {
  const drift = proxy.after('drift', () => undefined)
  const repaired = proxy.after('repaired', () => undefined)
  await deleteTable()
  dim(`drift: ${(await drift).differences?.join(', ')}`)
  const { durationMs, objects } = await repaired
  note(`${objects?.written} elements were back ${durationMs?.toFixed(0)} ms after it was noticed`)
  const { answers, failures } = await drive(client, URL_OF_SERVICE, 400)
  spread(answers)
  assertNone(failures)
}

async function assertClean(): Promise<void> {
  await using nft = await Nftables.open()
  const left = await nft.listTables()
  if (left.length > 0) throw new Error(`tables are left: ${left.map(({ family, name }) => `${family} ${name}`).join(', ')}`)
  note('no table is left')
}

/** @param socket Where those outside come to the page; given, the shop stays open instead of what comes after it. */
async function play(stage: Stage, socket: string | undefined): Promise<void> {
  const three = [{ number: 1 }, { number: 2 }, { number: 3 }]
  await stage.proxy.waitFor('synced', 0)
  heading('1. A service and three backends')
  const { answers, failures } = await drive(stage.client, URL_OF_SERVICE, 400)
  spread(answers)
  assertNone(failures)
  heading('2. Scale up to four')
  await changeAndDrive(stage, [...three, { number: 4 }])
  heading('3. Backend 1 takes four times as much')
  await changeAndDrive(stage, [
    { number: 1, weight: 4 },
    { number: 2, weight: 1 },
    { number: 3, weight: 1 },
    { number: 4, weight: 1 }
  ])
  heading('4. Remove backend 4 under load')
  await removeUnderLoad(stage)
  heading('5. Open a service to clients outside')
  await openToOutside(stage)
  heading('6. A whole shop: web and shop, and an api, a cache and dns that they need')
  await fillShop(stage)
  if (socket !== undefined) return await stayOpen(stage, socket)
  heading(`7. Add ${CROWD.services} services with ${CROWD.endpoints} endpoints each`)
  await addCrowd(stage)
  heading('8. Another process deletes the table')
  await destroyAndRepair(stage)
}

async function main(): Promise<void> {
  const startedAt = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'netplane-demo-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  heading('Building a node, a client and four backends')
  buildNetwork(BACKENDS)
  const servers = await Promise.all(
    Array.from({ length: BACKENDS }, (_, index) => startIn(`backend${index + 1}`, 'demo-backend', `backend${index + 1}`, '8080'))
  )
  const client = await startIn('client', 'demo-client')
  note(
    `${servers.length} HTTP servers: ${servers.map((_, index) => `${backendAddress(index + 1)}:8080`).join(', ')}; the service: ${SERVICE_ADDRESS}:80`
  )
  writeService(folder, [{ number: 1 }, { number: 2 }, { number: 3 }])
  const proxy = new ProxyProcess(folder)
  await play({ folder, proxy, client }, process.argv[2])
  heading('9. Stop')
  const code = await proxy.stop()
  if (code !== 0) throw new Error(`the proxy ended with status ${code}`)
  await assertClean()
  heading(`Done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
  for (const child of [...servers, client]) child.disconnect()
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  }
)
