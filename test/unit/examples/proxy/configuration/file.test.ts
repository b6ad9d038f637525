import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { expect, it } from 'vitest'
import { collectFaults, formatFault, type Fault } from '../../../../../examples/proxy/configuration/faults.js'
import { FIELDS, type KubeProxyConfiguration } from '../../../../../examples/proxy/configuration/fields.js'
import { readConfiguration } from '../../../../../examples/proxy/configuration/file.js'
import { resolveConfiguration } from '../../../../../examples/proxy/configuration/resolve.js'
import { documentOf, writeConfiguration } from '../../../../../examples/proxy/configuration/write.js'

const GOLDENS = new URL('goldens/', import.meta.url)
const golden = (name: string): string => readFileSync(new URL(name, GOLDENS), 'utf8')
const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

function load(content: string): { readonly configuration: KubeProxyConfiguration; readonly faults: string[]; readonly found: Fault[] } {
  const { kubeProxy, place, faults } = readConfiguration('f', content)
  const found: Fault[] = [...faults]
  const configuration = resolveConfiguration(kubeProxy, collectFaults(found), place)
  return { configuration, faults: found.map(formatFault), found }
}

it('reads the files that people have, and tells what is misplaced in them', () => {
  for (const name of readdirSync(GOLDENS).filter((file) => file.endsWith('.yaml')))
    expect(
      load(golden(name)).found.filter(({ severity }) => severity === 'error'),
      name
    ).toEqual([])
  const { configuration, faults } = load(golden('kubeadm-ipvs.yaml'))
  expect(faults).toEqual(['f:46:4: warning: logging.json: there is no such field; logging.options.json was meant, perhaps'])
  expect(configuration).toMatchObject({
    mode: 'ipvs',
    bindAddress: '0.0.0.0',
    healthzBindAddress: '0.0.0.0:10256',
    metricsBindAddress: '127.0.0.1:10249',
    'clientConnection.contentType': 'application/vnd.kubernetes.protobuf',
    'clientConnection.qps': 50,
    'logging.flushFrequency': 5000,
    configSyncPeriod: 900_000,
    'ipvs.minSyncPeriod': 0,
    'conntrack.tcpEstablishedTimeout': 86_400_000
  })
  expect(load(golden('small.yaml')).configuration).toMatchObject({
    mode: 'iptables',
    'iptables.syncPeriod': 5000,
    'iptables.minSyncPeriod': 2000,
    'ipvs.scheduler': 'rr',
    'ipvs.excludeCIDRs': ['192.168.0.0/16']
  })
})

it('writes what a kube-proxy writes', () => {
  const { configuration } = load(HEAD)
  expect(parse(writeConfiguration(configuration))).toEqual(parse(golden('default-config.yaml')))
  expect(load(writeConfiguration(configuration)).configuration).toEqual({
    ...configuration,
    // A kube-proxy writes the periods of its own mode, and reads the default in the place of the others.
    'ipvs.syncPeriod': 30_000
  })
  const other = load(
    `${HEAD}mode: nftables\nlogging: { vmodule: [{ filePattern: a*, verbosity: 3 }] }\nfeatureGates: { A: true }`
  ).configuration
  expect(documentOf(other)).toMatchObject({
    nftables: { syncPeriod: '30s', minSyncPeriod: '1s' },
    iptables: { syncPeriod: '0s' },
    logging: { vmodule: [{ filePattern: 'a*', verbosity: 3 }] },
    featureGates: { A: true }
  })
})

