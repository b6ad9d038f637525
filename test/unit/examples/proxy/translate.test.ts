import { describe, expect, it } from 'vitest'
import type { Endpoint, Frontend, Service } from '../../../../src/index.js'
import { drainPolicyOf } from '../../../../examples/proxy/kubernetes/draining.js'
import { findHealthChecks } from '../../../../examples/proxy/kubernetes/health-checks.js'
import { shapeProblem } from '../../../../examples/proxy/kubernetes/shape.js'
import { translate } from '../../../../examples/proxy/kubernetes/translate.js'
import type { KubernetesObject } from '../../../../examples/proxy/kubernetes/types.js'

/** Two endpoints here and one elsewhere, in both families. */
const ENDPOINTS = [
  { addresses: ['10.244.0.11'], nodeName: 'node-a' },
  { addresses: ['10.244.0.12'], nodeName: 'node-a' },
  { addresses: ['10.244.1.13'], nodeName: 'node-b' }
]
const HTTP = { name: 'http', port: 80, protocol: 'TCP' }

function service(spec: object, more: object = {}): KubernetesObject {
  const metadata = { name: 'web', namespace: 'gold' }
  return {
    kind: 'Service',
    metadata,
    spec: { clusterIP: '10.96.1.1', clusterIPs: ['10.96.1.1'], ports: [HTTP], ...spec },
    ...more
  }
}

function slice(endpoints: readonly object[] = ENDPOINTS, more: object = {}): KubernetesObject {
  const metadata = { name: 'web-1', namespace: 'gold', labels: { 'kubernetes.io/service-name': 'web' } }
  const ports = [{ name: 'http', port: 8080, protocol: 'TCP' }]
  return { kind: 'EndpointSlice', metadata, addressType: 'IPv4', ports, endpoints, ...more }
}

function translated(...objects: KubernetesObject[]): Service | undefined {
  return translate(objects, { nodeName: 'node-a' }).get('gold/web:http')
}

const frontendsOf = (spec: object, more: object = {}): readonly Frontend[] | undefined =>
  translated(service(spec, more), slice())?.frontends
const endpointsOf = (...slices: KubernetesObject[]): readonly Endpoint[] | undefined => translated(service({}), ...slices)?.endpoints
const CLUSTER = { kind: 'cluster', address: '10.96.1.1', port: 80 }

