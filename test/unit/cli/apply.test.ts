import { describe, expect, test } from 'vitest'
import { Nftables } from '../../../src/index.js'
import { FakeIpvsKernel, FakeNftablesKernel } from '../../../src/testing.js'
import { command, fakeKernel, type CommandOptions, type CommandResult } from '../../support/command.js'

interface Changes {
  readonly web?: string
  readonly more?: string
}

const services = ({ web = '10.1.0.1', more = '' }: Changes = {}): string => `services:
  - name: web
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints: [{ address: ${web}, port: 8080 }]
${more}`

const THIEF = `  - name: thief
    protocol: tcp
    frontends:
      - { kind: cluster, address: 10.96.0.2, port: 80 }
      - { kind: cluster, address: 10.96.0.1, port: 80 }
    endpoints: []
`

async function generation(kernel: ReturnType<typeof fakeKernel>): Promise<number> {
  const nft = await Nftables.open({ kernel: kernel.nftables })
  const { id } = await nft.readGeneration()
  await nft.close()
  return id
}

const run = (args: string[], stdin: string, options: CommandOptions = {}): Promise<CommandResult> =>
  command([...args, '-'], { stdin, ...options })

describe.each(['nftables', 'ipvs', 'iptables'])('mode %s', (mode) => {
  test('applies, finds nothing to do, changes and removes', async () => {
    const kernel = fakeKernel()
    const args = ['apply', '--mode', mode]
    const first = await run(args, services(), { kernel })
    expect(first).toMatchObject({ status: 0, stderr: '' })
    expect(first.stdout).toMatch(/^\+ web {2}.*10\.1\.0\.1:8080|^\+ web {2}tcp 10\.96\.0\.1:80 -> 1 endpoint\n/)
    expect(first.stdout).toMatch(/Applied in \d+ ms: 1 service added, 0 changed, 0 removed\.\n$/)
    const same = await run(['plan', '--mode', mode], services(), { kernel })
    expect(same.stdout).toBe('The kernel holds what the file says: nothing is to be done.\n')
    const changed = await run(args, services({ web: '10.1.0.2' }), { kernel })
    expect(changed.stdout).toContain('~ web\n')
    expect(changed.stdout).toMatch(/0 services added, 1 changed, 0 removed/)
    const gone = await run(args, 'services: []', { kernel })
    expect(gone.stdout).toMatch(/^- web/m)
    expect(gone.stdout).toMatch(/0 to add, 0 to change, [12] to remove/)
  })

  test('explains what was applied by an earlier command', async () => {
    const kernel = fakeKernel()
    await run(['apply', '--mode', mode], services(), { kernel })
    const { status, stdout } = await command(['explain', '10.96.0.1:80', '--from', '192.0.2.1', '--mode', mode], { kernel })
    expect(status).toBe(0)
    expect(stdout).toContain('10.1.0.1:8080')
    expect(stdout).toMatch(/Outcome: served by .*\n$/)
  })

  test('cleans up, and says what it removed', async () => {
    const kernel = fakeKernel()
    await run(['apply', '--mode', mode], services(), { kernel })
    const first = await command(['cleanup', '--mode', mode], { kernel })
    expect(first).toMatchObject({ status: 0, stderr: '' })
    expect(first.stdout).toMatch(new RegExp(`^${mode}: removed .*table ip `))
    expect((await command(['cleanup', '--mode', mode], { kernel })).stdout).toBe(`${mode}: nothing was there\n`)
  })
})

