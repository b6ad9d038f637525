import { expect, test } from 'vitest'
import { thisSystem } from '../../../src/cli/doctor/system.js'
import { SignalError } from '../../../src/cli/errors.js'
import { command, KeptStream, type CommandResult } from '../../support/command.js'
import { commandInside } from '../../support/command-inside.js'
import type { TestNamespace } from '../../support/namespace.js'
import { until } from '../../support/run.js'
import { addressOf, ask, makeServingNetwork, tally } from '../../support/service-network.js'
import { looksIn } from '../../support/watch-looks.js'

const SERVICES = `services:
  - name: default/web:http
    protocol: tcp
    frontends:
      - { kind: cluster, address: 10.96.0.1, port: 80 }
      - { kind: cluster, address: "fd00:96::1", port: 80 }
    endpoints:
      - { address: ${addressOf.ip(1)}, port: 8080, weight: 3 }
      - { address: ${addressOf.ip(2)}, port: 8080 }
      - { address: "${addressOf.ip6(1)}", port: 8080, weight: 3 }
      - { address: "${addressOf.ip6(2)}", port: 8080 }
  - name: default/none:http
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.2, port: 80 }]
    endpoints: []
`

function inside(namespace: TestNamespace, args: readonly string[], more: object = {}): Promise<CommandResult> {
  return commandInside(namespace, [...args, '--mode', 'ipvs'], { stdin: SERVICES, ...more })
}

/** The endpoints that had new connections while it was looked at, by a service's address. */
function reached(text: string, address: string): Set<string> {
  const frontends = looksIn(text).flatMap((look) => look.frontends)
  const endpoints = frontends.flatMap((one) => (one.address === address ? one.endpoints : []))
  return new Set(endpoints.filter(({ connectionsPerSecond = 0 }) => connectionsPerSecond > 0).map((one) => one.address))
}

/** One test with one network, as programs take long to start in the lab. */
test('every command works on services of mode ipvs', { timeout: 300_000 }, async () => {
  const { node, client } = await makeServingNetwork(2)
  expect((await command(['doctor', '--mode', 'ipvs', '--netns', node.name], { kernel: undefined, system: thisSystem })).stdout).toContain(
    'Mode ipvs has all that it needs.'
  )

  const planned = await inside(node, ['plan', '-'])
  expect(planned).toMatchObject({ status: 0, stderr: '' })
  expect(planned.stdout).toContain('default/web:http')
  expect(await node.run('ipvsadm', ['-Sn'])).toBe('')
  expect(await inside(node, ['apply', '-'])).toMatchObject({ status: 0, stderr: '' })
  const rules = await node.run('ipvsadm', ['-Sn'])
  for (const rule of ['-a -t 10.96.0.1:80 -r 10.1.1.2:8080 -m -w 3', '-a -t [fd00:96::1]:80 -r [fd00:1:2::2]:8080 -m -w 1'])
    expect(rules).toContain(rule)
  expect((await inside(node, ['plan', '-'])).stdout).toBe('The kernel holds what the file says: nothing is to be done.\n')

  const shown = (await inside(node, ['show', '-o', 'wide'])).stdout
  expect(shown).toMatch(/default\/web:http +tcp 10\.96\.0\.1:80 \(wrr\) +10\.1\.1\.2:8080 +75 %/)
  expect(shown).toMatch(/\[fd00:1:2::2\]:8080 +25 %/)
  expect(shown).toMatch(/default\/none:http +tcp 10\.96\.0\.2:80 .* refused/)
  const explained = await inside(node, ['explain', '[fd00:96::1]:80', '--from', addressOf.ip6(0)])
  expect(explained.stdout).toContain('Outcome: served by service default/web:http, at ')

  const stdout = new KeptStream()
  const ending = new AbortController()
  const watching = inside(node, ['watch', '--interval', '0.5', '-o', 'json'], { stdout, signal: ending.signal })
  await until('the first look', () => looksIn(stdout.text).length > 0, 60_000)
  expect(tally(await ask(client, 'tcp', '10.96.0.1', 80, 16))).toEqual({ s1: 12, s2: 4 })
  expect(tally(await ask(client, 'tcp', 'fd00:96::1', 80, 8))).toEqual({ s1: 6, s2: 2 })
  // IPVS adds up its counters every two seconds.
  await until('both families are counted', () => reached(stdout.text, 'fd00:96::1').size === 2, 60_000)
  ending.abort(new SignalError('SIGINT'))
  expect(await watching).toMatchObject({ status: 0, stderr: '' })
  expect(reached(stdout.text, '10.96.0.1')).toEqual(new Set([addressOf.ip(1), addressOf.ip(2)]))
  expect(reached(stdout.text, 'fd00:96::1')).toEqual(new Set([addressOf.ip6(1), addressOf.ip6(2)]))

  const drained = await inside(node, ['drain', '-', `${addressOf.ip(1)}:8080`, '--timeout', '60'])
  expect(drained).toMatchObject({ status: 0, stderr: '' })
  expect(await node.run('ipvsadm', ['-Sn'])).toContain('-a -t 10.96.0.1:80 -r 10.1.1.2:8080 -m -w 0')
  expect(tally(await ask(client, 'tcp', '10.96.0.1', 80, 4))).toEqual({ s2: 4 })

  const place = ['--netns', node.name]
  const around = { kernel: undefined, system: thisSystem, stdin: SERVICES }
  const cleaned = await command(['cleanup', ...place], around)
  expect(cleaned.status).toBe(0)
  expect(await node.run('ipvsadm', ['-Sn'])).toBe('')
  expect(await node.nft('list', 'ruleset')).toBe('')
  expect(await node.ip('-o', 'link', 'show', 'type', 'dummy')).toBe('')
})
