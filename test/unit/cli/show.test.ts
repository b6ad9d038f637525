import { describe, expect, onTestFinished, test } from 'vitest'
import { Ipvs, Nftables, openPlane, Route, type Service } from '../../../src/index.js'
import { countingSets } from '../../../src/plane/tables/counting/chains.js'
import { FakeIpvsKernel, FakeNftablesKernel } from '../../../src/testing.js'
import { command, fakeKernel, type CommandResult } from '../../support/command.js'

const SERVICES = `services:
  - name: default/web:http
    protocol: tcp
    frontends:
      - { kind: cluster, address: 10.96.0.1, port: 80 }
      - { kind: external, address: 203.0.113.1, port: 80, trafficPolicy: local }
    endpoints:
      - { address: 10.1.0.1, port: 8080, weight: 3, local: true }
      - { address: 10.1.0.2, port: 8080 }
  - name: default/dns
    protocol: udp
    frontends: [{ kind: cluster, address: 'fd00:96::a', port: 53 }]
    endpoints: []
`

interface Frontend {
  readonly mode: string
  readonly service?: string
  readonly protocol?: string
  readonly address?: string
  readonly isOurs: boolean
  readonly endpoints: readonly {
    readonly address: string
    readonly share?: number
    readonly clients: string
    readonly weight?: number
    readonly connections?: string
  }[]
  readonly refusals: readonly unknown[]
}

async function applied(...modes: string[]): Promise<ReturnType<typeof fakeKernel>> {
  const kernel = fakeKernel()
  for (const mode of modes) expect((await command(['apply', '-', '--mode', mode], { kernel, stdin: SERVICES })).status).toBe(0)
  return kernel
}

async function frontends(kernel: ReturnType<typeof fakeKernel>, ...args: string[]): Promise<readonly Frontend[]> {
  const { status, stdout, stderr } = await command(['show', '-o', 'json', ...args], { kernel })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return (JSON.parse(stdout) as { readonly frontends: Frontend[] }).frontends
}

const at = (found: readonly Frontend[], address: string): Frontend[] => found.filter((one) => one.address === address)