describe('plan', () => {
  test('changes nothing', async () => {
    const kernel = fakeKernel()
    const before = await generation(kernel)
    expect((await run(['plan'], services(), { kernel })).status).toBe(0)
    expect((await run(['apply', '--dry-run'], services(), { kernel })).stdout).not.toContain('Applied')
    expect(await generation(kernel)).toBe(before)
  })

  const web = (endpoints: string, more = ''): string =>
    `services: [{ name: web, protocol: tcp, frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }${more}], endpoints: [${endpoints
      .split(' ')
      .map((text) => {
        const [address, weight = '1'] = text.split('*')
        return `{ address: ${address}, port: 8080, weight: ${weight} }`
      })
      .join(', ')}] }]`

  test.each([
    ['nftables', web('10.1.0.1 10.1.0.3'), ['- endpoint 10.1.0.2:8080', '+ endpoint 10.1.0.3:8080']],
    ['nftables', web('10.1.0.1*3 10.1.0.2'), ['10.1.0.1:8080 share: 50 % -> 75 %', '10.1.0.2:8080 share: 50 % -> 25 %']],
    ['nftables', web('10.1.0.1 10.1.0.2', ', { kind: node, port: 30080, family: ip }'), ['+ frontend tcp node port 30080 (ip)']],
    [
      'nftables',
      web('10.1.0.1 10.1.0.2').replace('10.96.0.1', '10.96.0.9'),
      ['- frontend tcp 10.96.0.1:80', '+ frontend tcp 10.96.0.9:80']
    ],
    ['iptables', web('10.1.0.1 10.1.0.3'), ['- endpoint 10.1.0.2:8080', '+ endpoint 10.1.0.3:8080']],
    ['iptables', web('10.1.0.1 10.1.0.2 10.1.0.3'), ['+ endpoint 10.1.0.3:8080']],
    ['iptables', web('10.1.0.1 10.1.0.2', ', { kind: node, port: 30080, family: ip }'), ['+ frontend tcp node port 30080 (ip)']],
    [
      'iptables',
      web('10.1.0.1 10.1.0.2').replace('10.96.0.1', '10.96.0.9'),
      ['- frontend tcp 10.96.0.1:80', '+ frontend tcp 10.96.0.9:80']
    ],
    // The frontend stays, and is refused.
    ['iptables', web('10.1.0.1').replace(/endpoints: .*/, 'endpoints: [] }]'), ['- endpoint 10.1.0.1:8080', '- endpoint 10.1.0.2:8080']],
    [
      'ipvs',
      web('10.1.0.1 10.1.0.3'),
      ['+ 10.1.0.3:8080 weight 1', '10.1.0.2:8080 weight 1 -> 0 (drains)', '- 10.1.0.2:8080 (when it has no connections)']
    ]
  ])('names in mode %s what another process finds to be done', async (mode, file, phrases) => {
    const kernel = fakeKernel()
    await command(['apply', '-', '--mode', mode], { kernel, stdin: web('10.1.0.1 10.1.0.2') })
    const { stdout } = await command(['plan', '-', '--mode', mode], { kernel, stdin: file })
    const lines = stdout.split('\n')
    expect(lines[0]).toBe('~ web')
    const details = lines.filter((line) => line.startsWith('    ')).map((line) => line.trim())
    expect(details).toEqual([...phrases, ...details.filter((line) => / to (?:write|delete)/.test(line))])
  })

  test('names in mode nftables for how long clients are remembered, before and after', async () => {
    const kernel = fakeKernel()
    const sticky = (seconds: number): string =>
      web('10.1.0.1 10.1.0.2').replace('protocol: tcp', `protocol: tcp, affinity: { timeoutSeconds: ${seconds} }`)
    const steps = [web('10.1.0.1 10.1.0.2'), sticky(60), sticky(90)]
    for (const [index, told] of ['none -> 60 s', '60 s -> 90 s'].entries()) {
      await command(['apply', '-'], { kernel, stdin: steps[index]! })
      const { stdout } = await command(['plan', '-'], { kernel, stdin: steps[index + 1]! })
      expect(stdout).toContain(`~ web\n    affinity of tcp 10.96.0.1:80: ${told}\n`)
    }
  })

  test('names in mode nftables an endpoint of which slots alone go', async () => {
    const kernel = fakeKernel()
    const some = (count: number): string => web(Array.from({ length: count }, (_, index) => `10.1.0.${index + 1}`).join(' '))
    await command(['apply', '-'], { kernel, stdin: some(10) })
    const { stdout } = await command(['plan', '-'], { kernel, stdin: some(9) })
    expect(stdout).toMatch(
      /^~ web\n {4}- endpoint 10\.1\.0\.10:8080\n {4}1 element to delete\nServices: 0 to add, 1 to change, 0 to remove\./
    )
  })

  test('names in mode nftables a set of which elements are gone that are no single service’s', async () => {
    const kernel = fakeKernel()
    await command(['apply', '-'], { kernel, stdin: web('10.1.0.1') })
    await using nft = await Nftables.open({ kernel: kernel.nftables })
    const tx = nft.transaction()
    tx.delete.elements({ family: 'ip', table: 'netplane', name: 'cluster-ips', key: 'ipv4_addr' }, [{ key: '10.96.0.1' }])
    await tx.commit()
    const { stdout } = await command(['plan', '-'], { kernel, stdin: web('10.1.0.1') })
    expect(stdout).toContain('! changed elements of set ip netplane cluster-ips\n')
    expect(stdout).toContain('1 to write, 0 to delete.')
    // What the file brings is no drift.
    const other = await command(['plan', '-'], { kernel, stdin: web('10.1.0.1').replace('10.96.0.1', '10.96.0.7') })
    expect(other.stdout).not.toContain('!')
  })

  test('names in mode iptables for how long clients are remembered, before and after', async () => {
    const kernel = fakeKernel()
    const sticky = (seconds: number): string =>
      web('10.1.0.1 10.1.0.2').replace('protocol: tcp', `protocol: tcp, affinity: { timeoutSeconds: ${seconds} }`)
    const steps = [web('10.1.0.1 10.1.0.2'), sticky(60), sticky(90)]
    for (const [index, told] of ['none -> 60 s', '60 s -> 90 s'].entries()) {
      await command(['apply', '-', '--mode', 'iptables'], { kernel, stdin: steps[index]! })
      const { stdout } = await command(['plan', '-', '--mode', 'iptables'], { kernel, stdin: steps[index + 1]! })
      expect(stdout).toMatch(new RegExp(`^~ web\n {4}affinity: ${told}\n {4}\\d+ rules to write, \\d+ rules to delete\n`))
    }
  })

  test.each([
    ['nftables', 'source range of tcp 10.96.0.1:80: '],
    ['iptables', 'source range: ']
  ])('names in mode %s source ranges that come and go', async (mode, about) => {
    const kernel = fakeKernel()
    const ranged = (allow: readonly string[]): string =>
      web('10.1.0.1').replace('kind: cluster', `kind: loadBalancer, sourceRanges: { allow: [${allow.join(', ')}], deny: [192.0.2.7/32] }`)
    await command(['apply', '-', '--mode', mode], { kernel, stdin: ranged(['192.0.2.0/24', '198.51.100.0/24']) })
    const other = await command(['plan', '-', '--mode', mode], { kernel, stdin: ranged(['192.0.2.0/24', '203.0.113.0/24']) })
    expect(other.stdout).toContain(`~ web\n    - ${about}allowed 198.51.100.0/24\n    + ${about}allowed 203.0.113.0/24\n`)
    const fewer = await command(['plan', '-', '--mode', mode], { kernel, stdin: ranged(['192.0.2.0/24']) })
    expect(fewer.stdout).toContain(`~ web\n    - ${about}allowed 198.51.100.0/24\n`)
    const many = Array.from({ length: 9 }, (_, index) => `203.0.${2 * index}.0/24`)
    const { stdout } = await command(['plan', '-', '--mode', mode], { kernel, stdin: ranged(many) })
    expect(stdout).toContain(`    + ${about}allowed 203.0.6.0/24\n    ${about}and 5 more\n`)
  })

  test('names in mode nftables sets in which another process has put elements', async () => {
    const kernel = fakeKernel()
    const ranged = web('10.1.0.1').replace('kind: cluster', 'kind: loadBalancer, sourceRanges: { allow: [192.0.2.0/24] }')
    await command(['apply', '-'], { kernel, stdin: ranged })
    await using nft = await Nftables.open({ kernel: kernel.nftables })
    const frontend = ['ipv4_addr', 'inet_proto', 'inet_service'] as const
    const ranges = { family: 'ip', table: 'netplane', key: ['ipv4_addr', ...frontend], flags: ['interval'] } as const
    const tx = nft.transaction()
    const foreign = (address: string) => [{ key: ['10.0.0.0/24', address, 'tcp', 80] }]
    tx.add.elements({ ...ranges, name: 'denied' }, foreign('10.96.0.77'))
    tx.add.elements({ ...ranges, name: 'allowed' }, foreign('10.96.0.1'))
    tx.add.elements({ family: 'ip', table: 'netplane', name: 'refused', key: frontend }, [{ key: ['10.96.0.1', 'tcp', 80] }])
    tx.add.elements({ family: 'ip', table: 'netplane', name: 'cluster-ips', key: 'ipv4_addr' }, [{ key: '10.96.0.78' }])
    await tx.commit()
    const { stdout } = await command(['apply', '-'], { kernel, stdin: ranged })
    expect(stdout).toContain(`~ web
    - source range of tcp 10.96.0.1:80: allowed 10.0.0.0/24
    1 element to delete
! changed elements of set ip netplane refused
! changed elements of set ip netplane denied
Services: 0 to add, 1 to change, 0 to remove. What is no single service's: 2 to repair. Objects of the kernel: 0 to write, 4 to delete.
`)
    expect(stdout).toMatch(/removed; 2 differences repaired that were no single service's\.\n$/)
    expect((await command(['plan', '-'], { kernel, stdin: ranged })).stdout).toBe(
      'The kernel holds what the file says: nothing is to be done.\n'
    )
  })

  test('names in mode iptables a node port that goes', async () => {
    const kernel = fakeKernel()
    const stdin = web('10.1.0.1', ', { kind: node, port: 30080, family: ip }')
    await command(['apply', '-', '--mode', 'iptables'], { kernel, stdin })
    const { stdout } = await command(['plan', '-', '--mode', 'iptables'], { kernel, stdin: web('10.1.0.1') })
    expect(stdout).toContain('~ web\n    - frontend tcp node port 30080 (ip)\n')
  })

  test.each(['nftables', 'iptables'])('names in mode %s what comes and what goes as a whole', async (mode) => {
    const kernel = fakeKernel()
    await command(['apply', '-', '--mode', mode], { kernel, stdin: web('10.1.0.1 10.1.0.2') })
    const other = web('10.1.0.9').replace('name: web', 'name: other').replace('10.96.0.1', '10.96.0.2')
    const { stdout } = await command(['plan', '-', '--mode', mode], { kernel, stdin: other })
    expect(stdout).toContain('+ other  tcp 10.96.0.2:80 -> 1 endpoint\n')
    expect(stdout).toMatch(/^- web {2}tcp 10\.96\.0\.1:80 -> 2 endpoints, /m)
    expect(stdout).toContain('Services: 1 to add, 0 to change, 1 to remove.')
  })

  test.each(['nftables', 'iptables', 'ipvs'])(
    'calls in mode %s no service new of which something is there, and nothing drift that a file brings',
    async (mode) => {
      const kernel = fakeKernel()
      const two = (first: string, second: string, endpoints: string): string => `services:
  - { name: a, protocol: tcp, frontends: [{ kind: cluster, address: ${first}, port: 80 }], endpoints: [{ address: 10.1.0.1, port: 80 }] }
  - { name: b, protocol: tcp, frontends: [{ kind: cluster, address: ${second}, port: 80 }], endpoints: [${endpoints}] }
`
      const some = '{ address: 10.1.0.2, port: 80 }'
      const steps = [
        two('10.96.0.1', '10.96.0.2', some),
        two('10.96.0.2', '10.96.0.1', some),
        two('10.96.0.2', '10.96.0.1', ''),
        two('10.96.0.2', '10.96.0.1', some)
      ]
      await command(['apply', '-', '--mode', mode], { kernel, stdin: steps[0]! })
      for (const [index, changing] of [['a', 'b'], ['b'], ['b']].entries()) {
        const { stdout } = await command(['apply', '-', '--mode', mode], { kernel, stdin: steps[index + 1]! })
        expect(stdout).not.toMatch(/^[-+!]/m)
        expect(stdout).toContain(`Services: 0 to add, ${changing.length} to change, 0 to remove.`)
        expect(stdout.match(/^~ \w$/gm)).toEqual(changing.map((name) => `~ ${name}`))
      }
    }
  )

  test('is coloured on a terminal alone', async () => {
    expect((await run(['plan'], services(), { columns: 80 })).stdout).toContain('\u001b[32m+ web\u001b[0m')
    expect((await run(['plan'], services(), { columns: 80, variables: { NO_COLOR: '1' } })).stdout).not.toContain('\u001b')
    expect((await run(['plan'], services())).stdout).not.toContain('\u001b')
  })

  test('says in JSON and YAML what is to be done', async () => {
    const { stdout } = await run(['plan', '-o', 'json'], services())
    expect(JSON.parse(stdout)).toMatchObject({
      mode: 'nftables',
      plan: { entries: [{ action: 'add', service: 'web' }], isEmpty: false },
      quarantined: []
    })
    expect((await run(['plan', '-o', 'yaml'], services())).stdout).toMatch(/^mode: nftables\nplan:\n {2}entries:\n {4}- action: add\n/)
  })
})

describe('apply', () => {
  test('applies what it can, and says where in the file the rest stands', async () => {
    const kernel = fakeKernel()
    const { status, stdout, stderr } = await run(['apply'], services({ more: THIEF }), { kernel })
    expect(status).toBe(1)
    expect(stdout).toContain('1 service added')
    expect(stderr).toMatch(/^netplane: standard input:10:9: service thief cannot be applied: frontends\[1\] is .*"web" has it\n$/)
  })

  test('applies all with --atomic where all can be', async () => {
    expect((await run(['apply', '--atomic'], services())).stdout).toContain('1 service added')
  })

  test('tells programs the same', async () => {
    const { stdout } = await run(['apply', '-o', 'json'], services({ more: THIEF }))
    expect(JSON.parse(stdout)).toMatchObject({
      quarantined: [{ service: 'thief', code: 'ERR_NETPLANE_VALIDATION', line: 10, column: 9 }],
      applied: { services: { added: 1, changed: 0, removed: 0 } }
    })
  })

  test('tells of many services that cannot be applied the first twenty', async () => {
    const thieves = Array.from({ length: 30 }, (_, index) =>
      THIEF.replace('name: thief', `name: thief${index}`).replace(/^.*10\.96\.0\.2.*\n/m, '')
    )
    const { status, stderr } = await run(['plan'], services({ more: thieves.join('') }), { kernel: fakeKernel() })
    const lines = stderr.trimEnd().split('\n')
    expect(status).toBe(1)
    expect(lines).toHaveLength(21)
    expect(lines.at(-1)).toBe('netplane: … and 10 more services cannot be applied')
    for (const [index, line] of lines.slice(0, -1).entries()) expect(line.split(`thief${index}`)).toHaveLength(2)
  })

  test('applies nothing with --atomic where one service cannot be applied', async () => {
    const kernel = fakeKernel()
    const before = await generation(kernel)
    const { status, stderr } = await run(['apply', '--atomic'], services({ more: THIEF }), { kernel })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^netplane: standard input:10:9: service thief .*\nnetplane: nothing was applied, as --atomic asks\n$/)
    expect(await generation(kernel)).toBe(before)
  })

  test('says where a service stands that the mode does not have', async () => {
    const { status, stderr } = await run(
      ['apply'],
      services({ more: THIEF.replace('10.96.0.1', '10.96.0.3').replace('endpoints', 'scheduler: lc\n    endpoints') })
    )
    expect(status).toBe(1)
    expect(stderr).toMatch(/^netplane: standard input:6:5: service thief cannot be applied: /)
  })

  test('says in one line that it may not, with another exit status', async () => {
    const kernel = fakeKernel({ nftables: new FakeNftablesKernel({ privileged: false }) })
    const { status, stdout, stderr } = await run(['apply'], services(), { kernel })
    expect({ status, stdout }).toEqual({ status: 4, stdout: '' })
    expect(stderr).toMatch(/^netplane: EPERM: .*CAP_NET_ADMIN.*\n$/)
  })

  test('says in one line what the kernel lacks', async () => {
    const kernel = fakeKernel({ ipvs: new FakeIpvsKernel({ supported: false }) })
    const { status, stderr } = await run(['apply', '--mode', 'ipvs'], services(), { kernel })
    expect(status).toBe(5)
    expect(stderr).toMatch(/^netplane: this kernel has no IPVS: .*modprobe ip_vs.*\n$/)
  })

  test('refuses a name in mode iptables', async () => {
    const { status, stderr } = await run(['apply', '--mode', 'iptables', '--name', 'mine'], services())
    expect(status).toBe(2)
    expect(stderr).toMatch(/^netplane: --name is "mine"; allowed: nothing in mode 'iptables'/)
  })

  test('leaves alone what is not ours', async () => {
    const kernel = fakeKernel()
    const nft = await Nftables.open({ kernel: kernel.nftables })
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'netplane', comment: 'of somebody else' })
    await tx.commit()
    const { status, stderr } = await run(['apply'], services(), { kernel })
    expect(status).toBe(3)
    expect(stderr).toMatch(/^netplane: .*netplane.* not ours/)
    const cleaned = await command(['cleanup'], { kernel })
    expect(cleaned.status).toBe(3)
    expect(cleaned.stderr).toMatch(/^netplane: nftables: .*not ours/)
    expect(cleaned.stdout).toContain('iptables: nothing was there')
    expect(await nft.listTables()).toHaveLength(1)
    await nft.close()
  })
})

