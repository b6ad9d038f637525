import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { patience } from '../../support/lab.js'
import type { Protocol } from '../../../src/core/protocols.js'

/** What came of one probe. */
export type Event =
  /** The server's name and the client's address as it saw it, and the address from which the client asked. */
  | readonly [kind: 'answer', text: string, own: string]
  /** Type and code of the ICMP or ICMPv6 error, and who sent it. */
  | readonly [kind: 'icmp', type: number, code: number, sender: string]
  | readonly [kind: 'reset' | 'silence']
  /** A system call failed in a way that is none of these. */
  | readonly [kind: 'error', name: string]

/** Probes one after the other; `agent.py` says when they end. */
export interface Question {
  readonly id: string
  /** The client's namespace. */
  readonly netns: string
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
  /** From where, in turn. */
  readonly sources: readonly string[]
  readonly least: number
  readonly most: number
  /** Servers after whose answers no more probes are needed. */
  readonly want: readonly string[]
  /** How long to wait before the sources begin again. */
  readonly pauseMs: number
}

/** The process with all sockets. */
export interface Agent {
  serve(servers: readonly { readonly netns: string; readonly name: string; readonly ports: readonly number[] }[]): Promise<void>
  /** @param quietMs How long nothing must happen until what is not answered counts as silence. */
  ask(questions: readonly Question[], quietMs?: number): Promise<ReadonlyMap<string, readonly Event[]>>
  close(): Promise<void>
}

const PROGRAM = fileURLToPath(new URL('agent.py', import.meta.url))
const QUIET_MS = 300 * patience

/** Starts it. */
export function openAgent(): Agent {
  const child = spawn('python3', [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const request = async (command: object): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(command)}\n`)
    const line: IteratorResult<string, unknown> = await lines.next()
    if (line.done) throw new Error('agent.py ended without an answer')
    return JSON.parse(line.value) as unknown
  }
  // Its end is what the pending request reports.
  child.stdin.on('error', () => undefined)
  return {
    serve: async (servers) => {
      await request({ serve: servers })
    },
    ask: async (questions, quietMs = QUIET_MS) =>
      new Map(Object.entries((await request({ ask: questions, quietMs })) as Record<string, readonly Event[]>)),
    close: async () => {
      child.stdin.end()
      await ended
    }
  }
}
