import { expect, test } from 'vitest'
import { frontendTable, CONNECTIONS, SHARE } from '../../../src/cli/output/frontends.js'
import type { ShownFrontend } from '../../../src/cli/show/model.js'
import { FrontendNames } from '../../../src/cli/trace/frontends.js'
import { Nftables } from '../../../src/index.js'
import { command, fakeKernel } from '../../support/command.js'

const SERVICES = `services:
  - { name: web, protocol: tcp, scheduler: wlc, frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }], endpoints: [] }
`

test.each(['nftables', 'iptables'])('a scheduler that mode %s lacks is told without options of calls, and with one name', async (mode) => {
  const { status, stderr } = await command(['plan', '-', '--mode', mode], { stdin: SERVICES })
  expect(status).toBe(1)
  expect(stderr).toMatch(/service web cannot be applied: .*scheduler wlc.*, or the file names another scheduler\n$/)
  expect(stderr).not.toMatch(/option|service "web"/)
})

test('chains of kube-proxy are told without options of calls', async () => {
  const kernel = fakeKernel()
  await using nft = await Nftables.open({ kernel: kernel.nftables })
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name: 'nat' })
  tx.add.chain({ family: 'ip', table: 'nat', name: 'KUBE-SERVICES' })
  tx.add.rule({ family: 'ip', table: 'nat', chain: 'KUBE-SERVICES', expressions: [{ type: 'counter' }] })
  await tx.commit()
  const { status, stderr } = await command(['plan', '-', '--mode', 'iptables'], { kernel, stdin: 'services: []' })
  expect(status).toBe(3)
  expect(stderr).toContain('end the kube-proxy that made it, and remove what it left (kube-proxy --cleanup)')
})

test('an explanation names the options of the command', async () => {
  const kernel = fakeKernel()
  const stdin = SERVICES.replace('scheduler: wlc', 'affinity: { timeoutSeconds: 60 }').replace('[]', '[{ address: 10.1.0.1, port: 80 }]')
  expect((await command(['apply', '-'], { kernel, stdin })).status).toBe(0)
  const { stdout } = await command(['explain', '10.96.0.1:80'], { kernel })
  expect(stdout).toContain('say --from.')
  expect(stdout).not.toMatch(/`|option/)
})

const node = (family: 'ip' | 'ip6'): ShownFrontend => ({
  ...{ mode: 'nftables', service: 'web', family, protocol: 'tcp', port: 30080, isOurs: true, refusals: [] },
  endpoints: [{ address: family === 'ip' ? '10.1.0.1' : 'fd00::1', port: 8080, clients: 'all', share: 1 }]
})

test('a packet to a port of this node goes to the frontend of its family', () => {
  const names = new FrontendNames([node('ip'), node('ip6')])
  const ends = { source: { address: '192.0.2.9' }, destination: { address: '192.0.2.1', port: 30080 } }
  expect(names.of({ protocol: 'tcp', ...ends }).map(({ family }) => family)).toEqual(['ip'])
})

test('columns go before addresses are cut', () => {
  const frontend = { ...node('ip'), address: '203.0.113.100', port: 8080 }
  const { lines } = frontendTable([frontend], [SHARE, CONNECTIONS], 50)
  expect(lines.join('\n')).toContain('203.0.113.100:8080')
  expect(lines.join('\n')).toContain('10.1.0.1:8080')
  expect(lines[0]).not.toContain('CONNECTIONS')
  expect(lines.filter((line) => line.length > 50)).toEqual([])
})