describe('frontends', () => {
  it('are the cluster addresses, with the internal policy', () => {
    expect(frontendsOf({ clusterIPs: ['10.96.1.1', 'fd00:10:96::101'] })).toEqual([CLUSTER, { ...CLUSTER, address: 'fd00:10:96::101' }])
    expect(frontendsOf({ internalTrafficPolicy: 'Cluster' })).toEqual([CLUSTER])
    expect(frontendsOf({ internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Cluster' })).toEqual([
      { ...CLUSTER, trafficPolicy: 'local' }
    ])
  })

  it('are node ports, in the families of the service, with the external policy', () => {
    const ports = [{ ...HTTP, nodePort: 30_080 }]
    expect(frontendsOf({ type: 'NodePort', ports })).toEqual([CLUSTER, { kind: 'node', port: 30_080, family: 'ip' }])
    const both = { type: 'NodePort', ports, clusterIPs: ['10.96.1.1', 'fd00:10:96::101'], externalTrafficPolicy: 'Local' }
    expect(frontendsOf(both)?.slice(2)).toEqual([{ kind: 'node', port: 30_080, trafficPolicy: 'local' }])
    expect(frontendsOf({ clusterIP: null, clusterIPs: null, ports })).toEqual([{ kind: 'node', port: 30_080 }])
    expect(frontendsOf({ ports: [{ ...HTTP, nodePort: 0 }] })).toEqual([CLUSTER])
  })

  it('are addresses of load balancers that hand packets on as they are', () => {
    const ingress = [
      { ip: '203.0.113.40', ipMode: 'Proxy' },
      { ip: '203.0.113.41', ipMode: 'VIP' },
      { ip: '203.0.113.42' },
      { hostname: 'lb.example.org' },
      // The service has no IPv6.
      { ip: 'fd00:203::1' }
    ]
    const policy = { externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Cluster' }
    expect(frontendsOf({ type: 'LoadBalancer', ...policy }, { status: { loadBalancer: { ingress } } })).toEqual([
      CLUSTER,
      { kind: 'loadBalancer', address: '203.0.113.41', port: 80, trafficPolicy: 'local' },
      { kind: 'loadBalancer', address: '203.0.113.42', port: 80, trafficPolicy: 'local' }
    ])
  })

  it('take clients in the ranges of their family alone', () => {
    const ingress = [{ ip: '203.0.113.10' }, { ip: 'fd00:203::1' }]
    const clusterIPs = ['10.96.1.1', 'fd00:10:96::101']
    const allowed = (...loadBalancerSourceRanges: string[]): unknown =>
      frontendsOf({ clusterIPs, loadBalancerSourceRanges }, { status: { loadBalancer: { ingress } } })
        ?.filter(({ kind }) => kind === 'loadBalancer')
        .map((frontend) => ('sourceRanges' in frontend ? frontend.sourceRanges?.allow : undefined))
    expect(allowed('198.51.100.0/24', ' 192.168.77.0/28 ')).toEqual([['192.168.77.0/28', '198.51.100.0/24'], undefined])
    expect(allowed('fd00:77::/64', '0.0.0.0/0')).toEqual([['0.0.0.0/0'], ['fd00:77::/64']])
    // Prefixes within others, prefixes named twice, bits beyond the length.
    expect(allowed('10.1.0.0/16', '10.0.0.0/8', '10.0.0.9/8', '10.255.0.0/16', '11.0.0.1/32')).toEqual([
      ['10.0.0.0/8', '11.0.0.1/32'],
      undefined
    ])
    // What is misspelt is left to the plane, which refuses it.
    expect(allowed('10.1.0.0/33', '0.0.0.0/0')).toEqual([['0.0.0.0/0', '10.1.0.0/33'], ['10.1.0.0/33']])
  })

  it('take this node at its own addresses of load balancers, where a range has an address of it', () => {
    const addresses = [
      { type: 'InternalIP', address: '10.250.0.11' },
      { type: 'ExternalIP', address: '192.0.2.1' }
    ]
    const node: KubernetesObject = { kind: 'Node', metadata: { name: 'node-a' }, status: { addresses } }
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.10' }, { ip: '203.0.113.11' }] } }
    const allowed = (...loadBalancerSourceRanges: string[]): unknown =>
      translated(node, service({ loadBalancerSourceRanges }, { status }))
        ?.frontends.slice(1)
        .map((frontend) => ('sourceRanges' in frontend ? frontend.sourceRanges?.allow : undefined))
    const own = ['10.250.0.0/24', '203.0.113.10/32', '203.0.113.11/32']
    expect(allowed('10.250.0.0/24')).toEqual([own, own])
    expect(allowed('10.250.1.0/24', '192.0.2.0/24')).toEqual([
      ['10.250.1.0/24', '192.0.2.0/24'],
      ['10.250.1.0/24', '192.0.2.0/24']
    ])
    expect(allowed('0.0.0.0/0')).toEqual([['0.0.0.0/0'], ['0.0.0.0/0']])
  })

  it('are external addresses, each once: of a load balancer, with its ranges, rather than external', () => {
    const more = { status: { loadBalancer: { ingress: [{ ip: '203.0.113.20' }] } } }
    const spec = { externalIPs: ['203.0.113.21', '203.0.113.20', '10.96.1.1'], loadBalancerSourceRanges: ['10.0.0.0/8'] }
    expect(frontendsOf(spec, more)).toEqual([
      CLUSTER,
      { kind: 'loadBalancer', address: '203.0.113.20', port: 80, sourceRanges: { allow: ['10.0.0.0/8'] } },
      { kind: 'external', address: '203.0.113.21', port: 80 }
    ])
  })

  it('are none for headless services, whatever else these have', () => {
    const externalIPs = ['203.0.113.20']
    expect(translate([service({ clusterIP: 'None', clusterIPs: ['None'], externalIPs }), slice()], {}).size).toBe(0)
    expect(translate([service({ clusterIP: null, clusterIPs: ['None'], externalIPs }), slice()], {}).size).toBe(0)
  })
})

it('affinity lasts as long as the service says, or three hours', () => {
  const clientIP = { timeoutSeconds: 600 }
  expect(translated(service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP } }))?.affinity).toEqual({
    timeoutSeconds: 600
  })
  expect(translated(service({ sessionAffinity: 'ClientIP' }))?.affinity).toEqual({ timeoutSeconds: 10_800 })
  expect(translated(service({ sessionAffinity: 'None' }))).not.toHaveProperty('affinity')
})

it('labels give a scheduler and a priority', () => {
  const labels = { 'netplane/scheduler': 'consistent', 'netplane/priority': '-5' }
  const metadata = { name: 'web', namespace: 'gold', labels }
  expect(translated(service({}, { metadata }))).toMatchObject({ scheduler: 'consistent', priority: -5 })
})

