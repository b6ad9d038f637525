/**
 * Traffic that never stops. Its programs print what failed and little else: what they print is kept in the process whose memory is looked at.
 */
import { ASK } from '../support/asking.js'
import type { TestNamespace } from '../support/namespace.js'
import type { Background } from '../support/run.js'
import type { ServiceNetwork } from '../support/service-network.js'

/** Asks one time after the other. */
const CUSTOMER = `${ASK}
now = lambda: int(time.time() * 1000)
count = 0
while not stop:
    began = now()
    try:
        if not ask(): raise OSError('nothing')
        count += 1
    except OSError as e: print('failure', began, now(), type(e).__name__, protocol, address, port, *sys.argv[4:], flush=True)
    if count == 1: print('served', flush=True)
    time.sleep(0.02)
print('count', count, flush=True)
`

/** Keeps connections and asks over each of them five times a second; each must be answered within ten seconds, by who has answered before. */
const KEEPER = `
import signal, socket, sys, time
address, number = sys.argv[1], int(sys.argv[2])
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
connections = [socket.create_connection((address, 81), 10) for _ in range(number)]
for c in connections: c.settimeout(10)
def ask(c):
    c.sendall(b'x')
    return c.recv(64)
names = [ask(c) for c in connections]
print('served', flush=True)
count = 0
while not stop and connections:
    for c, name in list(zip(connections, names)):
        try: problem = None if ask(c) == name else 'another answer'
        except OSError as e: problem = type(e).__name__
        count += 1
        if problem is None: continue
        print('lost', int(time.time() * 1000), problem, c.getsockname(), name.decode().strip(), flush=True)
        names.pop(connections.index(c)); connections.remove(c)
    time.sleep(0.2)
print('count', count, flush=True)
`

/** A new connection that failed: when it was tried, in milliseconds since 1970, and how and to whom. */
export interface Failure {
  readonly from: number
  readonly to: number
  readonly what: string
}

/** What became of the traffic. */
export interface TrafficReport {
  readonly connections: number
  readonly failures: readonly Failure[]
  readonly answers: number
  readonly lost: readonly string[]
}

const countOf = (output: string): number => Number(/^count (\d+)$/m.exec(output)?.[1])

/** Ends a program, which may wait for an answer, and gives what it has printed. */
async function ended(program: Background): Promise<string> {
  await program.stop()
  const output = program.output()
  if (!/^count \d+$/m.test(output)) throw new Error(`the program failed:\n${output.slice(-2000)}`)
  return output
}

/** Clients at work. */
export class Traffic {
  readonly #customers: Background[] = []
  readonly #keepers: Background[] = []

  /** Opens new connections all the time. */
  async open(from: TestNamespace, protocol: 'tcp' | 'udp', address: string, port: number): Promise<void> {
    const program = from.background('python3', ['-c', CUSTOMER, protocol, address, String(port), `from ${from.name}`])
    this.#customers.push(program)
    await program.waitFor('served')
  }

  /** Keeps some connections to the end. */
  async keep(from: TestNamespace, address: string, connections: number): Promise<void> {
    const program = from.background('python3', ['-c', KEEPER, address, String(connections)])
    this.#keepers.push(program)
    await program.waitFor('served')
  }

  async end(): Promise<TrafficReport> {
    const [customers, keepers] = await Promise.all([this.#customers, this.#keepers].map((programs) => Promise.all(programs.map(ended))))
    const failures = [...customers!.join('').matchAll(/^failure (\d+) (\d+) (.*)$/gm)]
    const total = (outputs: readonly string[]): number => outputs.map(countOf).reduce((sum, each) => sum + each, 0)
    return {
      connections: total(customers!),
      failures: failures.map(([, from, to, what]) => ({ from: Number(from), to: Number(to), what: what! })),
      answers: total(keepers!),
      lost: [...keepers!.join('').matchAll(/^lost (.*)$/gm)].map(([, problem]) => problem!)
    }
  }
}

/** Where the services are that the traffic of a soak goes to. */
export interface Addresses {
  /** Of TCP at port 80, and of UDP at port 53. */
  readonly web: { readonly ip: string; readonly ip6: string }
  /** The node port of the one at port 80. */
  readonly nodePort: number
  /** Of connections that are kept. */
  readonly talk: string
}

/** Starts it: from the client and from the node, over both families. */
export async function startTraffic({ client, node }: ServiceNetwork, { web, nodePort, talk }: Addresses): Promise<Traffic> {
  const started = new Traffic()
  await started.keep(client, talk, 20)
  await started.keep(node, talk, 5)
  await started.open(client, 'tcp', web.ip, 80)
  await started.open(client, 'tcp', web.ip6, 80)
  await started.open(client, 'tcp', '10.1.0.1', nodePort)
  await started.open(client, 'udp', web.ip, 53)
  await started.open(node, 'tcp', web.ip, 80)
  return started
}