test('a plan says that nothing but what cannot be applied is to be done', async () => {
  const one = `services:\n  - name: a\n    protocol: tcp\n    scheduler: lblc\n    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]\n    endpoints: []\n`
  const { status, stdout } = await command(['plan', '-'], { stdin: one, kernel: fakeKernel() })
  expect({ status, stdout }).toEqual({ status: 1, stdout: 'But for services that cannot be applied, nothing is to be done.\n' })
})

describe('explain', () => {
  test('takes an IPv6 address in brackets', async () => {
    const { status, stdout } = await command(['explain', '[fd00::1]:53', '--protocol', 'udp'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^udp from an address of this node to \[fd00::1\]:53, sent by this node\n/)
  })

  test('says the same in JSON', async () => {
    const { stdout } = await command(['explain', '10.96.0.1:80', '-o', 'json'])
    expect(JSON.parse(stdout)).toMatchObject({ request: { port: 80 }, outcome: { type: 'untouched' } })
  })

  test.each([
    ['10.96.0.1', "netplane: '10.96.0.1' is invalid for argument 'target'. It must be ADDRESS:PORT"],
    ['fd00::1', 'It must be ADDRESS:PORT'],
    ['web:80', 'the address is "web"; allowed: an IPv4 or IPv6 address'],
    ['10.96.0.1:0', 'the port is 0; allowed: an integer from 1 to 65535']
  ])('refuses %s', async (target, message) => {
    const { status, stdout, stderr } = await command(['explain', target])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr.match(/\n/g)).toHaveLength(1)
  })
})