it('annotations give them, too, and come before labels', () => {
  const annotations = { 'netplane/scheduler': 'hash' }
  const labels = { 'netplane/scheduler': 'consistent', 'netplane/priority': '7', 'netplane/weights': 'node-a=3' }
  const metadata = { name: 'web', namespace: 'gold', labels, annotations }
  const given = translated(service({}, { metadata }), slice())
  expect(given).toMatchObject({ scheduler: 'hash', priority: 7 })
  // A label can say one weight alone, so it says none.
  expect(given?.endpoints.map(({ weight }) => weight)).toEqual([undefined, undefined, undefined])
})

describe('weights', () => {
  const zoned = [
    { addresses: ['10.244.0.11'], nodeName: 'node-a', zone: 'zone-a' },
    { addresses: ['10.244.0.12'], nodeName: 'node-a', zone: 'zone-a' },
    { addresses: ['10.244.1.13'], nodeName: 'node-b', zone: 'zone-a' },
    { addresses: ['10.244.2.14'], nodeName: 'node-c', zone: 'zone-b' },
    { addresses: ['10.244.2.15'], nodeName: 'node-c', zone: 'zone-b', weight: 9 },
    { addresses: ['10.244.3.16'] }
  ]
  const weighted = (weights: string): KubernetesObject =>
    service({}, { metadata: { name: 'web', namespace: 'gold', annotations: { 'netplane/weights': weights } } })
  const weights = (text: string): unknown => translated(weighted(text), slice(zoned))?.endpoints.map(({ weight }) => weight)

  it('are those of an address, else of a node, else of a zone', () => {
    expect(weights('zone-a=2, node-a=3,10.244.0.12=0 ,zone-b=65535')).toEqual([3, 0, 2, 65_535, 9, undefined])
    expect(weights('')).toEqual([undefined, undefined, undefined, undefined, 9, undefined])
  })

  it('are found by addresses of IPv6, however they are spelt', () => {
    const ip6 = slice([{ addresses: ['fd00::1'] }, { addresses: ['fd00::2'] }], { addressType: 'IPv6' })
    for (const spelling of ['fd00::2', 'FD00:0:0::0:2'])
      expect(translated(weighted(`${spelling}=4`), ip6)?.endpoints.map(({ weight }) => weight)).toEqual([undefined, 4])
  })

  it.each([
    'node-a',
    'node-a=',
    '=3',
    'node-a=-1',
    'node-a=65536',
    'node-a=1.5',
    'node a=1',
    'node-a=1 node-b=2',
    'node-a=1,node-a=2',
    'fd00::2=1,fd00:0::2=2'
  ])('%j are refused by name', (text) => {
    expect(translated(weighted(text), slice())).toBeUndefined()
    expect(shapeProblem(weighted(text))).toMatch(/^metadata\.annotations\.netplane\/weights has "/)
  })

  it('are read once, and fast, where an annotation is as long as the API allows', () => {
    const text = Array.from({ length: 30_000 }, (_, index) => `n${index}=1`).join()
    const ports = Array.from({ length: 1000 }, (_, index) => ({ name: `p${index}`, port: index + 1 }))
    const object = { ...weighted(`${text},10.244.0.11=7`), spec: { clusterIP: '10.96.1.1', ports } } as KubernetesObject
    const began = performance.now()
    const all = translate([object, slice(ENDPOINTS, { ports })], { nodeName: 'node-a' })
    expect(performance.now() - began).toBeLessThan(2000)
    expect([all.size, all.get('gold/web:p999')?.endpoints[0]?.weight]).toEqual([1000, 7])
  })

  it('are told in short where they are wrong and long', () => {
    expect(shapeProblem(weighted('x'.repeat(200_000)))).toMatch(/has "x{300}…": an address/)
  })
})

describe('deadlines of draining', () => {
  const SETTING = 'netplane/drain-deadline-seconds'
  const draining = (more: object): KubernetesObject => service({}, { metadata: { name: 'web', namespace: 'gold', ...more } })
  const policyOf = (more: object): unknown => drainPolicyOf(translated(draining(more), slice())!)

  it('are those that an annotation, or else a label says', () => {
    expect(policyOf({})).toBeUndefined()
    expect(policyOf({ annotations: { [SETTING]: '60' } })).toEqual({ deadlineSeconds: 60 })
    expect(policyOf({ labels: { [SETTING]: '2147483' } })).toEqual({ deadlineSeconds: 2_147_483 })
    expect(policyOf({ labels: { [SETTING]: '60' }, annotations: { [SETTING]: '0' } })).toBe('at-once')
  })

  it('make a service another one where nothing else has changed, so that the plane asks anew', () => {
    const translateWith = (seconds: string | undefined, previous?: ReadonlyMap<string, Service>): Map<string, Service> =>
      translate([draining({ annotations: { [SETTING]: seconds ?? null } }), slice()], {}, previous)
    const first = translateWith(undefined)
    const second = translateWith('60', first)
    expect(second.get('gold/web:http')).not.toBe(first.get('gold/web:http'))
    expect(second.get('gold/web:http')).toEqual(first.get('gold/web:http'))
    expect(translateWith('60', second).get('gold/web:http')).toBe(second.get('gold/web:http'))
  })

  it.each(['', '1.5', '-1', '5m', '2147484', '99999999', ' 60'])('%j are refused by name', (text) => {
    for (const where of ['annotations', 'labels']) {
      const object = draining({ [where]: { [SETTING]: text } })
      expect(translated(object, slice())).toBeUndefined()
      expect(shapeProblem(object)).toBe(`metadata.${where}.${SETTING} is ${JSON.stringify(text)}: whole seconds, 0-2147483, are wanted`)
    }
  })
})

describe('endpoints', () => {
  const [first, second, third] = ENDPOINTS.map(({ addresses, nodeName }) => ({
    address: addresses[0]!,
    port: 8080,
    ...(nodeName === 'node-a' ? { local: true } : {})
  })) as [Endpoint, Endpoint, Endpoint]

  it('have a state for their conditions', () => {
    const states = (conditions: object | null): unknown =>
      endpointsOf(slice([{ addresses: ['10.1.0.1'], conditions }]))?.map(({ state = 'ready' }) => state)
    expect(states(null)).toEqual(['ready'])
    expect(states({})).toEqual(['ready'])
    expect(states({ ready: false, serving: true, terminating: true })).toEqual(['serving'])
    expect(states({ ready: false, serving: null, terminating: true })).toEqual(['serving'])
    // It takes no new connections, but those that it has go on.
    expect(states({ ready: false, serving: true, terminating: false })).toEqual(['draining'])
    expect(states({ ready: false, serving: false, terminating: true })).toEqual([])
    expect(states({ ready: false, serving: false, terminating: false })).toEqual([])
    // publishNotReadyAddresses makes an endpoint ready that terminates or does not serve.
    expect(states({ ready: true, serving: false, terminating: true })).toEqual(['ready'])
  })

  it('are those of slices whose port has the name and the protocol', () => {
    const other = slice([{ addresses: ['10.1.0.1'] }], { ports: [{ name: 'http', port: 8081 }] })
    const udp = slice([{ addresses: ['10.1.0.2'] }], { ports: [{ name: 'http', port: 8080, protocol: 'UDP' }] })
    const unnamed = slice([{ addresses: ['10.1.0.3'] }], { ports: [{ port: 8080 }] })
    const unnumbered = slice([{ addresses: ['10.1.0.4'] }], { ports: [{ name: 'http' }] })
    const zero = slice([{ addresses: ['10.1.0.5'] }], { ports: [{ name: 'http', port: 0 }] })
    expect(endpointsOf(slice(), other, udp, unnamed, unnumbered, zero)).toEqual([first, second, third, { address: '10.1.0.1', port: 8081 }])
  })

  it('that two slices have are in the better state, and local if either says so', () => {
    const leaving = { addresses: ['10.244.0.11'], conditions: { ready: false, serving: true, terminating: true } }
    expect(endpointsOf(slice([ENDPOINTS[0]!]), slice([leaving]))).toEqual([first])
    expect(endpointsOf(slice([leaving]), slice([ENDPOINTS[0]!]))).toEqual([first])
    // The first address of an endpoint counts.
    expect(endpointsOf(slice([{ addresses: ['10.244.1.13', '10.244.1.99'], nodeName: 'node-b' }]))).toEqual([third])
  })
})

describe('hints', () => {
  const zones = (...names: string[]): object => ({ forZones: names.map((name) => ({ name })) })
  const nodes = (...names: string[]): object => ({ forNodes: names.map((name) => ({ name })) })
  const NODE = { kind: 'Node', metadata: { name: 'node-a', labels: { 'topology.kubernetes.io/zone': 'zone-a' } } } as KubernetesObject

  /** The last numbers of the endpoints that the cluster-wide choice has. */
  function chosen(
    hints: readonly (object | undefined)[],
    options: object = { nodeName: 'node-a', zone: 'zone-a' },
    more: KubernetesObject[] = []
  ) {
    const endpoints = ENDPOINTS.map((endpoint, index) => ({ ...endpoint, hints: hints[index] }))
    const made = translate([service({}), slice(endpoints), ...more], options).get('gold/web:http')
    expect(made?.endpoints).toHaveLength(3)
    return made?.endpoints.filter(({ side }) => side !== 'local').map(({ address }) => Number(address.split('.').at(-1)))
  }

  it('of zones keep to the zone, if every ready endpoint has some and one is for here', () => {
    expect(chosen([zones('zone-a'), zones('zone-b'), zones('zone-b', 'zone-a')])).toEqual([11, 13])
    expect(chosen([zones('zone-a'), undefined, zones('zone-b')])).toEqual([11, 12, 13])
    expect(chosen([zones('zone-a'), zones(), zones('zone-b')])).toEqual([11, 12, 13])
    expect(chosen([zones('zone-b'), zones('zone-b'), zones('zone-b')])).toEqual([11, 12, 13])
  })

  it('of nodes come first, and those of zones count where they do not', () => {
    const both = (node: string, zone: string): object => ({ ...nodes(node), ...zones(zone) })
    expect(chosen([nodes('node-b'), nodes('node-a'), nodes('node-b')])).toEqual([12])
    expect(chosen([both('node-b', 'zone-a'), both('node-a', 'zone-b'), both('node-b', 'zone-b')])).toEqual([12])
    expect(chosen([both('node-c', 'zone-a'), both('node-c', 'zone-b'), both('node-b', 'zone-b')])).toEqual([11])
    expect(chosen([both('node-b', 'zone-a'), zones('zone-b'), both('node-a', 'zone-b')])).toEqual([11])
  })

  it('count for the zone that an option or the Node object says', () => {
    const hints = [zones('zone-a'), zones('zone-b'), zones('zone-b')]
    expect(chosen(hints, { nodeName: 'node-a' }, [NODE])).toEqual([11])
    expect(chosen(hints, { nodeName: 'node-a', zone: 'zone-b' }, [NODE])).toEqual([12, 13])
    expect(chosen(hints, { nodeName: 'node-b' }, [NODE])).toEqual([11, 12, 13])
    expect(chosen(hints, {})).toEqual([11, 12, 13])
  })

  it('of endpoints that are not ready do not count, and leave these as they are', () => {
    const leaving = { ready: false, serving: true, terminating: true }
    const made = translated(
      NODE,
      service({}),
      slice([
        { ...ENDPOINTS[0], hints: zones('zone-a') },
        { ...ENDPOINTS[1], conditions: leaving },
        { ...ENDPOINTS[2], hints: zones('zone-b') }
      ])
    )
    expect(made?.endpoints).toEqual([
      { address: '10.244.0.11', port: 8080, local: true },
      { address: '10.244.0.12', port: 8080, local: true, state: 'serving' },
      { address: '10.244.1.13', port: 8080, side: 'local' }
    ])
  })
})

describe('health checks', () => {
  const LOCAL = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32_104 }
  const checksOf = (...objects: KubernetesObject[]): unknown => findHealthChecks(objects, { nodeName: 'node-a' })

  it('count the ready endpoints of this node, by family, each address once', () => {
    const more = [
      { addresses: ['10.244.0.13'], nodeName: 'node-a', conditions: { ready: false, serving: true, terminating: true } },
      { addresses: ['FD00:244:0::1'], nodeName: 'node-a' },
      { addresses: ['fd00:244::1'], nodeName: 'node-a' }
    ]
    expect(checksOf(service(LOCAL), slice(), slice(more))).toEqual([
      { namespace: 'gold', name: 'web', port: 32_104, localEndpoints: { ip: 2, ip6: 1 } }
    ])
    // As kube-proxy counts: an endpoint without a port serves nobody.
    for (const ports of [null, [], [{ name: 'http' }], [{ name: 'http', port: 0 }]])
      expect(checksOf(service(LOCAL), slice(undefined, { ports }))).toMatchObject([{ localEndpoints: { ip: 0 } }])
    expect(checksOf(service(LOCAL))).toEqual([{ namespace: 'gold', name: 'web', port: 32_104, localEndpoints: { ip: 0, ip6: 0 } }])
  })

  it('are made of load balancers with policy Local alone', () => {
    for (const spec of [{ type: 'NodePort' }, { externalTrafficPolicy: 'Cluster' }, { healthCheckNodePort: null }, { clusterIP: 'None' }])
      expect(checksOf(service({ ...LOCAL, ...spec }), slice())).toEqual([])
    const labels = { 'service.kubernetes.io/service-proxy-name': 'other' }
    expect(checksOf(service(LOCAL, { metadata: { name: 'web', labels } }), slice())).toEqual([])
  })
})
