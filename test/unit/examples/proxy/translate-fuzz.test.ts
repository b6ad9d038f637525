import fc from 'fast-check'
import { expect, it } from 'vitest'
import { openPlane, type Service } from '../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../src/testing.js'
import type { KubernetesObject } from '../../../../examples/proxy/kubernetes/types.js'
import { findHealthChecks } from '../../../../examples/proxy/kubernetes/health-checks.js'
import { translate } from '../../../../examples/proxy/kubernetes/translate.js'
import { parseManifests } from '../../../support/manifests.js'

/** What an API server gives, with all that it adds: a dual-stack service, its slices, and one of each other kind. */
const VICTIM = `
apiVersion: v1
kind: Service
metadata:
  { name: victim, namespace: shop, uid: 0c1e, resourceVersion: "7", labels: { app: victim, netplane/scheduler: hash }, annotations: {} }
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.2
  clusterIPs: [10.96.0.2, "fd00:96::2"]
  externalIPs: [203.0.113.8]
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: RequireDualStack
  internalTrafficPolicy: Cluster
  externalTrafficPolicy: Local
  healthCheckNodePort: 32104
  loadBalancerSourceRanges: [198.51.100.0/24, "fd00:77::/64"]
  sessionAffinity: ClientIP
  sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } }
  selector: { app: victim }
  ports:
  - { name: http, protocol: TCP, port: 80, targetPort: 8080, nodePort: 30082 }
  - { name: dns, protocol: UDP, port: 53, targetPort: dns }
status: { loadBalancer: { ingress: [{ ip: 203.0.113.18, ipMode: VIP }] } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: victim-4, namespace: shop, labels: { kubernetes.io/service-name: victim, endpointslice.kubernetes.io/managed-by: x } }
addressType: IPv4
endpoints:
- { addresses: [10.244.0.11], conditions: { ready: true, serving: true, terminating: false }, nodeName: here, zone: a, weight: 2, hints: { forZones: [{ name: a }], forNodes: [{ name: here }] } }
- { addresses: [10.244.0.12], conditions: { ready: false, serving: true, terminating: true }, nodeName: there }
ports:
- { name: http, protocol: TCP, port: 8080 }
- { name: dns, protocol: UDP, port: 5353 }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: victim-6, namespace: shop, labels: { kubernetes.io/service-name: victim } }
addressType: IPv6
endpoints: [{ addresses: ["fd00:244::11"], conditions: {} }]
ports: [{ name: http, protocol: TCP, port: 8080 }]
---
apiVersion: v1
kind: Node
metadata: { name: there, labels: { topology.kubernetes.io/zone: a } }
status: { addresses: [{ type: InternalIP, address: 198.51.100.1 }] }
`
const HEALTHY = VICTIM.replaceAll('victim', 'healthy')
  .replaceAll('96::2', '96::1')
  .replaceAll('10.96.0.2', '10.96.0.1')
  .replace('.8]', '.7]')
  .replace('.18,', '.17,')
  .replace('30082', '30081')

type Step = 'replace' | 'remove' | 'wrap' | 'double'

/** Where a value may be changed: the containers of an object, each with its keys. */
function places(value: unknown): [container: Record<string, unknown>, key: string][] {
  if (typeof value !== 'object' || value === null) return []
  const container = value as Record<string, unknown>
  return Object.keys(container).flatMap((key) => [[container, key] as [Record<string, unknown>, string], ...places(container[key])])
}

function mutate(objects: unknown[], at: number, step: Step, drawn: unknown): void {
  // What is drawn is drawn again: put into itself it would have no end.
  const junk: unknown = structuredClone(drawn)
  const all = places(objects)
  const [container, key] = all[at % all.length]!
  if (step === 'remove') Reflect.deleteProperty(container, key)
  else container[key] = step === 'replace' ? junk : step === 'wrap' ? [container[key]] : [container[key], container[key]]
}

const junk = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    undefined,
    '',
    'None',
    'fd00:96::1',
    '10.96.0.1',
    '::',
    -1,
    0,
    65_536,
    Number.NaN,
    {},
    [],
    [null],
    [[]],
    true,
    '\u202e'
  ),
  fc.constantFrom<unknown>('constructor', '__proto__', 'ExternalName', 'EndpointSlice', 'Service', [{}], [{ port: 80 }], { labels: null }),
  fc.anything({ maxDepth: 2 })
)
const mutations = fc.array(fc.tuple(fc.nat(), fc.constantFrom<Step>('replace', 'remove', 'wrap', 'double'), junk), {
  minLength: 1,
  maxLength: 4
})

const { objects: healthy, problems } = parseManifests('healthy.yaml', HEALTHY)
const { objects: victims } = parseManifests('victim.yaml', VICTIM)
const expected = translate(healthy, { nodeName: 'here' })

const CHECK = { namespace: 'shop', name: 'victim', port: 32_104, localEndpoints: { ip: 1, ip6: 0 } }

function isFree(service: Service): boolean {
  return !service.name.startsWith('shop/healthy:')
}

it('reads objects of any shape without throwing, and services beside them come out the same', () => {
  expect(problems).toEqual([])
  expect([...translate(victims, {}).keys()]).toEqual(['shop/victim:http', 'shop/victim:dns'])
  expect(findHealthChecks(victims, { nodeName: 'here' })).toEqual([CHECK])
  let spoilt = 0
  fc.assert(
    fc.property(mutations, fc.boolean(), (steps, isFirst) => {
      const mutated: unknown[] = structuredClone(victims) as unknown[]
      for (const [at, step, value] of steps) mutate(mutated, at, step, value)
      const all = (isFirst ? [...mutated, ...healthy] : [...healthy, ...mutated]) as KubernetesObject[]
      const services = translate(all, { nodeName: 'here' }, expected)
      for (const [name, service] of expected) expect(services.get(name)).toBe(service)
      const checks = findHealthChecks(all, { nodeName: 'here' })
      expect(checks.find(({ name }) => name === 'healthy')).toEqual({ ...CHECK, name: 'healthy' })
      if ([...services.values()].filter(isFree).length < 2) spoilt++
    }),
    { numRuns: 3000 }
  )
  // The mutations do meet the checks.
  expect(spoilt).toBeGreaterThan(300)
}, 60_000)

it('leaves values that only a plane can judge to the plane, which sets those services aside and applies the others', async () => {
  await using plane = await openPlane({ mode: 'nftables', kernel: { nftables: new FakeNftablesKernel() } })
  await fc.assert(
    fc.asyncProperty(mutations, async (steps) => {
      const mutated: unknown[] = structuredClone(victims) as unknown[]
      for (const [at, step, value] of steps) mutate(mutated, at, step, value)
      const services = translate([...healthy, ...mutated] as KubernetesObject[], {})
      const report = await plane.sync(services)
      expect(report.quarantined.filter(({ service }) => expected.has(service))).toEqual([])
    }),
    { numRuns: 100 }
  )
}, 60_000)
