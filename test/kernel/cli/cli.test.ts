import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { thisSystem } from '../../../src/cli/doctor/system.js'
import { command, KeptStream } from '../../support/command.js'
import { commandInside } from '../../support/command-inside.js'
import { makeNamespace } from '../../support/namespace.js'
import { until } from '../../support/run.js'

const SERVICES = `services:
  - name: default/web:http
    protocol: tcp
    frontends:
      - { kind: cluster, address: 10.96.0.1, port: 80 }
      - { kind: node, port: 30080 }
    endpoints:
      - { address: 10.1.0.1, port: 8080, weight: 3 }
      - { address: 10.1.0.2, port: 8080 }
`

async function serviceFile(text: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'netplane-cli-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = path.join(folder, 'services.yaml')
  await writeFile(file, text)
  return file
}

describe('the command line on the kernel', () => {
  test.each(['nftables', 'iptables'])('applies services of mode %s that stay, shows, explains and removes them', async (mode) => {
    const namespace = await makeNamespace()
    const file = await serviceFile(SERVICES)
    expect(await commandInside(namespace, ['apply', file, '--mode', mode])).toMatchObject({ status: 0, stderr: '' })
    expect(await namespace.nft('list', 'ruleset')).toContain('10.1.0.2')
    expect((await commandInside(namespace, ['plan', file, '--mode', mode])).stdout).toBe(
      'The kernel holds what the file says: nothing is to be done.\n'
    )
    const shown = await commandInside(namespace, ['show'])
    expect(shown.stdout).toMatch(/default\/web:http +tcp 10\.96\.0\.1:80 +10\.1\.0\.1:8080 +75 %/)
    expect(shown.stdout).toMatch(/node port 30080 ip +10\.1\.0\.2:8080 +25 %/)
    const explained = await commandInside(namespace, ['explain', '10.96.0.1:80', '--from', '192.0.2.1', '--mode', mode])
    expect(explained.stdout).toContain('Outcome: served by service default/web:http, at ')
    const cleaned = await commandInside(namespace, ['cleanup'])
    expect(cleaned.status).toBe(0)
    expect(cleaned.stdout).toContain(`${mode}: removed table ip `)
    expect(await namespace.nft('list', 'ruleset')).toBe('')
  })

  test('takes addresses that come and go with ports of this node for no drift, and those that another process takes for one', async () => {
    const namespace = await makeNamespace()
    await namespace.run('ip', ['address', 'add', '192.0.2.1/32', 'dev', 'lo'])
    const without = SERVICES.replace(/ {6}- \{ kind: node.*\n/, '')
    const plan = async (stdin: string): Promise<string> => (await commandInside(namespace, ['plan', '-'], { stdin })).stdout
    for (const [before, after, sign] of [
      [without, SERVICES, '+'],
      [SERVICES, without, '-']
    ] as const) {
      await commandInside(namespace, ['apply', '-'], { stdin: before })
      expect(await plan(after)).toContain(`${sign} frontend tcp node port 30080 (ip)\n`)
      expect(await plan(after)).not.toContain('!')
    }
    await namespace.nftScript('flush set ip netplane node-addresses')
    expect(await plan(SERVICES)).toContain('! changed elements of set ip netplane node-addresses\n')
  })

  test('says what is written where rules for all services differ', async () => {
    const namespace = await makeNamespace()
    const run = async (...args: string[]): Promise<string> => (await commandInside(namespace, args, { stdin: SERVICES })).stdout
    await run('apply', '-')
    await namespace.nftScript('flush chain ip netplane nat-output')
    expect(await run('plan', '-')).toMatch(
      /^! missing rules in chain .*\nServices: .* The tables are made anew, with \d+ objects of services\.\n$/
    )
    await run('apply', '-', '--mode', 'iptables')
    await namespace.run('iptables-nft', ['-t', 'nat', '-F', 'OUTPUT'])
    expect(await run('plan', '-', '--mode', 'iptables')).toContain('Objects of the kernel: 1 to write, 0 to delete.\n')
    const applied = JSON.parse(await run('apply', '-', '--mode', 'iptables', '-o', 'json')) as {
      readonly applied: { readonly objects: unknown }
    }
    expect(applied.applied.objects).toEqual({ written: 1, deleted: 0 })
  })

  test('names in mode iptables an endpoint whose rules another process has changed', async () => {
    const namespace = await makeNamespace()
    const run = async (...args: string[]): Promise<string> =>
      (await commandInside(namespace, [...args, '--mode', 'iptables'], { stdin: SERVICES })).stdout
    await run('apply', '-')
    const [, chain] = /-A (KUBE-SEP-\w+) .*10\.1\.0\.2:8080/.exec(await namespace.run('iptables-nft-save', ['-t', 'nat'])) ?? []
    await namespace.run('iptables-nft', ['-t', 'nat', '-F', chain!])
    expect(await run('plan', '-')).toContain('~ default/web:http\n    10.1.0.2:8080 has other rules\n    2 rules to write\n')
  })

  test('shows in mode iptables whom a frontend leads to that does not take everybody', async () => {
    const namespace = await makeNamespace()
    const restricted = SERVICES.replace(
      '{ kind: node, port: 30080 }',
      '{ kind: loadBalancer, address: 203.0.113.5, port: 80, sourceRanges: { allow: [192.0.2.0/24, 198.51.100.0/24] } }'
    )
    expect((await commandInside(namespace, ['apply', '-', '--mode', 'iptables'], { stdin: restricted })).status).toBe(0)
    const { stdout } = await commandInside(namespace, ['show'])
    expect(stdout).toMatch(/203\.0\.113\.5:80 +10\.1\.0\.1:8080 +75 %/)
    expect(stdout).toMatch(/203\.0\.113\.5:80 +10\.1\.0\.2:8080 +25 %/)
  })

  test('says that the namespace of a watch has gone', async () => {
    const namespace = await makeNamespace()
    const link = `${await serviceFile('')}.netns`
    await symlink(namespace.path, link)
    const stdout = new KeptStream()
    const args = ['watch', '--interval', '0.1', '-o', 'json', '--netns', link]
    const watching = command(args, { kernel: undefined, system: thisSystem, stdout })
    await until('the first look', () => stdout.text.includes('\n'))
    await rm(link)
    expect(await watching).toMatchObject({ status: 3, stderr: `netplane: network namespace ${link} has gone\n` })
  })

  test('leaves rules of others as they are', async () => {
    const namespace = await makeNamespace()
    await namespace.nftScript('table inet firewalld { chain c { counter accept; }; }')
    await namespace.run('iptables-nft', ['-t', 'nat', '-A', 'PREROUTING', '-p', 'tcp', '-j', 'RETURN'])
    const before = await namespace.nft('list', 'ruleset')
    for (const mode of ['nftables', 'iptables'])
      expect((await commandInside(namespace, ['apply', '-', '--mode', mode], { stdin: SERVICES })).status).toBe(0)
    expect((await commandInside(namespace, ['cleanup'])).status).toBe(0)
    expect(await namespace.nft('list', 'ruleset')).toBe(before)
  })

  test('the doctor looks at this kernel, and sees who else writes', async () => {
    const namespace = await makeNamespace()
    await namespace.nftScript('table inet firewalld { }\ntable ip kube-proxy { }')
    await namespace.run('iptables-nft', ['-t', 'nat', '-N', 'DOCKER'])
    await namespace.run('sysctl', ['-w', 'net.ipv4.ip_forward=0'])
    const { stdout, stderr } = await commandInside(namespace, ['doctor'])
    expect(stderr).toBe('')
    for (const part of [
      'nf_tables answers',
      'firewalld',
      'kube-proxy (nftables)',
      'chain DOCKER in ip nat',
      'sysctl -w net.ipv4.ip_forward=1'
    ])
      expect(stdout).toContain(part)
    await namespace.run('sysctl', ['-w', 'net.ipv4.ip_forward=1'])
    expect((await commandInside(namespace, ['doctor'])).stdout).not.toContain('sysctl -w net.ipv4.ip_forward=1')
  })

  test('says which namespace is not there', async () => {
    const commands = [
      ...[['show'], ['explain', '10.96.0.1:80'], ['cleanup'], ['doctor'], ['watch'], ['trace', '10.96.0.1:80']],
      ...[
        ['plan', '-'],
        ['apply', '-'],
        ['drain', '-', '10.1.0.1:8080'],
        ['switch', 'iptables', '-']
      ]
    ]
    for (const args of commands)
      expect([args, await command([...args, '--netns', 'nowhere'], { kernel: undefined, stdin: SERVICES })]).toEqual([
        args,
        { status: 2, stdout: '', stderr: 'netplane: --netns: /run/netns/nowhere is no network namespace\n' }
      ])
  })

  test.each([
    ['/etc/passwd', '/etc/passwd'],
    ['/etc/passwd/net', '/etc/passwd/net'],
    ['4194304', '/proc/4194304/ns/net']
  ])('says that %s is no network namespace', async (named, place) => {
    expect(await command(['show', '--netns', named], { kernel: undefined })).toEqual({
      status: 2,
      stdout: '',
      stderr: `netplane: --netns: ${place} is no network namespace\n`
    })
  })
})
