import { expect, test } from 'vitest'
import { thisSystem } from '../../../src/cli/doctor/system.js'
import { command } from '../../support/command.js'
import { addressOf, ask, makeServingNetwork, tally } from '../../support/service-network.js'

const SERVICES = `services:
  - name: default/web:http
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints:
      - { address: ${addressOf.ip(1)}, port: 8080 }
      - { address: ${addressOf.ip(2)}, port: 8080 }
`

// Connections that ended are in IPVS for two minutes, and it is them that the first switch waits for.
test('services go from mode ipvs to nftables and back', { timeout: 400_000 }, async () => {
  const { node, client } = await makeServingNetwork(2)
  const around = { kernel: undefined, system: thisSystem, stdin: SERVICES }
  const place = ['--netns', node.name]
  expect((await command(['apply', '-', '--mode', 'ipvs', ...place], around)).status).toBe(0)
  expect(tally(await ask(client, 'tcp', '10.96.0.1', 80, 4))).toEqual({ s1: 2, s2: 2 })
  expect((await command(['switch', 'nftables', '-', ...place], around)).status).toBe(0)
  expect(await node.run('ipvsadm', ['-Sn'])).toBe('')
  expect(await node.nft('list', 'tables')).toContain('table ip netplane')
  expect(await ask(client, 'tcp', '10.96.0.1', 80, 4)).not.toContain('ConnectionRefusedError')
  expect(await command(['switch', 'ipvs', '-', ...place], around)).toMatchObject({ status: 0, stderr: '' })
  expect(await node.run('ipvsadm', ['-Sn'])).toContain('-a -t 10.96.0.1:80 -r 10.1.1.2:8080 -m -w 1')
  expect(tally(await ask(client, 'tcp', '10.96.0.1', 80, 4))).toEqual({ s1: 2, s2: 2 })
})
