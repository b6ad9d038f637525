import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { output } from './process.js'
import type { Place } from './row.js'

/** What a client does: sends so many bytes over one connection and reads them again, or makes so many connections, or makes and keeps them. */
export type RelayLoad = 'echo' | 'connections' | 'hold'

/** Where somebody listens. */
export interface RelayServer {
  readonly address: string
  readonly port: number
}

/** What a process of these rows is, its only argument, as JSON. */
export type RelayRole =
  | { readonly type: 'server'; readonly address: string }
  | { readonly type: 'relay'; readonly root: string; readonly port: number; readonly endpoint: RelayServer }
  | { readonly type: 'client'; readonly load: RelayLoad; readonly server: RelayServer; readonly amount: number }

/** A load on a server by a relay, or without one. */
export interface RelayRun {
  /** What the client found: milliseconds, microseconds of a connection, connections. */
  readonly result: number
  /** Resident size of the process that relays once the client has ended its work; 0 where nobody relays. */
  readonly residentBytes: number
}

/** Where the server listens: an address of the loopback device that is none of 127.0.0.0/8, as endpoints may not be. */
const SERVER = '10.200.0.1'
/** The port of this node at which the relay serves. */
const NODE_PORT = 30_080

/** A process that says values in lines. */
interface Process {
  readonly next: () => Promise<unknown>
  readonly ask: () => Promise<unknown>
  readonly end: () => Promise<void>
}

function start(program: string, place: Place, role: RelayRole): Process {
  const arguments_ = [`--net=${place.path}`, process.execPath, program, JSON.stringify(role)]
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn('nsenter', arguments_, { stdio: ['pipe', 'pipe', 'inherit'] })
  // EPIPE: it has ended, which its status says.
  child.stdin.on('error', () => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<unknown> => {
    const line = await lines.next()
    if (line.done === true) throw new Error(`the ${role.type} ended without an answer`)
    return JSON.parse(line.value) as unknown
  }
  return {
    next,
    ask: () => {
      child.stdin.write('\n')
      return next()
    },
    end: async () => {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    }
  }
}

/** Runs a load once. @param isRelayed Whether a plane of mode `userspace` stands between client and server. */
export async function runRelayLoad(
  { root, program }: { readonly root: string; readonly program: string },
  place: Place,
  { load, amount, isRelayed }: { readonly load: RelayLoad; readonly amount: number; readonly isRelayed: boolean }
): Promise<RelayRun> {
  const running: Process[] = []
  const begin = (role: RelayRole): Process => {
    const process = start(program, place, role)
    running.push(process)
    return process
  }
  try {
    await output('ip', ['-n', place.name, 'address', 'add', `${SERVER}/32`, 'dev', 'lo'])
    const endpoint = { address: SERVER, port: (await begin({ type: 'server', address: SERVER }).next()) as number }
    const relay = isRelayed ? begin({ type: 'relay', root, port: NODE_PORT, endpoint }) : undefined
    await relay?.next()
    const result = (await begin({
      type: 'client',
      load,
      server: isRelayed ? { address: '127.0.0.1', port: NODE_PORT } : endpoint,
      amount
    }).next()) as number
    const { residentBytes } = ((await relay?.ask()) ?? { residentBytes: 0 }) as { readonly residentBytes: number }
    return { result, residentBytes }
  } finally {
    for (const process of running.reverse()) await process.end()
  }
}
