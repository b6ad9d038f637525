import { describe, expect, test } from 'vitest'
import { commandInside } from '../../support/command-inside.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'

const SERVICES = `services:
  - name: default/web:http
    protocol: tcp
    frontends:
      - { kind: cluster, address: 10.96.0.1, port: 80 }
      - { kind: node, port: 30080 }
    endpoints:
      - { address: 10.1.0.1, port: 8080 }
      - { address: 10.1.0.2, port: 8080 }
  - name: default/empty
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.2, port: 80 }]
    endpoints: []
`

interface Frontend {
  readonly service?: string
  readonly family: string
  readonly address?: string
  readonly missing?: readonly string[]
}

async function applied(mode: string): Promise<TestNamespace> {
  const namespace = await makeNamespace()
  await run(namespace, ['apply', '-', '--mode', mode])
  return namespace
}

async function run(namespace: TestNamespace, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await commandInside(namespace, args, { stdin: SERVICES })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

/** What is missing of a frontend, by its address; that of ports of this node by `ip`. */
async function missing(namespace: TestNamespace): Promise<ReadonlyMap<string, readonly string[]>> {
  const { frontends } = JSON.parse(await run(namespace, ['show', '-o', 'json'])) as { readonly frontends: readonly Frontend[] }
  return new Map(frontends.map(({ address, family, missing: lacking = [] }) => [address ?? family, lacking]))
}

const explain = (namespace: TestNamespace, mode: string, target = '10.96.0.1:80'): Promise<string> =>
  run(namespace, ['explain', target, '--mode', mode])

const REFUSED = 'Outcome: refused with ICMP "port unreachable", because part of what leads to the endpoints of the service is missing.'

describe('what the kernel lacks of services of mode nftables', () => {
  test.each([
    ['flush map ip netplane endpoints-random-2', '2 of 2 elements of map ip netplane endpoints-random-2', REFUSED],
    [
      'delete element ip netplane endpoints-random-2 { 10.96.0.1 . tcp . 80 . 0 }',
      '1 of 2 elements of map ip netplane endpoints-random-2',
      '50 % of new connections are not served, because part of what leads to the endpoints of the service is missing.'
    ],
    ['flush set ip netplane random-2', 'an element of set ip netplane random-2', REFUSED],
    [
      'flush set ip netplane cluster-ips',
      'an element of set ip netplane cluster-ips or external-ips',
      'Outcome: left alone, because part of what leads to the endpoints of the service is missing.'
    ],
    ['flush chain ip netplane nat-output', 'a rule of chain ip netplane nat-output that leads to dispatch', REFUSED],
    ['delete chain ip netplane nat-output', 'chain ip netplane nat-output', REFUSED],
    ['flush chain ip netplane dispatch', 'a rule of chain ip netplane dispatch that leads to services', REFUSED],
    ['flush chain ip netplane services', 'the rules of table ip netplane that lead to frontends in set random-2', REFUSED],
    ['flush chain ip netplane lb-random-2', 'the rules of table ip netplane that lead to frontends in set random-2', REFUSED],
    [
      'flush chain ip netplane nat-postrouting',
      'a rule of chain ip netplane nat-postrouting that leads to translated',
      'Outcome: served by service default/web:http, at 10.1.0.1:8080 (50 %), 10.1.0.2:8080 (50 %).'
    ],
    [
      'add table ip netplane { flags dormant; }',
      'the hooks of table ip netplane, which is dormant',
      'Outcome: left alone, because part of what leads to the endpoints of the service is missing.'
    ]
  ])('is told after: %s', async (change, lacking, outcome) => {
    const namespace = await applied('nftables')
    expect((await missing(namespace)).get('10.96.0.1')).toEqual([])
    await namespace.nftScript(change)
    expect((await missing(namespace)).get('10.96.0.1')).toEqual([lacking])
    expect(await run(namespace, ['show'])).toMatch(/10\.96\.0\.1:80 .* incomplete: lacks /)
    const explained = await explain(namespace, 'nftables')
    expect(explained).toContain(`The kernel lacks ${lacking}.\n`)
    expect(explained).toContain(outcome)
  })

  test('is told of refusals, and of hooks that are asked too late', async () => {
    const namespace = await applied('nftables')
    await namespace.nftScript('flush chain ip netplane filter-output')
    const lacking = 'a rule of chain ip netplane filter-output that leads to new-output'
    expect((await missing(namespace)).get('10.96.0.2')).toEqual([lacking])
    expect((await missing(namespace)).get('10.96.0.1')).toEqual([])
    expect(await explain(namespace, 'nftables', '10.96.0.2:80')).toContain(
      `The kernel lacks ${lacking}.\nOutcome: left alone, because part of what leads to the endpoints of the service is missing.`
    )
    await namespace.nftScript(`delete chain ip netplane nat-output
      add chain ip netplane nat-output { type nat hook output priority 50; }`)
    expect((await missing(namespace)).get('10.96.0.1')).toEqual(['the hook of chain ip netplane nat-output'])
  })

  test('is nothing for ports that no service has', async () => {
    const namespace = await applied('nftables')
    await namespace.nftScript('flush chain ip netplane nat-output')
    const explained = await explain(namespace, 'nftables', '10.96.0.1:81')
    expect(explained).not.toContain('lacks')
    expect(explained).toContain('because the address is one of a service, which does not have this port and protocol.')
  })
})

describe('what the kernel lacks of services of mode iptables', () => {
  async function chainOf(namespace: TestNamespace, pattern: RegExp): Promise<string> {
    const [, chain] = pattern.exec(await namespace.run('iptables-nft-save', ['-t', 'nat'])) ?? []
    return chain!
  }

  test.each([
    ['OUTPUT', 'a rule of chain ip nat OUTPUT that leads to KUBE-SERVICES', REFUSED],
    ['POSTROUTING', 'a rule of chain ip nat POSTROUTING that leads to KUBE-POSTROUTING', 'Outcome: served by service default/web:http']
  ])('is told where chain %s is flushed', async (chain, lacking, outcome) => {
    const namespace = await applied('iptables')
    expect((await missing(namespace)).get('10.96.0.1')).toEqual([])
    await namespace.run('iptables-nft', ['-t', 'nat', '-F', chain])
    expect((await missing(namespace)).get('10.96.0.1')).toEqual([lacking])
    const explained = await explain(namespace, 'iptables')
    expect(explained).toContain(`The kernel lacks ${lacking}.\n`)
    expect(explained).toContain(outcome)
  })

  test('is told where the rules of an endpoint, or of all of them, are gone', async () => {
    const namespace = await applied('iptables')
    const [endpoint, all] = [
      await chainOf(namespace, /-A (KUBE-SEP-\w+) .*10\.1\.0\.2:8080/),
      await chainOf(namespace, /-A KUBE-SERVICES -d 10\.96\.0\.1\/32 .* -j (KUBE-SVC-\w+)/)
    ]
    await namespace.run('iptables-nft', ['-t', 'nat', '-F', endpoint])
    expect((await missing(namespace)).get('10.96.0.1')).toEqual([`rules of chain ip nat ${endpoint}`])
    const explained = await explain(namespace, 'iptables')
    expect(explained).toContain(`The kernel lacks rules of chain ip nat ${endpoint}.\n`)
    expect(explained).toContain('at 10.1.0.1:8080 (50 %); 50 % of new connections are not served')
    await namespace.run('iptables-nft', ['-t', 'nat', '-F', all])
    expect((await missing(namespace)).get('10.96.0.1')).toEqual([`rules of chain ip nat ${all}`])
    expect(await explain(namespace, 'iptables')).toContain(REFUSED)
  })

  test('is what masquerades, or a rule of another process drops the packet', async () => {
    const namespace = await makeNamespace()
    const stdin = SERVICES.replace('kind: cluster', 'kind: external')
    await commandInside(namespace, ['apply', '-', '--mode', 'iptables'], { stdin })
    const outside = (): Promise<string> => run(namespace, ['explain', '10.96.0.1:80', '--from', '192.0.2.1', '--mode', 'iptables'])
    expect(await outside()).toContain('see an address of this node')
    await namespace.run('iptables-nft', ['-t', 'nat', '-F', 'KUBE-POSTROUTING'])
    const explained = await outside()
    expect(explained).toContain('The kernel lacks rules of chain ip nat KUBE-POSTROUTING.\n')
    expect(explained).toContain("see the client's address, because part of what gives it one of this node is missing.\n")
    await namespace.nftScript('insert rule ip nat KUBE-SERVICES ip saddr 192.0.2.1 drop')
    expect(await outside()).toContain("Outcome: dropped without an answer, because a rule that is not the plane's says so.")
  })

  test('is told of refusals', async () => {
    const namespace = await applied('iptables')
    await namespace.run('iptables-nft', ['-t', 'filter', '-F', 'OUTPUT'])
    expect((await missing(namespace)).get('10.96.0.2')).toEqual(['a rule of chain ip filter OUTPUT that leads to KUBE-SERVICES'])
  })
})
