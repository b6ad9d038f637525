import { describe, expect, test } from 'vitest'
import { SignalError } from '../../../src/cli/errors.js'
import type { TraceHeaders, TraceStep } from '../../../src/nftables/index.js'
import { Nftables, type Family } from '../../../src/index.js'
import { FakeNftablesKernel } from '../../../src/testing.js'
import { command, fakeKernel, KeptStream, type CommandResult } from '../../support/command.js'
import { until } from '../../support/run.js'

const SERVICES = `services:
  - name: default/web:http
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints: [{ address: 10.1.0.1, port: 8080 }]
`

/** Headers of TCP over IPv4. */
function headers(source: readonly number[], from: number, destination: readonly number[], to: number): TraceHeaders {
  const network = new Uint8Array(20)
  network.set([0x45])
  network.set([6], 9)
  network.set([...source, ...destination], 12)
  return { network, transport: Uint8Array.of(from >> 8, from & 255, to >> 8, to & 255) }
}

const CLIENT = [192, 0, 2, 9]
const FRONTEND = [10, 96, 0, 1]
const ENDPOINT = [10, 1, 0, 1]
const toFrontend = headers(CLIENT, 40_000, FRONTEND, 80)
const toEndpoint = headers(CLIENT, 40_000, ENDPOINT, 8080)

const LOOPBACK = { index: 1, type: 772 }

/** The first step of a packet that this node sends. */
const sent = (begun: TraceStep): TraceStep => ({ ...begun, chain: 'output' })

type Kernel = ReturnType<typeof fakeKernel>

/** A command that traces, and the table that it has made. */
interface Running {
  readonly result: Promise<CommandResult>
  readonly table: string
  readonly stdout: KeptStream
  readonly ending: AbortController
  readonly begin: (id: number, packet?: TraceHeaders) => TraceStep
}

async function tables(kernel: Kernel): Promise<readonly { readonly name: string; readonly flags?: readonly unknown[] | undefined }[]> {
  await using nft = await Nftables.open({ kernel: kernel.nftables })
  return (await nft.listTables()).filter(({ name }) => name.startsWith('netplane-trace-'))
}

async function start(kernel: Kernel, ...args: string[]): Promise<Running> {
  const stdout = new KeptStream()
  const ending = new AbortController()
  const result = command(['trace', '10.96.0.1:80', ...args], { kernel, stdout, signal: ending.signal })
  let found: Awaited<ReturnType<typeof tables>> = []
  for (let look = 0; found.length === 0 && look < 500; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    found = await tables(kernel)
  }
  const table = found[0]!.name
  const begin = (id: number, packet = toFrontend): TraceStep => ({
    ...{ type: 'rule', id, family: 'ip', table, chain: 'prerouting', ruleHandle: 1n, verdict: { verdict: 'continue' }, mark: 0 },
    ...{ inLink: { index: 1, type: 772 }, headers: packet }
  })
  return { result, table, stdout, ending, begin }
}

function step(id: number, chain: string, more: Partial<TraceStep> = {}, family: Family = 'ip', table = 'netplane'): TraceStep {
  return { type: 'rule', id, family, table, chain, ruleHandle: 9999n, verdict: { verdict: 'continue' }, mark: 0, ...more }
}

async function served(): Promise<Kernel> {
  const kernel = fakeKernel()
  expect((await command(['apply', '-'], { kernel, stdin: SERVICES })).status).toBe(0)
  return kernel
}

