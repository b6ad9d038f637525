import { describe, expect, onTestFinished, test } from 'vitest'
import { planDrain, parseEndpoint } from '../../../src/cli/drain/endpoints.js'
import { SignalError } from '../../../src/cli/errors.js'
import type { Service } from '../../../src/index.js'
import { Conntrack } from '../../../src/index.js'
import { FakeNftablesKernel } from '../../../src/testing.js'
import { command, fakeKernel, KeptStream } from '../../support/command.js'
import { until } from '../../support/run.js'

const SERVICES = `services:
  - name: default/web:http
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints:
      - { address: 10.1.0.1, port: 8080 }
      - { address: 10.1.0.2, port: 8080 }
  - name: default/dns
    protocol: udp
    frontends: [{ kind: cluster, address: 10.96.0.2, port: 53 }]
    endpoints:
      - { address: 10.1.0.1, port: 53 }
`

type Kernel = ReturnType<typeof fakeKernel>

interface FlowOptions {
  readonly endpoint?: string
  readonly port?: number
  readonly state?: 'established' | 'time-wait'
  readonly to?: string
}

/** Adds the flow of a client; `to` is what it asked for. */
async function connect(kernel: Kernel, clientPort: number, options: FlowOptions = {}): Promise<Conntrack> {
  const { endpoint = '10.1.0.1', port = 8080, state = 'established', to = '10.96.0.1' } = options
  const conntrack = await Conntrack.open({ kernel: kernel.conntrack })
  onTestFinished(() => conntrack.close())
  const isTranslated = to !== endpoint
  await conntrack.add({
    ...{ protocol: 'tcp', timeoutSeconds: 1000, state },
    original: { source: '192.0.2.9', destination: to, sourcePort: clientPort, destinationPort: isTranslated ? 80 : port },
    ...(isTranslated ? { destinationNat: { first: endpoint, firstPort: port } } : {})
  })
  return conntrack
}

