import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { collectFaults, formatFault, type Fault } from '../../../../../examples/proxy/configuration/faults.js'
import { readConfiguration } from '../../../../../examples/proxy/configuration/file.js'
import { writeConntrackSettings, writeOomScore } from '../../../../../examples/proxy/configuration/node-settings.js'
import { resolveConfiguration } from '../../../../../examples/proxy/configuration/resolve.js'
import { translateConfiguration } from '../../../../../examples/proxy/configuration/translate.js'
import { makeFolder } from '../../../../support/manifests.js'

type Translated = ReturnType<typeof translateConfiguration> & { readonly faults: string[] }

function translate(content: string, cores = 2): Translated {
  const { kubeProxy } = readConfiguration('f', `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n${content}\n`)
  const found: Fault[] = []
  const faults = collectFaults(found)
  return {
    ...translateConfiguration(resolveConfiguration(kubeProxy, faults), kubeProxy, faults, { cores }),
    faults: found.map(formatFault)
  }
}

const WITHOUT_LOOPBACK = '0.0.0.0/2,64.0.0.0/3,96.0.0.0/4,112.0.0.0/5,120.0.0.0/6,124.0.0.0/7,126.0.0.0/8,128.0.0.0/1'

/** Fields, the option of the planes, and whether loopback addresses serve, too. */
const NODE_PORTS: readonly [content: string, addresses: string, loopback: boolean | undefined][] = [
  ['', 'all', true],
  ['iptables: { localhostNodePorts: false }', 'all', false],
  ['mode: ipvs', 'all', undefined],
  ['mode: userspace', 'all', true],
  ['mode: userspace\nnodePortAddresses: [10.0.0.0/8]', '10.0.0.0/8,2000::/3,fc00::/7', false],
  ['mode: nftables', 'primary', false],
  ['mode: nftables\nbindAddress: 10.0.0.1', '10.0.0.1/32', false],
  ['nodePortAddresses: [primary]', 'primary', false],
  ['nodePortAddresses: [all]', 'all', true],
  ['mode: nftables\nnodePortAddresses: [all]', 'all', false],
  ['nodePortAddresses: [0.0.0.0/0]', 'all', true],
  ['nodePortAddresses: [10.0.0.0/8]', '10.0.0.0/8,2000::/3,fc00::/7', false],
  ['nodePortAddresses: ["fd00::/8"]', `${WITHOUT_LOOPBACK},fd00::/8`, false],
  ['nodePortAddresses: [localhost]', '127.0.0.0/8', true],
  ['nodePortAddresses: [10.0.0.0/8, localhost]', '10.0.0.0/8', true],
  [
    'mode: nftables\nnodePortAddresses: [10.0.0.0/8, localhost]\nfeatureGates: { KubeProxyNFTablesLocalhostNodePorts: true }',
    '10.0.0.0/8',
    true
  ]
]

it('serves node ports where kube-proxy does', () => {
  for (const [content, addresses, loopback] of NODE_PORTS) {
    const { values, configured, faults } = translate(content)
    expect([values['node-port-addresses'], configured.plane.loopbackNodePorts, faults], content).toEqual([addresses, loopback, []])
  }
  expect(translate('mode: ipvs\nnodePortAddresses: [10.0.0.0/8, localhost]').faults).toEqual([
    'f:4:20: warning: nodePortAddresses: node ports are not served at loopback addresses in mode ipvs'
  ])
  expect(translate('nodePortAddresses: [primary, 10.0.0.0/8]').faults[0]).toContain('primary has no effect beside prefixes')
})

it('tells planes what their mode takes', () => {
  expect(translate('conntrack: { tcpBeLiberal: true }').configured.plane).toEqual({ dropInvalid: false, loopbackNodePorts: true })
  expect(translate('').configured.plane).toEqual({ dropInvalid: true, loopbackNodePorts: true })
  const ipvs = 'mode: ipvs\nipvs: { scheduler: mh, excludeCIDRs: [10.0.0.0/8], strictARP: true, tcpTimeout: 15m, udpTimeout: 100ms }'
  expect(translate(ipvs).configured.plane).toEqual({
    scheduler: 'mh',
    excludeCIDRs: ['10.0.0.0/8'],
    strictArp: true,
    timeouts: { tcpSeconds: 900, udpSeconds: 1 }
  })
  expect(translate('mode: ipvs').configured.plane).toEqual({ scheduler: 'rr', excludeCIDRs: [], strictArp: false, timeouts: undefined })
  const userspace = translate('mode: userspace\nudpIdleTimeout: 250ms\niptables: { masqueradeAll: true }')
  expect(userspace).toMatchObject({ values: { masquerade: undefined }, faults: [] })
  expect(userspace.configured.plane).toEqual({ loopbackNodePorts: true, relays: { udpIdleSeconds: 1 } })
  expect(translate('udpIdleTimeout: 250ms').faults).toEqual([expect.stringContaining('only mode userspace')])
  for (const mode of ['iptables', 'ipvs'])
    expect(translate(`mode: ${mode}\niptables: { masqueradeBit: 3, masqueradeAll: true }`)).toMatchObject({
      values: { masquerade: 'all' },
      configured: { masqueradeBit: 3 }
    })
  expect(translate('mode: nftables\niptables: { masqueradeBit: 3, masqueradeAll: true }')).toMatchObject({
    values: { masquerade: undefined },
    configured: { masqueradeBit: 14 }
  })
})

