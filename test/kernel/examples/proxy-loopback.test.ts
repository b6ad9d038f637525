import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { patience } from '../../support/lab.js'
import { makeFolder, PROXY } from '../../support/manifests.js'
import { addressOf, ask, makeServingNetwork, tally } from '../../support/service-network.js'

const timeout = 20_000 * patience

const SERVICES = `
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  clusterIPs: [10.96.0.1, 'fd00:96::1']
  ports: [{ port: 80, nodePort: 30080 }]
---
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [{ addresses: [${addressOf.ip(1)}] }]
---
kind: EndpointSlice
metadata: { name: web-2, labels: { kubernetes.io/service-name: web } }
addressType: IPv6
ports: [{ port: 8080 }]
endpoints: [{ addresses: ['${addressOf.ip6(1)}'] }]
`

it('serves node ports at 127.0.0.1 and ::1 beside those of each mode, when it is killed and started again, and when the mode changes', async () => {
  const network = await makeServingNetwork(1)
  const { node, client } = network
  const [manifests, folder] = [await makeFolder(), await makeFolder()]
  await writeFile(join(manifests, 'web.yaml'), SERVICES)
  const file = join(folder, 'config.yaml')
  let version = 0
  const configure = (mode: string, more = 'loopbackNodePorts: true\n'): Promise<void> =>
    writeFile(
      file,
      `# ${++version}\napiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ${mode}\nnodePortAddresses: [all]\n---\n` +
        `apiVersion: netplane.dev/v1alpha1\nkind: NetplaneProxyConfiguration\nmanifests: ${manifests}\n${more}`
    )
  const asked = async (): Promise<string[]> => {
    const found: string[] = []
    for (const [from, address] of [
      [node, '127.0.0.1'],
      [node, '::1'],
      [client, '10.1.0.1'],
      [client, 'fd00:1:0::1']
    ] as const)
      found.push(Object.keys(tally(await ask(from, 'tcp', address, 30_080, 2))).join())
    return found
  }
  const answer = async (...answers: string[]): Promise<void> =>
    await vi.waitFor(async () => expect(await asked()).toEqual(answers), { timeout, interval: 200 })

  await configure('iptables')
  const start = () => node.background(process.execPath, [PROXY, '--config', file])
  const first = start()
  await answer('s1', 's1', 's1', 's1')
  expect((await node.run('cat', ['/proc/sys/net/ipv4/conf/all/route_localnet'])).trim()).toBe('0')
  process.kill(first.pid, 'SIGKILL')
  await answer('ConnectionRefusedError', 'ConnectionRefusedError', 's1', 's1')
  const second = start()
  await answer('s1', 's1', 's1', 's1')
  await configure('nftables')
  await second.waitFor('"msg":"the rules of the last configuration are gone"')
  await answer('s1', 's1', 's1', 's1')
  const tables = async (): Promise<string[]> => (await node.nft('list', 'tables')).trim().split('\n').sort()
  const both = (name: string): string[] => ['ip', 'ip6'].map((family) => `table ${family} ${name}`)
  expect(await tables()).toEqual([...both('netplane'), ...both('netplane-loopback-userspace')].sort())
  await configure('nftables', '')
  await answer('ConnectionRefusedError', 'ConnectionRefusedError', 's1', 's1')
  expect(await tables()).toEqual(both('netplane'))
  expect(second.output()).not.toMatch(/"level":(50|"error")/)
}, 240_000)
