import { describe, expect, it } from 'vitest'
import { translate } from '../../../../examples/proxy/kubernetes/translate.js'
import { parseManifests } from '../../../support/manifests.js'

const SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, "fd00:96::1"]
  externalIPs: [203.0.113.7]
  ports:
  - { name: http, port: 80, protocol: TCP }
  - { name: dns, port: 53, protocol: UDP }
`
const SLICE = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports:
- { name: http, port: 8080, protocol: TCP }
- { name: dns, port: 5353, protocol: UDP }
endpoints:
- { addresses: [10.1.0.1], conditions: { ready: true }, nodeName: here }
- { addresses: [10.1.0.2], conditions: { ready: false, serving: true, terminating: true } }
- { addresses: [10.1.0.3], conditions: {}, nodeName: there }
`

function servicesOf(text: string, file = 'all.yaml') {
  return translate(parseManifests(file, text).objects, { nodeName: 'here' })
}

describe('manifests', () => {
  it('become a service of the model for each port, with both families, local and ready endpoints', () => {
    const services = servicesOf(`${SERVICE}---${SLICE}`)
    expect([...services.keys()]).toEqual(['shop/web:http', 'shop/web:dns'])
    expect(services.get('shop/web:http')).toEqual({
      name: 'shop/web:http',
      protocol: 'tcp',
      frontends: [
        { kind: 'cluster', address: '10.96.0.1', port: 80 },
        { kind: 'cluster', address: 'fd00:96::1', port: 80 },
        { kind: 'external', address: '203.0.113.7', port: 80 }
      ],
      endpoints: [
        { address: '10.1.0.1', port: 8080, local: true },
        { address: '10.1.0.2', port: 8080, state: 'serving' },
        { address: '10.1.0.3', port: 8080 }
      ]
    })
    expect(services.get('shop/web:dns')?.endpoints.map(({ port }) => port)).toEqual([5353, 5353, 5353])
  })

  it('count each address once, however it is spelt', () => {
    const twice = SERVICE.replace('externalIPs: [203.0.113.7]', 'externalIPs: [203.0.113.7, "FD00:0096:0::1", 10.96.0.1, 203.0.113.7]')
    const slice6 = SLICE.replace('IPv4', 'IPv6').replace(
      /endpoints:[^]*/,
      'endpoints:\n- { addresses: ["fd00:244::2"] }\n- { addresses: ["FD00:0244:0::2"] }\n- { addresses: ["fd00:244:0:0::2"], conditions: { ready: false, terminating: true } }\n'
    )
    const service = servicesOf(`${twice}---${slice6}`).get('shop/web:http')
    expect(service?.frontends.map((frontend) => `${frontend.kind} ${'address' in frontend ? frontend.address : frontend.port}`)).toEqual([
      'cluster 10.96.0.1',
      'cluster fd00:96::1',
      'external 203.0.113.7'
    ])
    expect(service?.endpoints).toEqual([{ address: 'fd00:244::2', port: 8080 }])
  })

  it('of a wrong shape are reported with the field at fault, and harm nobody else', () => {
    const other = SERVICE.replace('name: web', 'name: other').replace('[203.0.113.7]', '203.0.113.9')
    const { objects, problems } = parseManifests('mixed.yaml', `${other}---${SERVICE}---${SLICE}`)
    expect(problems).toEqual([{ file: 'mixed.yaml', document: 1, reason: 'Service shop/other: spec.externalIPs is no list' }])
    expect([...translate(objects, {}).keys()]).toEqual(['shop/web:http', 'shop/web:dns'])
    const reasons = [
      SERVICE.replace(/ports:[^]*/, 'ports: [null]'),
      SERVICE.replace(/ports:[^]*/, 'ports: [{ port: "80" }]'),
      SERVICE.replace(/ {2}ports:[^]*/, ''),
      SERVICE.replace(/ports:[^]*/, 'ports: [{ port: 53, protocol: UDP }, { port: 80 }, { port: 53, protocol: TCP }]'),
      SLICE.replace(/endpoints:[^]*/, 'endpoints: [{ addresses: 10.1.0.1 }]'),
      SLICE.replace(/endpoints:[^]*/, ''),
      SLICE.replace(/endpoints:[^]*/, 'endpoints: [{ conditions: { ready: "no" } }]'),
      SLICE.replace(/endpoints:[^]*/, 'endpoints: [{ hints: { forZones: [a] } }]'),
      `${SERVICE}status: { loadBalancer: { ingress: 203.0.113.9 } }`,
      SERVICE.replace('port: 80,', 'port: 80, nodePort: "30080",'),
      'kind: Node\nmetadata: { labels: { topology.kubernetes.io/zone: 1 } }',
      '- a list',
      'kind: *unknown',
      ''
    ].map((text) => parseManifests('one.yaml', text).problems.map(({ reason }) => reason))
    expect(reasons).toEqual([
      ['Service shop/web: spec.ports[0] is no object'],
      ['Service shop/web: spec.ports[0].port is no number'],
      ['Service shop/web: spec.ports is missing'],
      ['Service shop/web: spec.ports[2] needs a name of its own: spec.ports[0] is 53, too'],
      ['EndpointSlice shop/web-1: endpoints[0].addresses is no list'],
      ['EndpointSlice shop/web-1: endpoints is missing'],
      ['EndpointSlice shop/web-1: endpoints[0].conditions.ready is no boolean'],
      ['EndpointSlice shop/web-1: endpoints[0].hints.forZones[0] is no object'],
      ['Service shop/web: status.loadBalancer.ingress is no list'],
      ['Service shop/web: spec.ports[0].nodePort is no number'],
      ['Node default/?: metadata.name is no name'],
      ['the document is no object'],
      [expect.stringContaining('unknown')],
      ['the file is empty']
    ])
  })

  it('may be lists, also of one kind, and JSON', () => {
    const { objects } = parseManifests('all.yaml', `${SERVICE}---${SLICE}`)
    const list = JSON.stringify({ kind: 'List', items: objects })
    expect(servicesOf(list, 'all.json').size).toBe(2)
    const typed = JSON.stringify({
      kind: 'ServiceList',
      items: objects.filter(({ kind }) => kind === 'Service').map((object) => ({ ...object, kind: undefined }))
    })
    expect(parseManifests('services.json', typed).objects).toHaveLength(1)
    expect(parseManifests('nested.json', JSON.stringify({ kind: 'List', items: [JSON.parse(list)] })).objects).toEqual(objects)
  })

  it('may begin with a byte order mark, and take what they say from elsewhere', () => {
    const { objects } = parseManifests('all.yaml', SERVICE)
    expect(parseManifests('all.yaml', `\ufeff${SERVICE}`)).toEqual({ objects, problems: [] })
    expect(parseManifests('all.json', `\ufeff${JSON.stringify(objects[0])}`)).toEqual({ objects, problems: [] })
    const items = `
kind: List
items:
- { kind: Service, metadata: { name: one }, spec: &spec { clusterIP: 10.96.0.8, ports: [{ port: 80 }] } }
- { kind: Service, metadata: { name: two }, spec: { <<: *spec, clusterIP: 10.96.0.9 } }
`
    expect([...servicesOf(items).values()].map(({ name, frontends }) => [name, frontends])).toEqual([
      ['default/one:80', [{ kind: 'cluster', address: '10.96.0.8', port: 80 }]],
      ['default/two:80', [{ kind: 'cluster', address: '10.96.0.9', port: 80 }]]
    ])
  })

  it('of the same kind in other groups of the API are somebody else’s', () => {
    const others = [
      'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: web }\nspec: { template: {} }',
      'apiVersion: serving.knative.dev/v1\nkind: ServiceList\nitems: [{ metadata: { name: web } }]',
      'apiVersion: longhorn.io/v1beta2\nkind: Node\nmetadata: { name: here, labels: { topology.kubernetes.io/zone: 1 } }',
      'apiVersion: example.com/v1\nkind: EndpointSlice\nmetadata: { name: web }'
    ]
    expect(parseManifests('others.yaml', others.join('\n---\n'))).toEqual({ objects: [], problems: [] })
    // One that is being written.
    expect(parseManifests('half.yaml', 'kind: EndpointSlice\napiVersion: discovery.k8s.i').problems).toHaveLength(1)
    expect(parseManifests('all.yaml', SLICE.replace('/v1', '/v1beta1')).objects).toHaveLength(1)
  })

  it('say the same by an empty text or list as by nothing', () => {
    const text = `${SERVICE}---${SLICE}`.replace('clusterIPs: [10.96.0.1, "fd00:96::1"]', 'clusterIPs: []')
    const empty = text.replaceAll('namespace: shop', 'namespace: ""').replaceAll('protocol: TCP', 'protocol: ""')
    const expected = [...servicesOf(text.replaceAll(', namespace: shop', '').replace('  clusterIPs: []\n', '')).values()]
    expect(expected[0]).toMatchObject({ name: 'default/web:http', frontends: [{ address: '10.96.0.1' }, { kind: 'external' }] })
    expect([...servicesOf(empty).values()]).toEqual(expected)
  })

  it('of which one is broken leave the others as they are, and are reported', () => {
    const { objects, problems } = parseManifests(
      'mixed.yaml',
      `${SERVICE}---\nkind: [\n---${SLICE}---\njust text\n---\nkind: Service\n---\n`
    )
    expect(objects.map(({ kind }) => kind)).toEqual(['Service', 'EndpointSlice'])
    expect(problems.map(({ document }) => document)).toEqual([2, 4, 5])
    expect(parseManifests('broken.json', '{').problems).toHaveLength(1)
  })

  it('pass over headless services, ExternalName, and those of other proxies', () => {
    const others = [
      SERVICE.replace('clusterIP: 10.96.0.1', 'clusterIP: None')
        .replace(/ {2}clusterIPs.*\n/, '')
        .replace(/ {2}externalIPs.*\n/, ''),
      '\nkind: Service\nmetadata: { name: web }\nspec: { clusterIPs: [None] }\n',
      SERVICE.replace('spec:', 'spec:\n  type: ExternalName'),
      SERVICE.replace('namespace: shop', 'namespace: shop, labels: { service.kubernetes.io/service-proxy-name: other }')
    ]
    expect(parseManifests('all.yaml', others.join('---')).problems).toEqual([])
    expect(servicesOf(others.join('---')).size).toBe(0)
  })

  it('that did not change keep their services', () => {
    const { objects } = parseManifests('all.yaml', `${SERVICE}---${SLICE}`)
    const first = translate(objects, {})
    const second = translate(objects, {}, first)
    for (const [name, service] of second) expect(service).toBe(first.get(name))
  })
})