/** Given, and what the field is then. */
const VALUES: readonly [path: keyof KubeProxyConfiguration, given: string, value: unknown][] = [
  ['clientConnection.kubeconfig', '"/k"', '/k'],
  ['clientConnection.acceptContentTypes', 'a', 'a'],
  ['clientConnection.contentType', '""', 'application/vnd.kubernetes.protobuf'],
  ['clientConnection.qps', '0', 5],
  ['clientConnection.qps', '2.5', 2.5],
  ['clientConnection.burst', '0', 10],
  ['clientConnection.burst', '100', 100],
  ['logging.format', 'json', 'json'],
  ['logging.flushFrequency', '5000000000', 5000],
  ['logging.flushFrequency', '7s', 7000],
  ['logging.verbosity', '4', 4],
  ['logging.options.text.splitStream', 'true', true],
  ['logging.options.text.infoBufferSize', '5Mi', '5Mi'],
  ['logging.options.json.splitStream', 'true', true],
  ['logging.options.json.infoBufferSize', '512', '512'],
  ['featureGates', '{ A: true, B: false }', { A: true, B: false }],
  ['hostnameOverride', 'node-a', 'node-a'],
  ['hostnameOverride', '12', '12'],
  ['bindAddress', '""', '0.0.0.0'],
  ['bindAddress', '10.0.0.1', '10.0.0.1'],
  ['healthzBindAddress', '10.0.0.1', '10.0.0.1:10256'],
  ['healthzBindAddress', '"[::]:80"', '[::]:80'],
  ['healthzBindAddress', '"::1"', '[::1]:10256'],
  ['metricsBindAddress', '0.0.0.0', '0.0.0.0:10249'],
  ['bindAddressHardFail', 'yes', true],
  ['enableProfiling', 'true', true],
  ['showHiddenMetricsForVersion', '"1.36"', '1.36'],
  ['mode', '""', 'iptables'],
  ['mode', 'nftables', 'nftables'],
  ['iptables.masqueradeBit', '0', 0],
  ['iptables.masqueradeBit', 'null', 14],
  ['iptables.masqueradeAll', 'true', true],
  ['iptables.localhostNodePorts', 'false', false],
  ['iptables.syncPeriod', '0s', 30_000],
  ['iptables.minSyncPeriod', '0s', 1000],
  ['ipvs.syncPeriod', '0s', 30_000],
  ['ipvs.minSyncPeriod', '2s', 2000],
  ['ipvs.scheduler', 'mh', 'mh'],
  ['ipvs.excludeCIDRs', '[10.0.0.0/8]', ['10.0.0.0/8']],
  ['ipvs.strictARP', 'true', true],
  ['ipvs.tcpTimeout', '15m', 900_000],
  ['ipvs.tcpFinTimeout', '30s', 30_000],
  ['ipvs.udpTimeout', '0s', 0],
  ['nftables.masqueradeBit', '31', 31],
  ['nftables.masqueradeAll', 'true', true],
  ['nftables.syncPeriod', '10s', 10_000],
  ['nftables.minSyncPeriod', '0s', 1000],
  ['detectLocalMode', '""', 'ClusterCIDR'],
  ['detectLocalMode', 'NodeCIDR', 'NodeCIDR'],
  ['detectLocal.bridgeInterface', 'cni0', 'cni0'],
  ['detectLocal.interfaceNamePrefix', 'veth', 'veth'],
  ['clusterCIDR', '10.244.0.0/16,fd00::/56', '10.244.0.0/16,fd00::/56'],
  ['nodePortAddresses', '[primary, localhost, 10.0.0.0/8]', ['primary', 'localhost', '10.0.0.0/8']],
  ['nodePortAddresses', 'null', []],
  ['oomScoreAdj', '0', 0],
  ['oomScoreAdj', 'null', -999],
  ['configSyncPeriod', '0s', 900_000],
  ['conntrack.maxPerCore', '0', 0],
  ['conntrack.maxPerCore', 'null', 32_768],
  ['conntrack.min', '0', 0],
  ['conntrack.tcpEstablishedTimeout', '0s', 0],
  ['conntrack.tcpCloseWaitTimeout', 'null', 3_600_000],
  ['conntrack.tcpBeLiberal', 'true', true],
  ['conntrack.udpTimeout', '30s', 30_000],
  ['conntrack.udpStreamTimeout', '3m', 180_000],
  ['portRange', '"1000-2000"', '1000-2000'],
  ['udpIdleTimeout', '250ms', 250],
  ['resourceContainer', '/kube-proxy', '/kube-proxy'],
  ['winkernel.networkName', 'a', 'a'],
  ['winkernel.sourceVip', 'a', 'a'],
  ['winkernel.enableDSR', 'true', true],
  ['winkernel.rootHnsEndpointName', 'a', 'a'],
  ['winkernel.forwardHealthCheckVip', 'true', true],
  ['windowsRunAsService', 'true', true],
  ['logging.vmodule', '[{ filePattern: a, verbosity: 2 }]', ['a=2']]
]