describe('drain', () => {
  test('says before what else it changes', async () => {
    const kernel = fakeKernel()
    await command(['apply', '-'], { kernel, stdin: SERVICES.replace('10.96.0.2', '10.96.0.3') })
    const args = ['drain', '-', '10.1.0.1:8080', '-o']
    const told = await command([...args, 'text'], { kernel, stdin: SERVICES })
    const [first, ...others] = told.stdout.split('10.1.0.1:8080 of service default/web:http drains.\n')
    expect(first).toContain('    - endpoint 10.1.0.1:8080\n')
    expect(first).toContain('    - frontend udp 10.96.0.3:53\n')
    expect(others).toHaveLength(1)
    const { plan } = JSON.parse((await command([...args, 'json'], { kernel, stdin: SERVICES })).stdout) as { readonly plan: unknown }
    expect(plan).toMatchObject({ entries: [], isEmpty: true })
  })

  test('takes an endpoint out, and waits until its connections are over', async () => {
    const kernel = fakeKernel()
    const conntrack = await connect(kernel, 40_000)
    await connect(kernel, 40_001)
    // None of these is waited for: another endpoint's, one that is over, and one that no service made.
    await connect(kernel, 40_002, { endpoint: '10.1.0.2' })
    await connect(kernel, 40_003, { state: 'time-wait' })
    await connect(kernel, 40_004, { to: '10.1.0.1' })
    const stdout = new KeptStream()
    const running = command(['drain', '-', '10.1.0.1:8080', '--timeout', '30'], { kernel, stdin: SERVICES, stdout })
    await until('both are counted', () => stdout.text.includes('2 connections left, for at most 30 s.'))
    const shown = await command(['show', '--mode', 'nftables'], { kernel })
    expect(shown.stdout).toContain('10.1.0.2:8080')
    expect(shown.stdout).not.toContain('10.1.0.1:8080')
    await conntrack.removeWhere({ originalSourcePort: 40_001 })
    await until('one is left', () => stdout.text.includes('1 connection left, for at most '))
    await conntrack.removeWhere({ originalSourcePort: 40_000 })
    const { status, stdout: text, stderr } = await running
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(text).toContain('\n10.1.0.1:8080 of service default/web:http drains.\n')
    expect(text).toMatch(/\nNo connections are left after \d+ s\. The endpoints stay as they are until the next apply\.\n$/)
  })

  test('has status 1 where connections are left in the end, and says it to programs', async () => {
    const kernel = fakeKernel()
    await connect(kernel, 40_000)
    const { status, stdout } = await command(['drain', '-', '10.1.0.1', '--timeout', '0.1', '-o', 'json'], { kernel, stdin: SERVICES })
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ mode: 'nftables', connections: 1, unserved: ['default/dns'] },
      endpoints: [
        { service: 'default/web:http', protocol: 'tcp', address: '10.1.0.1', port: 8080 },
        { service: 'default/dns', protocol: 'udp', address: '10.1.0.1', port: 53 }
      ]
    })
  })

  test('says in text how many connections go on', async () => {
    const kernel = fakeKernel()
    await connect(kernel, 40_000)
    const { stdout } = await command(['drain', '-', '10.1.0.1:8080', '--timeout', '0.1'], { kernel, stdin: SERVICES })
    expect(stdout).toContain('After 0 s there is 1 connection left, which goes on.')
  })

  test('counts in mode ipvs what IPVS counts', async () => {
    const kernel = fakeKernel()
    await command(['apply', '-', '--mode', 'ipvs'], { kernel, stdin: SERVICES })
    const [virtual, server] = [
      { protocol: 'tcp', address: '10.96.0.1', port: 80 },
      { address: '10.1.0.1', port: 8080 }
    ] as const
    // The inactive one is none that IPVS lists: it has ended.
    kernel.ipvs.setConnections(virtual, server, { active: 2, inactive: 1 })
    const stdout = new KeptStream()
    const running = command(['drain', '-', '10.1.0.1:8080', '--mode', 'ipvs'], { kernel, stdin: SERVICES, stdout })
    await until('they are counted', () => stdout.text.includes('2 connections left, for at most 900 s.'))
    kernel.ipvs.setConnections(virtual, server, {})
    expect((await running).status).toBe(0)
    expect((await command(['show', '--mode', 'ipvs'], { kernel })).stdout).toMatch(/10\.1\.0\.1:8080 .*draining/)
  })

  test('warns where nobody is left to serve', async () => {
    const { status, stderr } = await command(['drain', '-', '10.1.0.1:53', '--service', 'default/dns'], { stdin: SERVICES })
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: 'netplane: service default/dns has no other endpoint: new clients are refused\n'
    })
  })

  test('says of a service that cannot be applied nothing else', async () => {
    const twice = `${SERVICES}  - name: default/same
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints: [{ address: 10.1.0.1, port: 8080 }]
`
    const { status, stdout, stderr } = await command(['drain', '-', '10.1.0.1:8080'], { stdin: twice })
    expect(status).toBe(1)
    expect(stdout).toContain('10.1.0.1:8080 of service default/web:http drains.')
    expect(stdout).not.toContain('default/same')
    expect(stderr).toMatch(/^netplane: .*service default\/same cannot be applied: .*\n$/)
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143]
  ] as const)('ends by %s, and the endpoint stays out', async (name, expected) => {
    const kernel = fakeKernel()
    await connect(kernel, 40_000)
    const ending = new AbortController()
    const stdout = new KeptStream()
    const running = command(['drain', '-', '10.1.0.1:8080'], { kernel, stdin: SERVICES, stdout, signal: ending.signal })
    await until('it waits', () => stdout.text.includes('1 connection left'))
    ending.abort(new SignalError(name))
    expect(await running).toMatchObject({ status: expected, stderr: `netplane: ended by ${name}\n` })
    expect((await command(['show', '--mode', 'nftables'], { kernel })).stdout).not.toContain('10.1.0.1:8080')
  })

  test.each([
    [['10.1.0.9:8080'], 'no service of the file has an endpoint 10.1.0.9 with port 8080'],
    [['10.1.0.1:53', '--service', 'default/web:http'], 'the file has no service default/web:http with an endpoint 10.1.0.1 with port 53'],
    [['web'], 'endpoint is "web"; allowed: an address, or ADDRESS:PORT, with an IPv6 address in brackets'],
    [['10.1.0.1', '--timeout', '1h'], 'It must be a number of seconds']
  ])('refuses %j before anything is changed', async (args, message) => {
    const kernel = fakeKernel()
    const { status, stdout, stderr } = await command(['drain', '-', ...args], { kernel, stdin: SERVICES })
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(kernel.nftables.dump()).toBe(fakeKernel().nftables.dump())
  })

  test('says that it lacks a capability', async () => {
    const kernel = fakeKernel({ nftables: new FakeNftablesKernel({ privileged: false }) })
    expect(await command(['drain', '-', '10.1.0.1'], { kernel, stdin: SERVICES })).toMatchObject({ status: 4, stdout: '' })
  })
})

describe('the endpoints of a file that drain', () => {
  test.each([
    ['10.1.0.1', { address: '10.1.0.1' }],
    ['10.1.0.1:80', { address: '10.1.0.1', port: 80 }],
    ['fd00::1', { address: 'fd00::1' }],
    ['[FD00:0::1]', { address: 'fd00::1' }],
    ['[fd00::1]:80', { address: 'fd00::1', port: 80 }]
  ])('%s is read', (text, expected) => {
    expect(parseEndpoint(text)).toEqual(expected)
  })

  test('leave the others, and their services, as they are', () => {
    const endpoints = [
      { address: 'fd00:0::1', port: 80 },
      { address: 'fd00::1', port: 81, weight: 0 }
    ] as const
    const web: Service = { name: 'web', protocol: 'tcp', frontends: [{ kind: 'cluster', address: 'fd00:96::1', port: 80 }], endpoints }
    const other: Service = { ...web, name: 'other', endpoints: [] }
    const services = new Map([web, other].map((service) => [service.name, service]))
    const { services: drained, unserved } = planDrain(services, { address: 'fd00::1', port: 80 })
    expect(drained.get('other')).toBe(other)
    expect(drained.get('web')).toEqual({ ...web, endpoints: [{ ...endpoints[0], state: 'draining' }, endpoints[1]] })
    expect(unserved).toEqual(['web'])
    expect(web.endpoints[0]).not.toHaveProperty('state')
  })
})