describe('show', () => {
  test('says that there is nothing', async () => {
    expect(await command(['show'])).toEqual({ status: 0, stdout: 'The kernel holds no services of a plane.\n', stderr: '' })
  })

  test.each(['nftables', 'ipvs', 'iptables'])('reads frontends and endpoints of mode %s back', async (mode) => {
    const found = await frontends(await applied(mode), '--mode', mode)
    const [web] = at(found, '10.96.0.1')
    expect(web).toMatchObject({ mode, protocol: 'tcp', port: 80, isOurs: true })
    expect(web!.service).toBe('default/web:http')
    expect(web!.endpoints.map(({ address, share }) => `${address} ${share}`).sort()).toEqual(['10.1.0.1 0.75', '10.1.0.2 0.25'])
  })

  test.each(['nftables', 'ipvs', 'iptables'])('says in mode %s which clients are refused', async (mode) => {
    const [dns] = at(await frontends(await applied(mode)), 'fd00:96::a')
    expect(dns).toMatchObject({ service: 'default/dns', endpoints: [], refusals: [{ type: 'refused', clients: 'all' }] })
  })

  test('tells whose endpoints are those of policy local', async () => {
    const [external] = at(await frontends(await applied('nftables')), '203.0.113.1')
    const clients = (whose: string): string[] => external!.endpoints.filter((one) => one.clients === whose).map(({ address }) => address)
    expect(clients('outside')).toEqual(['10.1.0.1'])
    expect(clients('inside').sort()).toEqual(['10.1.0.1', '10.1.0.2'])
  })

  test('tells of a frontend with source ranges who answers all that it serves', async () => {
    const kernel = fakeKernel()
    const restricted = SERVICES.replace('trafficPolicy: local', 'sourceRanges: { allow: [192.0.2.0/24] }').replace(
      'external',
      'loadBalancer'
    )
    for (const mode of ['nftables', 'iptables'])
      expect((await command(['apply', '-', '--mode', mode], { kernel, stdin: restricted })).status).toBe(0)
    const found = at(await frontends(kernel), '203.0.113.1')
    expect(found.map(({ mode }) => mode)).toEqual(['nftables', 'iptables'])
    for (const { endpoints } of found)
      expect(endpoints.map(({ address, clients, share }) => `${address} ${clients} ${share}`)).toEqual([
        '10.1.0.1 all 0.75',
        '10.1.0.2 all 0.25'
      ])
  })

  test('shows all modes, a line for each endpoint', async () => {
    const { stdout } = await command(['show'], { kernel: await applied('nftables', 'ipvs', 'iptables') })
    const lines = stdout.split('\n').filter((line) => line.includes('10.96.0.1:80'))
    expect(lines.map((line) => line.split(/ {2,}/)[0])).toEqual(['nftables', 'nftables', 'ipvs', 'ipvs', 'iptables', 'iptables'])
    expect(stdout).toMatch(/^MODE +SERVICE +FRONTEND +ENDPOINT +SHARE +CONNECTIONS +STATE\n/)
    expect(stdout).toContain('refused')
  })

  test('shows what drains, and virtual services of others as foreign', async () => {
    const kernel = await applied('ipvs')
    const ipvs = await Ipvs.open({ kernel: kernel.ipvs })
    const key = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const
    await ipvs.updateRealServer(key, { address: '10.1.0.2', port: 8080, weight: 0 })
    await ipvs.addService({ protocol: 'tcp', address: '192.0.2.9', port: 443, scheduler: 'lc' })
    await ipvs.addRealServer({ protocol: 'tcp', address: '192.0.2.9', port: 443 }, { address: '192.0.2.10', port: 443 })
    await ipvs.close()
    const { stdout } = await command(['show'], { kernel })
    expect(stdout).toMatch(/10\.96\.0\.1:80 \(wrr\) +10\.1\.0\.2:8080 +0 % +0 \+ 0 \(0\) +draining\n/)
    expect(stdout).toMatch(/ - +tcp 192\.0\.2\.9:443 \(lc\) +192\.0\.2\.10:443 +weight 1 .* ready, foreign\n/)
  })

  test('names a virtual service whose clients are all refused', async () => {
    const kernel = await applied('ipvs')
    await command(['apply', '-', '--mode', 'ipvs'], {
      kernel,
      stdin: SERVICES.replaceAll(/weight: 3, /g, '').replaceAll('8080', '8080, weight: 0')
    })
    const [web] = at(await frontends(kernel), '10.96.0.1')
    expect(web).toMatchObject({ service: 'default/web:http', refusals: [{ type: 'refused', clients: 'all' }] })
    expect(web!.endpoints.map(({ weight }) => weight)).toEqual([0, 0])
  })

  test('shows in mode nftables what the tables of a plane with counters have counted', async () => {
    const kernel = fakeKernel()
    const web = {
      ...{ name: 'web', protocol: 'tcp' as const },
      frontends: [
        { kind: 'cluster' as const, address: '10.96.0.1', port: 80 },
        { kind: 'node' as const, port: 30080 }
      ],
      endpoints: [
        { address: '10.1.0.1', port: 8080 },
        { address: '10.1.0.2', port: 8080 }
      ]
    }
    const plane = await openPlane({ mode: 'nftables', counters: true, kernel })
    onTestFinished(() => plane.close())
    await plane.sync(new Map([[web.name, web]]))
    // As packets would put them there.
    const nft = await Nftables.open({ kernel: kernel.nftables })
    const tx = nft.transaction()
    const setOf = (scope: 'address' | 'node') => ({ family: 'ip' as const, table: 'netplane', ...countingSets('ip', scope).endpoints })
    const counted = (packets: bigint) => ({ counter: { packets, bytes: 100n } })
    const [address, node] = [setOf('address'), setOf('node')]
    tx.add.elements(address, [{ key: ['10.96.0.1', 'tcp', 80, '10.1.0.2', 8080], ...counted(7n) }])
    tx.add.elements(node, [{ key: ['tcp', 30080, '10.1.0.1', 8080], ...counted(2n) }])
    await tx.commit()
    await nft.close()
    const found = await frontends(kernel, '--mode', 'nftables')
    const numbers = (one: Frontend): string[] => one.endpoints.map((endpoint) => `${endpoint.address} ${endpoint.connections}`).sort()
    expect(numbers(found.find((one) => one.address !== undefined)!)).toEqual(['10.1.0.1 0', '10.1.0.2 7'])
    expect(numbers(found.find((one) => one.address === undefined)!)).toEqual(['10.1.0.1 2', '10.1.0.2 0'])
    // Without counters there are none.
    const plain = await frontends(await applied('nftables'))
    expect(plain[0]!.endpoints[0]).not.toHaveProperty('connections')
  })

  test('says of mode userspace which ports relays have, of a process that goes on or is gone, and cleans up after it', async () => {
    const kernel = fakeKernel()
    const plane = await openPlane({ mode: 'userspace', kernel: { nftables: kernel.nftables } })
    const web: Service = {
      ...{ name: 'web', protocol: 'tcp' },
      frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
      endpoints: [{ address: '10.1.0.1', port: 8080 }]
    }
    await plane.sync(new Map([[web.name, web]]))
    const [found] = await frontends(kernel)
    expect(found).toMatchObject({
      mode: 'userspace',
      service: 'web',
      address: '10.96.0.1',
      port: 80,
      endpoints: [],
      relays: [{ clients: 'all' }]
    })
    const { stdout } = await command(['show', '--mode', 'userspace'], { kernel })
    expect(stdout).toMatch(/userspace +web +tcp 10\.96\.0\.1:80 .* relay at port \d+\n$/)
    await plane.close()
    const cleanup = await command(['cleanup'], { kernel })
    expect(cleanup.stdout).toContain('userspace: removed table ip netplane-userspace, table ip6 netplane-userspace\n')
    expect(await frontends(kernel)).toEqual([])
  })

  test('says of mode userspace what is missing before relays', async () => {
    const kernel = fakeKernel()
    const plane = await openPlane({ mode: 'userspace', auditMs: 0, kernel: { nftables: kernel.nftables } })
    onTestFinished(() => plane.close())
    const web: Service = {
      ...{ name: 'web', protocol: 'tcp' },
      frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
      endpoints: [{ address: '10.1.0.1', port: 8080 }]
    }
    await plane.sync(new Map([[web.name, web]]))
    const nft = await Nftables.open({ kernel: kernel.nftables })
    onTestFinished(() => nft.close())
    const [rule] = (await nft.listRules({ family: 'ip', table: 'netplane-userspace' })).filter(({ chain }) => chain === 'services')
    const tx = nft.transaction()
    tx.delete.rule(rule!)
    await tx.commit()
    expect((await command(['show', '-o', 'wide'], { kernel })).stdout).toMatch(
      /incomplete: lacks a rule of chain ip netplane-userspace services\n$/
    )
    const { outcome, steps } = await plane.explain({ protocol: 'tcp', address: '10.96.0.1', port: 80, from: '192.0.2.1' })
    expect(outcome).toMatchObject({ reason: 'incomplete' })
    expect(steps).toContainEqual({ type: 'missing', objects: ['a rule of chain ip netplane-userspace services'] })
  })

  test('says of addresses of this node at which its ports are not served yet', async () => {
    const kernel = fakeKernel()
    const stdin = SERVICES.replace('{ kind: cluster, address: 10.96.0.1, port: 80 }', '{ kind: node, port: 30080 }')
    const links = await Route.open({ kernel: kernel.route })
    onTestFinished(() => links.close())
    await links.addDummy('eth1', { up: true })
    await links.addAddresses('eth1', ['192.0.2.1'])
    await command(['apply', '-'], { kernel, stdin })
    expect((await command(['show'], { kernel })).stderr).toBe('')
    await links.addDummy('eth2', { up: true })
    await links.addAddresses('eth2', ['192.0.3.1'])
    const told = 'netplane: address 192.0.3.1 of link eth2 is not served yet by mode nftables: apply again, where all addresses are to be\n'
    expect((await command(['show'], { kernel })).stderr).toBe(told)
    const explain = (target: string): Promise<CommandResult> => command(['explain', target, '--from', '192.0.2.9'], { kernel })
    expect((await explain('192.0.3.1:30080')).stderr).toBe(told)
    expect((await explain('192.0.2.1:30080')).stderr).toBe('')
    await command(['apply', '-'], { kernel, stdin })
    expect((await command(['show'], { kernel })).stderr).toBe('')
  })

  test('shows what is ours beside a table of the same name that is another program’s', async () => {
    const kernel = fakeKernel()
    const nft = await Nftables.open({ kernel: kernel.nftables })
    onTestFinished(() => nft.close())
    await command(['apply', '-'], { kernel, stdin: SERVICES.replaceAll('10.96.0.1', 'fd00:96::1').replaceAll('10.1.0.', 'fd00:1::') })
    const tx = nft.transaction()
    tx.delete.table({ family: 'ip', name: 'netplane' })
    tx.add.table({ family: 'ip', name: 'netplane', comment: 'of somebody else' })
    await tx.commit()
    for (const args of [['show'], ['watch', '--count', '1']]) {
      const { status, stdout, stderr } = await command(args, { kernel })
      expect(status).toBe(0)
      expect(stdout).toContain('tcp [fd00:96::1]:80')
      expect(stdout + stderr).toContain('left out: table ip netplane exists and is not ours (its comment does not')
    }
  })

  test('leaves out what is not ours, unless it was asked for', async () => {
    const kernel = fakeKernel()
    const nft = await Nftables.open({ kernel: kernel.nftables })
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'netplane', comment: 'of somebody else' })
    await tx.commit()
    await nft.close()
    const all = await command(['show'], { kernel })
    expect(all.status).toBe(0)
    expect(all.stderr).toMatch(/^netplane: left out: table ip netplane exists and is not ours/)
    const { status, stderr } = await command(['show', '--mode', 'nftables'], { kernel })
    expect(status).toBe(3)
    expect(stderr).toMatch(/^netplane: table ip netplane exists and is not ours/)
  })

  test.each(['show', 'watch'])('%s refuses a name in mode iptables', async (name) => {
    const { status, stderr } = await command([name, '--mode', 'iptables', '--name', 'mine'])
    expect(status).toBe(2)
    expect(stderr).toMatch(/^netplane: --name is "mine"; allowed: nothing in mode 'iptables'/)
  })

  test('needs no IPVS, unless it was asked for', async () => {
    const kernel = fakeKernel({ ipvs: new FakeIpvsKernel({ supported: false }) })
    expect((await command(['show'], { kernel })).status).toBe(0)
    expect((await command(['show', '--mode', 'ipvs'], { kernel })).status).toBe(5)
  })

  test('says that it may not read', async () => {
    const kernel = fakeKernel({ nftables: new FakeNftablesKernel({ privileged: false }) })
    const { status, stderr } = await command(['show'], { kernel })
    expect(status).toBe(4)
    expect(stderr).toMatch(/^netplane: EPERM: .*\n$/)
  })

  test.each([
    [66, ['MODE', 'SERVICE', 'FRONTEND', 'ENDPOINT', 'SHARE', 'CONNECTIONS', 'STATE']],
    // Addresses are not cut.
    [60, ['MODE', 'SERVICE', 'FRONTEND', 'ENDPOINT', 'SHARE', 'STATE']],
    [40, ['MODE', 'SERVICE', 'FRONTEND', 'ENDPOINT', 'STATE']],
    [30, ['SERVICE', 'FRONTEND', 'ENDPOINT']],
    [20, ['FRONTEND', 'ENDPOINT']]
  ])('fits %i columns', async (columns, headings) => {
    const { stdout } = await command(['show'], { kernel: await applied('nftables', 'ipvs'), columns })
    const lines = stdout.split('\n')
    expect(lines.filter((line) => line.length > columns)).toEqual([])
    expect(headings.filter((heading) => !lines[0]!.includes(heading.slice(0, 5)))).toEqual([])
    expect(lines[0]!.trim().split(/ +/)).toHaveLength(headings.length)
  })

  test('fits 20 columns where there is nothing, and is whole with wide', async () => {
    expect((await command(['show'], { columns: 20 })).stdout).toBe('The kernel holds no\nservices of a plane.\n')
    const kernel = await applied('nftables')
    const wide = await command(['show', '-o', 'wide'], { kernel, columns: 60 })
    expect(wide.stdout).toMatch(/default\/web:http +tcp 10\.96\.0\.1:80 /)
  })
})