function nested(path: string, given: string): string {
  const parts = path.split('.')
  return `${HEAD}${parts
    .slice(0, -1)
    .map((part, depth) => `${'  '.repeat(depth)}${part}:\n`)
    .join('')}${'  '.repeat(parts.length - 1)}${parts.at(-1)!}: ${given}\n`
}

it('takes every field, with the defaults of what is unset or zero', () => {
  for (const [path, given, value] of VALUES) {
    const { configuration, found } = load(nested(path, given))
    expect(
      found.filter(({ field }) => !field.startsWith('detectLocal')),
      path
    ).toEqual([])
    expect(configuration[path], `${path}: ${given}`).toEqual(value)
  }
  expect(new Set(VALUES.map(([path]) => path))).toEqual(new Set(Object.keys(FIELDS)))
  expect(load(`${HEAD}bindAddress: "fd00::1"\n`).configuration).toMatchObject({
    healthzBindAddress: '[::]:10256',
    metricsBindAddress: '[::1]:10249'
  })
})

/** Given, and what is wrong with it. */
const WRONG: readonly [path: string, given: string, message: string][] = [
  ['mode', 'IPVS', '"IPVS": iptables, ipvs, nftables or userspace is wanted'],
  ['mode', '[a]', '["a"] is not a text'],
  ['iptables.syncPeriod', '30', '30 is not a duration with its unit'],
  ['iptables.syncPeriod', '-1s', '"-1s": more than 0 is wanted'],
  ['iptables.minSyncPeriod', '1m', 'not more than iptables.syncPeriod is wanted'],
  ['iptables.masqueradeBit', '32', '32: a number from 0 to 31 is wanted'],
  ['iptables.masqueradeBit', '"14"', '"14" is not an integer'],
  ['iptables.masqueradeAll', '"true"', '"true" is not true or false'],
  ['iptables', '[]', '[] stands where a map of fields is wanted'],
  ['clusterCIDR', '10.0.0.0/8,10.1.0.0/16', 'of two prefixes one must be IPv4 and one IPv6'],
  ['clusterCIDR', '10.0.0.1', '"10.0.0.1" is no prefix'],
  ['nodePortAddresses', '[Primary]', '"Primary" is neither a prefix nor one of primary, localhost, all'],
  ['nodePortAddresses', 'primary', '"primary" is not a list of texts'],
  ['bindAddress', 'here', 'an IP address is wanted'],
  ['healthzBindAddress', '"1.2.3.4:99999"', 'an IP address with a port is wanted'],
  ['oomScoreAdj', '1001', 'a number from -1000 to 1000 is wanted'],
  ['conntrack.maxPerCore', '-1', 'not less than 0 is wanted'],
  ['conntrack.udpTimeout', '-1s', 'not less than 0 is wanted'],
  ['configSyncPeriod', '-1s', 'more than 0 is wanted'],
  ['detectLocalMode', 'nodeCIDR', 'NodeCIDR, BridgeInterface or InterfaceNamePrefix is wanted'],
  ['detectLocalMode', 'BridgeInterface', 'the name of the bridge is missing'],
  ['detectLocalMode', 'InterfaceNamePrefix', 'the beginning of the names is missing'],
  ['detectLocal.bridgeInterface', 'a-name-of-sixteen', 'the name of a device is wanted'],
  ['featureGates', '{ A: "yes" }', 'is not names with true or false'],
  ['logging.format', 'xml', 'text or json is wanted'],
  ['logging.options.json.infoBufferSize', 'much', 'a quantity is wanted'],
  ['showHiddenMetricsForVersion', 'v1', 'a minor version is wanted']
]