it('knows who is local', () => {
  const clients = 'clusterCIDR: 10.244.0.0/16\ndetectLocal: { bridgeInterface: cni0, interfaceNamePrefix: veth }\n'
  const local = (mode: string): unknown[] => {
    const { values, configured } = translate(`${clients}detectLocalMode: ${mode}`)
    return [values['local-sources'], values['local-bridge'], values['local-interface-prefix'], configured.isLocalByNode]
  }
  expect(local('ClusterCIDR')).toEqual(['10.244.0.0/16', undefined, undefined, false])
  expect(local('BridgeInterface')).toEqual([undefined, 'cni0', undefined, false])
  expect(local('InterfaceNamePrefix')).toEqual([undefined, undefined, 'veth', false])
  expect(local('NodeCIDR')).toEqual([undefined, undefined, undefined, true])
})

it('computes limits of connection tracking as kube-proxy does', () => {
  expect(translate('', 2).configured.conntrack).toEqual({
    maxEntries: 131_072,
    tcpEstablishedTimeoutSeconds: 86_400,
    tcpCloseWaitTimeoutSeconds: 3600
  })
  expect(translate('', 8).configured.conntrack.maxEntries).toBe(262_144)
  expect(translate('', 256).configured.conntrack.maxEntries).toBe(1_048_576)
  expect(translate('conntrack: { maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s }').configured.conntrack).toEqual({})
})

it('asks for objects as client-go would: for what is accepted, else for what is written, and for protobuf where it knows neither', () => {
  const asked = (connection: string): [string, number] => {
    const { configured, faults } = translate(`clientConnection: ${connection}`)
    return [configured.api.encoding, faults.length]
  }
  expect(asked('{}')).toEqual(['protobuf', 0])
  expect(asked('{ contentType: application/json }')).toEqual(['json', 0])
  expect(asked('{ acceptContentTypes: "application/vnd.kubernetes.protobuf, */*" }')).toEqual(['protobuf', 0])
  expect(asked('{ acceptContentTypes: "application/cbor,application/JSON;q=0.5,application/vnd.kubernetes.protobuf" }')).toEqual([
    'json',
    0
  ])
  // What is written is JSON all the same.
  expect(asked('{ acceptContentTypes: application/vnd.kubernetes.protobuf, contentType: application/json }')).toEqual(['protobuf', 1])
  expect(asked('{ acceptContentTypes: application/cbor }')).toEqual(['protobuf', 1])
  // What has no effect takes none from the other.
  expect(asked('{ acceptContentTypes: application/cbor, contentType: application/json }')).toEqual(['json', 1])
})

it('warns of what has no effect, with the reason', () => {
  const content =
    'showHiddenMetricsForVersion: "1.30"\nclientConnection: { contentType: application/yaml }\nfeatureGates: { A: true }\nportRange: "1-2"\nbindAddress: 10.0.0.1'
  expect(translate(content).faults).toEqual([
    expect.stringContaining('f:4:34: warning: clientConnection.contentType: it has no effect: objects are asked for as application/'),
    expect.stringContaining('f:3:30: warning: showHiddenMetricsForVersion: it has no effect'),
    expect.stringContaining('f:6:12: warning: portRange: it has no effect'),
    expect.stringContaining('f:5:15: warning: featureGates.A: it has no effect'),
    expect.stringContaining('f:7:14: warning: bindAddress: it has no effect')
  ])
})

it('writes settings of connection tracking, each for itself, and lowers no size', async () => {
  const times = { udpTimeoutSeconds: 30, udpStreamTimeoutSeconds: 120, tcpEstablishedTimeoutSeconds: 432_000 }
  const kernel: Record<string, number | boolean> = { maxEntries: 10, buckets: 4, ...times, tcpBeLiberal: false }
  const client = {
    readSettings: (names: readonly string[] = []) =>
      Promise.resolve(Object.fromEntries(names.flatMap((name) => (name in kernel ? [[name, kernel[name]]] : [])))),
    writeSettings: (settings: object) => {
      if ('maxEntries' in settings) return Promise.reject(new Error('EROFS'))
      Object.assign(kernel, settings)
      return Promise.resolve()
    }
  }
  const outcomes = await writeConntrackSettings(client, {
    maxEntries: 40,
    udpTimeoutSeconds: 20,
    udpStreamTimeoutSeconds: 120,
    tcpEstablishedTimeoutSeconds: 86_400,
    tcpBeLiberal: true
  })
  expect(outcomes.map(({ setting, outcome }) => `${setting} ${outcome}`)).toEqual([
    'maxEntries failed',
    'udpTimeoutSeconds written',
    'udpStreamTimeoutSeconds kept',
    // The kernel's own is five days, and kube-proxy's default one.
    'tcpEstablishedTimeoutSeconds written',
    'tcpBeLiberal written',
    'buckets written'
  ])
  expect(kernel).toMatchObject({ maxEntries: 10, buckets: 10, udpTimeoutSeconds: 20, tcpEstablishedTimeoutSeconds: 86_400 })
  // Others may need more room.
  expect(await writeConntrackSettings(client, { maxEntries: 5 })).toMatchObject([{ outcome: 'kept' }, { outcome: 'kept' }])
  const file = join(await makeFolder(), 'score')
  await writeFile(file, '')
  expect(await writeOomScore(-5, file)).toMatchObject({ outcome: 'written' })
  expect(await writeOomScore(-5, join(file, 'x'))).toMatchObject({ outcome: 'failed' })
})