describe('trace', () => {
  test('names what packets meet, and ends after as many as were asked for', async () => {
    const kernel = await served()
    const { result, begin } = await start(kernel, '--count', '1')
    await using nft = await Nftables.open({ kernel: kernel.nftables })
    const rules = await nft.listRules({ family: 'ip', table: 'netplane' })
    const handle = rules.find(({ chain }) => chain === 'nat-prerouting')!.handle
    kernel.nftables.deliverTrace([
      begin(0x1a),
      step(0x1a, 'nat-prerouting', { ruleHandle: handle, verdict: { verdict: 'jump', chain: 'dispatch' }, headers: toFrontend }),
      step(0x1a, 'filter-forward', { type: 'policy', policy: 'accept', headers: toEndpoint }),
      // Another packet comes too late.
      begin(0x1b),
      step(0x1b, 'nat-prerouting')
    ])
    const { status, stdout, stderr } = await result
    expect({ status, stderr }).toEqual({ status: 0, stderr: 'netplane: tracing; Ctrl-C ends it\n' })
    expect(stdout.split('\n')).toEqual([
      'packet 0000001a: tcp 192.0.2.9:40000 -> 10.96.0.1:80, in by lo; to a frontend of service default/web:http (mode nftables)',
      '  prerouting: ip netplane nat-prerouting rule 1: jump dispatch  (finds out whether the destination is an address of a service, or of this node)',
      '  now tcp 192.0.2.9:40000 -> 10.1.0.1:8080: an endpoint of service default/web:http',
      '  forward: ip netplane filter-forward policy: accept',
      ''
    ])
    expect(await tables(kernel)).toEqual([])
  })

  test('tells packets apart that have one id after the other', async () => {
    const kernel = await served()
    const { result, begin } = await start(kernel, '--count', '2', '-o', 'json')
    kernel.nftables.deliverTrace([begin(7), step(7, 'first'), begin(7), step(7, 'second'), step(7, 'third', { headers: toEndpoint })])
    const events = (await result).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly event: string; readonly packet: string })
    expect(events.map(({ event, packet }) => `${event} ${packet}`)).toEqual([
      'packet 00000007',
      'step 00000007',
      'packet 00000007-2',
      'step 00000007-2',
      'translated 00000007-2',
      'step 00000007-2'
    ])
  })

  test('says which packet goes on where packets take turns', async () => {
    const kernel = await served()
    const { result, begin } = await start(kernel, '--count', '2')
    kernel.nftables.deliverTrace([
      ...[begin(7), step(7, 'first'), begin(8), step(7, 'second'), step(7, 'third', { headers: toEndpoint })],
      ...[step(7, 'fourth', { type: 'return' }), step(8, 'first'), step(7, 'fifth')]
    ])
    const { stdout } = await result
    expect(
      stdout
        .trimEnd()
        .replaceAll(/(packet \w+): .*/g, '$1:')
        .replaceAll(/ip netplane (\w+) .*/g, '$1')
        .split('\n')
    ).toEqual([
      ...['packet 00000007:', '  first', 'packet 00000008:'],
      ...['packet 00000007 goes on:', '  second', '  now tcp 192.0.2.9:40000 -> 10.1.0.1:8080: an endpoint of service default/web:http'],
      ...['  third', '  fourth', 'packet 00000008 goes on:', '  first', 'packet 00000007 goes on:', '  fifth']
    ])
  })

  test('gives programs an object a line', async () => {
    const kernel = await served()
    const { result, begin } = await start(kernel, '--count', '1', '-o', 'json')
    kernel.nftables.deliverTrace([
      begin(7),
      step(7, 'lb-random-1', { verdict: { verdict: 'accept' } }),
      step(7, 'elsewhere', {}, 'inet', 'firewall')
    ])
    const { status, stdout, stderr } = await result
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect(events).toEqual([
      {
        ...{ event: 'packet', packet: '00000007', again: false, protocol: 'tcp', inLink: 'lo' },
        ...{ source: { address: '192.0.2.9', port: 40_000 }, destination: { address: '10.96.0.1', port: 80 } },
        frontends: [{ mode: 'nftables', scope: 'address', service: 'default/web:http' }]
      },
      {
        ...{
          event: 'step',
          packet: '00000007',
          type: 'rule',
          family: 'ip',
          table: 'netplane',
          chain: 'lb-random-1',
          mode: 'nftables',
          mark: 0
        },
        ...{ purpose: 'chooses an endpoint', rule: { handle: '9999' }, verdict: { verdict: 'accept' } }
      },
      {
        ...{ event: 'step', packet: '00000007', type: 'rule', family: 'inet', table: 'firewall', chain: 'elsewhere', mark: 0 },
        ...{ rule: { handle: '9999' }, verdict: { verdict: 'continue' } }
      }
    ])
  })

  test('follows a packet that comes in by loopback, and passes over those that others trace', async () => {
    const kernel = await served()
    const { result, begin } = await start(kernel, '--count', '1')
    kernel.nftables.deliverTrace([
      sent(begin(1)),
      step(1, 'filter-output', { type: 'policy', policy: 'accept', headers: toEndpoint }),
      step(3, 'nat-prerouting', { headers: headers(CLIENT, 40_000, [10, 1, 0, 9], 8080), inLink: LOOPBACK }),
      step(4, 'nat-prerouting'),
      step(5, 'nat-prerouting', { headers: toEndpoint, inLink: { index: 2, type: 1 } }),
      step(2, 'nat-prerouting', { headers: toEndpoint, inLink: LOOPBACK }),
      step(6, 'nat-prerouting', { headers: toEndpoint, inLink: LOOPBACK })
    ])
    const { stdout } = await result
    expect(stdout).toContain('packet 00000002, once more: tcp 192.0.2.9:40000 -> 10.1.0.1:8080, in by lo\n')
    expect(stdout).not.toMatch(/packet 0000000[3456]/)
  })

  test('follows a packet that comes in by loopback with another source', async () => {
    const kernel = await served()
    const { result, begin } = await start(kernel, '--count', '1')
    kernel.nftables.deliverTrace([
      sent(begin(1)),
      step(1, 'filter-output', { headers: toEndpoint }),
      step(2, 'nat-prerouting', { headers: headers([10, 0, 0, 1], 999, ENDPOINT, 8080), inLink: LOOPBACK })
    ])
    expect((await result).stdout).toContain('packet 00000002, once more: tcp 10.0.0.1:999 -> 10.1.0.1:8080, in by lo\n')
  })

  test.each([
    ['that this node forwards', false],
    ['that this node sends to itself', true]
  ])('tells no step of further packets %s, and does not wait for their end', async (_, isSent) => {
    const kernel = await served()
    const { result, begin } = await start(kernel, '--count', '1')
    const over = new AbortController()
    void result.then(() => over.abort())
    for (let port = 40_000; !over.signal.aborted && port < 40_060; port += 1) {
      // Ids come again, those of the first packet, too.
      const [out, back] = isSent ? [port % 2, 2 + (port % 2)] : [port % 3, port % 3]
      const [before, after] = [headers(CLIENT, port, FRONTEND, 80), headers(CLIENT, port, ENDPOINT, 8080)]
      const begun = begin(out, before)
      kernel.nftables.deliverTrace([
        isSent ? sent(begun) : begun,
        step(out, 'nat-prerouting', { headers: before }),
        step(out, 'filter-forward', { headers: after }),
        ...(isSent ? [step(back, 'filter-input', { headers: after, inLink: LOOPBACK })] : [])
      ])
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(over.signal.aborted).toBe(true)
    const { stdout } = await result
    expect(stdout.match(/^packet /gm)).toHaveLength(isSent ? 2 : 1)
    expect(stdout).not.toMatch(/:4000[1-9]/)
  })

  test('says where steps are missing', async () => {
    const kernel = fakeKernel()
    const { result, begin } = await start(kernel, '--count', '1')
    kernel.nftables.deliverTrace([begin(1)])
    kernel.nftables.loseEvents()
    const { stdout } = await result
    expect(stdout).toContain('its destination is no frontend of a plane\nSteps are missing here')
  })

  test.each([
    ['SIGINT', 0, 'netplane: tracing; Ctrl-C ends it\n'],
    ['SIGTERM', 143, 'netplane: tracing; Ctrl-C ends it\nnetplane: ended by SIGTERM\n']
  ] as const)('ends by %s, and leaves no table', async (name, status, stderr) => {
    const kernel = fakeKernel()
    const { result, ending } = await start(kernel)
    ending.abort(new SignalError(name))
    expect(await result).toMatchObject({ status, stderr })
    expect(await tables(kernel)).toEqual([])
  })

  test('has status 1 where too few packets came in time', async () => {
    const kernel = fakeKernel()
    expect(await command(['trace', '10.96.0.1:80', '--timeout', '0.1'], { kernel })).toMatchObject({ status: 1, stdout: '' })
    const { result, begin } = await start(kernel, '--timeout', '0.5', '--count', '2')
    kernel.nftables.deliverTrace([begin(1)])
    expect((await result).status).toBe(1)
    expect(await tables(kernel)).toEqual([])
  })

  test('gives its table an owner, where the kernel has owners', async () => {
    const kernel = fakeKernel()
    const first = await start(kernel)
    expect(await tables(kernel)).toMatchObject([{ flags: ['owner'] }])
    first.ending.abort(new SignalError('SIGINT'))
    await first.result
    kernel.nftables.fail('commit', { at: 1, code: 'EINVAL' })
    const second = await start(kernel)
    expect((await tables(kernel))[0]!.flags ?? []).toEqual([])
    second.ending.abort(new SignalError('SIGINT'))
    await second.result
    expect(await tables(kernel)).toEqual([])
  })

  test('ends with 0 when its reader goes away, and leaves no table', async () => {
    const kernel = fakeKernel()
    const { result, stdout, begin } = await start(kernel, '--count', '1')
    stdout.fault = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
    kernel.nftables.deliverTrace([begin(1)])
    expect((await result).status).toBe(0)
    await until('the table is gone', async () => (await tables(kernel)).length === 0)
  })

  test('says that it lacks a capability', async () => {
    const kernel = fakeKernel({ nftables: new FakeNftablesKernel({ privileged: false }) })
    expect(await command(['trace', '10.96.0.1:80'], { kernel })).toMatchObject({ status: 4, stdout: '' })
  })

  test.each([
    [['trace', '10.96.0.1'], 'It must be ADDRESS:PORT'],
    [['trace', '10.96.0.1:0'], 'the port is 0; allowed: an integer from 1 to 65535'],
    [['trace', 'nowhere:80'], 'nowhere'],
    [['trace', '10.96.0.1:80', '--from', 'fd00::1'], 'fd00::1'],
    [['trace', '10.96.0.1:80', '--count', '0'], 'It must be a whole number above 0.'],
    [['trace', '10.96.0.1:80', '--timeout', 'long'], 'It must be a number of seconds']
  ])('refuses %j before anything is opened', async (args, message) => {
    const { status, stderr } = await command(args, { kernel: undefined })
    expect(status).toBe(2)
    expect(stderr).toContain(message)
  })
})