it('says what is wrong with a field, and where', () => {
  for (const [path, given, message] of WRONG) {
    const errors = load(nested(path, given)).found.filter(({ severity }) => severity === 'error')
    expect(errors, `${path}: ${given}`).toEqual([expect.objectContaining({ message: expect.stringContaining(message) as string })])
  }
})

it('tells all faults of a file at once, with line and column', () => {
  const { faults } = load(
    `${HEAD}mode: fast\niptables:\n  MasqueradeBit: 3\n  syncPeriod: 5\noomScoreAdj: x\noomScoreAdj: 5\nclusterCidr: 10.0.0.0/8\n`
  )
  expect(faults).toEqual([
    'f:5:3: warning: iptables.MasqueradeBit: there is no such field; iptables.masqueradeBit was meant, perhaps',
    'f:6:15: error: iptables.syncPeriod: 5 is not a duration with its unit, such as "30s", "1h30m" or "250ms"',
    'f:7:14: error: oomScoreAdj: "x" is not an integer',
    'f:8:1: warning: oomScoreAdj: the field is there twice, and the last one counts',
    'f:9:1: warning: clusterCidr: there is no such field; clusterCIDR was meant, perhaps',
    'f:3:7: error: mode: "fast": iptables, ipvs, nftables or userspace is wanted'
  ])
})

it('only warns of values that the mode does not read', () => {
  const wrong = 'ipvs: { scheduler: fast, syncPeriod: 1s, minSyncPeriod: 2s }\n'
  expect(load(`${HEAD}${wrong}`).found.map(({ severity }) => severity)).toEqual(['warning', 'warning'])
  expect(load(`${HEAD}mode: ipvs\n${wrong}`).found.map(({ severity }) => severity)).toEqual(['error', 'error'])
})

it('finds its documents among those of others', () => {
  const file = `apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n---\n${HEAD}mode: ipvs\n---\n---\napiVersion: v1\nkind: Service\n`
  expect(load(file)).toMatchObject({
    configuration: { mode: 'ipvs' },
    faults: ['f:9:1: warning: a document of kind Service is passed over']
  })
  expect(
    load(JSON.stringify({ apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', oomScoreAdj: 3 }, null, 1))
      .configuration.oomScoreAdj
  ).toBe(3)
  const netplane = 'apiVersion: netplane.dev/v1alpha1\nkind: NetplaneProxyConfiguration\nmanifests: /m\nzones: a\n'
  const read = readConfiguration('f', netplane)
  expect(read.netplane.get('manifests')?.value).toBe('/m')
  expect(read.faults.map(formatFault)).toEqual(['f:4:1: error: zones: there is no such field'])
  const errors: readonly [content: string, message: string][] = [
    ['', 'f: error: the file has no KubeProxyConfiguration'],
    [
      'kind: KubeProxyConfiguration\n',
      'f:1:1: error: apiVersion: "": kubeproxy.config.k8s.io/v1alpha1 is wanted for KubeProxyConfiguration'
    ],
    ['a: 1\n', 'f:1:1: error: kind: the field is missing: KubeProxyConfiguration or NetplaneProxyConfiguration is wanted'],
    [`${HEAD}---\n${HEAD}`, 'f:4:1: error: the file has more than one KubeProxyConfiguration'],
    ['- a\n', 'f:1:1: error: the document is no map of fields']
  ]
  for (const [content, message] of errors) expect(load(content).faults, content).toEqual([message])
  expect(load(`${HEAD}mode: [\n`).faults[0]).toMatch(/^f:\d+:\d+: error: /)
})

it('merges maps as YAML 1.1 does', () => {
  const { configuration, faults } = load(
    `${HEAD}iptables: &common { syncPeriod: 7s, minSyncPeriod: 2s }\nnftables: { <<: *common, minSyncPeriod: 3s }\n`
  )
  expect(faults).toEqual([])
  expect(configuration).toMatchObject({ 'nftables.syncPeriod': 7000, 'nftables.minSyncPeriod': 3000 })
})
