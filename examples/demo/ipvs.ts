import type { ChildProcess } from 'node:child_process'
import { Ipvs, Route, TransactionError, UnsupportedError, type DesiredService, type DrainEvent } from 'netplane'
import { assertNone, drive } from './driving.js'
import { SERVICE_ADDRESS } from './manifests.js'
import { dim, heading, note, spread } from './terminal.js'
import { backendAddress, buildNetwork, startIn } from './topology.js'

/**
 * Virtual services: the act for kernels that have ip_vs, the machine's own or one of the lab. Usage: demo-ipvs [PATIENCE]: how much longer than
 * elsewhere programs take here. play.mjs reads this exit status.
 */
const NO_IPVS = 3
const PATIENCE = Number(process.argv[2] ?? 1)
const PATIENTLY = { timeoutSeconds: 2 * PATIENCE }
const BACKENDS = 3
const CROWD = { services: 1000, realServers: 10 }
const DRAIN_SECONDS = 2 * PATIENCE
const url = `http://${SERVICE_ADDRESS}/`

function web(backends: readonly number[], scheduler = 'rr'): DesiredService {
  const realServers = backends.map((number) => ({ address: backendAddress(number), port: 8080 }))
  return { protocol: 'tcp', address: SERVICE_ADDRESS, port: 80, scheduler, realServers, draining: { deadlineSeconds: DRAIN_SECONDS } }
}

function crowd(scheduler: (index: number) => string): DesiredService[] {
  const quad = (first: number, index: number): string => `10.${first + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`
  return Array.from({ length: CROWD.services }, (_, index) => ({
    protocol: 'tcp',
    address: quad(100, index),
    port: 80,
    scheduler: scheduler(index),
    realServers: Array.from({ length: CROWD.realServers }, (__, at) => ({
      address: quad(200, index * CROWD.realServers + at),
      port: 8080
    }))
  }))
}

/** What the acts share. */
interface Stage {
  readonly ipvs: Ipvs
  readonly client: ChildProcess
}

async function balance({ ipvs, client }: Stage): Promise<void> {
  const desired = [web([1, 2, 3])]
  dim(`plan:\n${String(await ipvs.plan(desired))}`)
  const { durationMs } = await ipvs.sync(desired)
  note(`applied in ${durationMs.toFixed(1)} ms`)
  const { answers, failures } = await drive(client, url, 300, PATIENTLY)
  spread(answers)
  assertNone(failures)
}

/** The next event of a kind. */
async function next<Type extends DrainEvent['type']>(events: AsyncIterable<DrainEvent>, type: Type): Promise<DrainEvent & { type: Type }> {
  for await (const event of events) if (event.type === type) return event as DrainEvent & { type: Type }
  throw new Error(`draining ended without '${type}'`)
}

async function drain({ ipvs, client }: Stage): Promise<void> {
  const { answers: kept } = await drive(client, url, 'kept', PATIENTLY)
  const [name = ''] = Object.keys(kept)
  note(`a connection is kept open; ${name} answers on it`)
  const rest = [1, 2, 3].filter((number) => `backend${number}` !== name)
  dim(`plan:\n${String(await ipvs.plan([web(rest)]))}`)
  const removed = next(ipvs.startDrainer({ intervalMs: 50 }), 'removed')
  await ipvs.sync([web(rest)])
  // First, as the deadline is near; the others do not depend on it.
  const still = await drive(client, url, 'kept', PATIENTLY)
  const others = await drive(client, url, 200, PATIENTLY)
  spread(others.answers)
  assertNone([...others.failures, ...still.failures])
  if (Object.keys(others.answers).includes(name)) throw new Error(`${name} got new connections`)
  note(`new connections go elsewhere; on the old one ${Object.keys(still.answers).join()} still answers`)
  const { reason, connections } = (await removed).server
  const when = reason === 'deadline' ? `at its deadline of ${DRAIN_SECONDS} s` : reason
  note(`${name} went ${when}: the kernel still counted ${connections} connections, closed ones included`)
}

/** A great change with one mistake in it, then without. */
async function rollBack({ ipvs }: Stage): Promise<void> {
  const kept = web([1, 2])
  const before = await ipvs.list()
  const refused = await ipvs
    .sync([kept, ...crowd((index) => (index === CROWD.services - 1 ? 'fastest' : 'rr'))], { onError: 'atomic' })
    .then(
      () => undefined,
      (error: unknown) => error
    )
  if (!(refused instanceof TransactionError)) throw new Error('an unknown scheduler was not refused')
  dim(refused.message)
  const after = await ipvs.list()
  if (after.length !== before.length) throw new Error(`${after.length} services are left of what was undone`)
  note(`${refused.undone.length} operations were undone: the kernel is as it was`)
  const { services, realServers, durationMs, systemCalls } = await ipvs.sync([kept, ...crowd(() => 'rr')])
  note(
    `without the mistake: ${services.added} services and ${realServers.added} real servers in ${durationMs.toFixed(0)} ms, ${systemCalls} system calls`
  )
  if (!(await ipvs.plan([kept, ...crowd(() => 'rr')])).isEmpty) throw new Error('a second plan is not empty')
}

async function main(): Promise<void> {
  await using ipvs = await Ipvs.open()
  heading(`IPVS: building a node, a client and ${BACKENDS} backends`)
  buildNetwork(BACKENDS)
  await using route = await Route.open()
  await route.addAddresses('lo', [`${SERVICE_ADDRESS}/32`])
  const names = Array.from({ length: BACKENDS }, (_, index) => `backend${index + 1}`)
  const servers = await Promise.all(names.map((name) => startIn(name, 'demo-backend', name, '8080')))
  const client = await startIn('client', 'demo-client')
  const stage = { ipvs, client }
  heading('9. A virtual service')
  await balance(stage)
  heading('10. A real server drains')
  await drain(stage)
  heading(`11. Add ${CROWD.services} virtual services with ${CROWD.realServers} real servers each, all or nothing`)
  await rollBack(stage)
  for (const child of [...servers, client]) child.disconnect()
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    if (error instanceof UnsupportedError) process.exit(NO_IPVS)
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  }
)
