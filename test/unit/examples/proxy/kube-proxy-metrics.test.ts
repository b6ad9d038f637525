import { readFileSync } from 'node:fs'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { KubeProxyMetrics } from '../../../../examples/proxy/kube-proxy-metrics.js'
import { TRIGGER_TIME } from '../../../../examples/proxy/kubernetes/shape.js'
import type { KubernetesObject } from '../../../../examples/proxy/kubernetes/types.js'
import type { ObjectChange } from '../../../../examples/proxy/sources/types.js'
import type { Service, SyncReport } from '../../../../src/index.js'

beforeEach(() => void vi.useFakeTimers({ now: Date.parse('2026-01-01T00:00:00Z') }))
afterEach(() => void vi.useRealTimers())

interface Rig {
  readonly metrics: KubeProxyMetrics
  /** The lines of one metric, without its help. */
  readonly linesOf: (name: string) => Promise<string[]>
  readonly registry: Registry
}

function makeMetrics(services: readonly Service[] = []): Rig {
  const registry = new Registry()
  const requests = [
    { code: '200', host: 'api:6443', method: 'GET', count: 3 },
    { code: '201', host: 'api:6443', method: 'POST', count: 2 }
  ]
  const metrics = new KubeProxyMetrics(registry, {
    services: () => new Map(services.map((one) => [one.name, one])),
    requests: () => requests
  })
  const linesOf = async (name: string): Promise<string[]> =>
    (await registry.metrics()).split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return { metrics, registry, linesOf }
}

const report = (total: number): SyncReport => ({ durationMs: { total } }) as SyncReport

const slice = (name: string, addressType: string, trigger?: string): ObjectChange => ({
  key: `EndpointSlice shop/${name}`,
  object: {
    kind: 'EndpointSlice',
    addressType,
    metadata: { name, annotations: { [TRIGGER_TIME]: trigger } }
  } as unknown as KubernetesObject
})
const service = (name: string): ObjectChange => ({ key: `Service shop/${name}`, object: undefined })

/** What kube-proxy counts and this proxy cannot tell: rules of iptables, and packets of single rules. */
const LEFT_OUT = /_iptables_/

it('has the names, types and labels of kube-proxy', async () => {
  const { registry } = makeMetrics()
  const rows = readFileSync(new URL('goldens/kube-proxy-metrics.tsv', import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
  const wanted = rows.map((row) => row.split('\t')).filter(([name]) => !LEFT_OUT.test(name!))
  expect(wanted.length).toBe(22)
  const own = registry.getMetricsAsArray().map((metric) => {
    const { labelNames } = metric as unknown as { labelNames: string[] }
    return [metric.name, String(metric.type), labelNames.toSorted().join(',')]
  })
  expect(own.toSorted()).toEqual(wanted.toSorted())
  expect(await registry.metrics()).toContain('rest_client_requests_total{code="200",host="api:6443",method="GET"} 3')
  expect(await registry.metrics()).toContain('rest_client_requests_total{code="201",host="api:6443",method="POST"} 2')
})

it('tells by family how long looks at flows took, and what they have deleted', async () => {
  const { metrics, linesOf } = makeMetrics()
  const deleted = 'kubeproxy_conntrack_reconciler_deleted_entries_total'
  const took = 'kubeproxy_conntrack_reconciler_sync_duration_seconds_count'
  expect(await linesOf(deleted)).toEqual([`${deleted}{ip_family="IPv4"} 0`, `${deleted}{ip_family="IPv6"} 0`])
  metrics.flows({ families: { ip6: { deleted: 3, durationMs: 2 } } })
  metrics.flows({ families: { ip: { deleted: 1, durationMs: 1 }, ip6: { deleted: 4, durationMs: 9 } } })
  metrics.flows({ families: {} })
  expect(await linesOf(deleted)).toEqual([`${deleted}{ip_family="IPv4"} 1`, `${deleted}{ip_family="IPv6"} 7`])
  expect((await linesOf(took)).toSorted()).toEqual([`${took}{ip_family="IPv4"} 1`, `${took}{ip_family="IPv6"} 2`])
})

it('tells how long the certificate of a program for credentials is valid, and how old those were that were replaced', async () => {
  const { metrics, linesOf } = makeMetrics()
  const [left, ages] = ['rest_client_exec_plugin_ttl_seconds', 'rest_client_exec_plugin_certificate_rotation_age']
  expect(await linesOf(left)).toEqual([`${left} +Inf`])
  metrics.certified({ endsAtMs: Date.now() + 60_000, replacedAfterSeconds: undefined })
  expect(await linesOf(left)).toEqual([`${left} 60`])
  expect(await linesOf(`${ages}_count`)).toEqual([`${ages}_count 0`])
  metrics.certified({ endsAtMs: Date.now() - 1000, replacedAfterSeconds: 1200 })
  expect(await linesOf(left)).toEqual([`${left} -1`])
  expect(await linesOf(`${ages}_bucket`)).toContain(`${ages}_bucket{le="1800"} 1`)
  expect(await linesOf(`${ages}_bucket`)).toContain(`${ages}_bucket{le="600"} 0`)
})

it('tells of requests what kube-proxy does, in its buckets', async () => {
  const { metrics, linesOf } = makeMetrics()
  const asked = { verb: 'GET', host: 'api:6443' }
  metrics.measured({ what: 'durationSeconds', value: 0.02, ...asked })
  metrics.measured({ what: 'waitSeconds', value: 0, ...asked })
  metrics.measured({ what: 'sentBytes', value: 202, ...asked })
  metrics.measured({ what: 'receivedBytes', value: 300_000, ...asked })
  const bucketsOf = async (name: string): Promise<string[]> =>
    (await linesOf(`rest_client_${name}_bucket`)).map((line) => /le="([^"]+)".* (\d+)$/.exec(line)!.slice(1).join(' '))
  const times = ['0.1', '0.25', '0.5', '1', '2', '4', '8', '15', '30', '60', '+Inf'].map((bound) => `${bound} 1`)
  expect(await bucketsOf('request_duration_seconds')).toEqual(['0.005 0', '0.025 1', ...times])
  expect(await bucketsOf('rate_limiter_duration_seconds')).toEqual(['0.005 1', '0.025 1', ...times])
  const sizes = ['64', '256', '512', '1024', '4096', '16384', '65536', '262144', '1048576', '4194304', '16777216', '+Inf']
  expect(await bucketsOf('request_size_bytes')).toEqual(sizes.map((bound, index) => `${bound} ${index < 1 ? 0 : 1}`))
  expect(await bucketsOf('response_size_bytes')).toEqual(sizes.map((bound, index) => `${bound} ${index < 8 ? 0 : 1}`))
  expect(await linesOf('rest_client_request_size_bytes_sum')).toEqual([
    'rest_client_request_size_bytes_sum{verb="GET",host="api:6443"} 202'
  ])
})

it('has the buckets of kube-proxy, and counts each sync for both families', async () => {
  const { metrics, linesOf } = makeMetrics()
  metrics.synced(report(3), true, 0)
  metrics.synced(report(40), false, 0)
  const buckets = (await linesOf('kubeproxy_sync_proxy_rules_duration_seconds_bucket')).filter((line) => line.includes('IPv6'))
  expect(buckets.map((line) => /le="([^"]+)".* (\d+)$/.exec(line)!.slice(1).join(' '))).toEqual(
    [
      '0.001 0',
      '0.002 0',
      '0.004 1',
      '0.008 1',
      '0.016 1',
      '0.032 1',
      '0.064 2',
      '0.128 2',
      '0.256 2',
      '0.512 2',
      '1.024 2',
      '2.048 2'
    ].concat(['4.096 2', '8.192 2', '16.384 2', '+Inf 2'])
  )
  for (const word of ['full', 'partial'])
    expect(await linesOf(`kubeproxy_sync_${word}_proxy_rules_duration_seconds_count`)).toEqual(
      ['IPv4', 'IPv6'].map((family) => `kubeproxy_sync_${word}_proxy_rules_duration_seconds_count{ip_family="${family}"} 1`)
    )
  metrics.queued()
  for (const word of ['last', 'last_queued'])
    expect((await linesOf(`kubeproxy_sync_proxy_rules_${word}_timestamp_seconds`))[0]).toMatch(/ 1767225600$/)
})

it('counts the time from the change of an endpoint to the kernel, once each, and not of changes from before the start', async () => {
  const { metrics, linesOf } = makeMetrics()
  const name = 'kubeproxy_network_programming_duration_seconds'
  const sums = async (): Promise<string[]> => await linesOf(`${name}_sum`)
  vi.advanceTimersByTime(10_000)
  metrics.told([slice('a', 'IPv4', '2026-01-01T00:00:08Z'), slice('old', 'IPv4', '2025-12-31T23:59:59Z'), slice('none', 'IPv6')])
  vi.advanceTimersByTime(1000)
  metrics.told([slice('b', 'IPv6', '2026-01-01T00:00:10.5Z'), service('s')])
  vi.advanceTimersByTime(1000)
  expect(await linesOf('kubeproxy_sync_proxy_rules_endpoint_changes_pending')).toEqual([
    'kubeproxy_sync_proxy_rules_endpoint_changes_pending 4'
  ])
  // The first three are in the kernel.
  metrics.synced(report(1), false, 1000)
  expect(await sums()).toEqual([`${name}_sum{ip_family="IPv4"} 4`])
  expect(await linesOf('kubeproxy_sync_proxy_rules_endpoint_changes_pending')).toEqual([
    'kubeproxy_sync_proxy_rules_endpoint_changes_pending 1'
  ])
  expect(await linesOf('kubeproxy_sync_proxy_rules_service_changes_pending')).toEqual([
    'kubeproxy_sync_proxy_rules_service_changes_pending 1'
  ])
  metrics.synced(report(1), false, 0)
  expect(await sums()).toEqual([`${name}_sum{ip_family="IPv4"} 4`, `${name}_sum{ip_family="IPv6"} 1.5`])
  expect(await linesOf('kubeproxy_sync_proxy_rules_service_changes_total')).toEqual(['kubeproxy_sync_proxy_rules_service_changes_total 1'])
  // The same time again is another change, of which the time is not known.
  metrics.told([slice('b', 'IPv6', '2026-01-01T00:00:10.5Z')])
  metrics.synced(report(1), false, 0)
  expect(await linesOf(`${name}_count`)).toEqual([`${name}_count{ip_family="IPv4"} 1`, `${name}_count{ip_family="IPv6"} 1`])
})

it('counts services that drop connections here, because all their endpoints are elsewhere', async () => {
  const of = (name: string, kind: 'cluster' | 'node', endpoints: Service['endpoints']): Service => ({
    name,
    protocol: 'tcp',
    frontends: [{ kind, address: '10.96.0.1', port: 80, trafficPolicy: 'local' }],
    endpoints
  })
  const [here, elsewhere] = [
    { address: '10.1.0.1', port: 1, local: true },
    { address: '10.1.0.2', port: 1 }
  ] as const
  const { linesOf } = makeMetrics([
    of('a', 'cluster', [elsewhere]),
    of('b', 'cluster', [here, elsewhere]),
    of('c', 'cluster', []),
    // The one here takes no new connections.
    of('f', 'cluster', [{ ...here, state: 'draining' }, elsewhere]),
    of('g', 'cluster', [{ ...here, state: 'serving' }, elsewhere]),
    of('d', 'node', [elsewhere, { address: 'fd00::1', port: 1, local: true }]),
    { ...of('e', 'node', [elsewhere]), frontends: [{ kind: 'node', port: 80 }] }
  ])
  const name = 'kubeproxy_sync_proxy_rules_no_local_endpoints_total'
  expect(await linesOf(name)).toEqual([
    `${name}{ip_family="IPv4",traffic_policy="internal"} 2`,
    `${name}{ip_family="IPv4",traffic_policy="external"} 1`,
    `${name}{ip_family="IPv6",traffic_policy="internal"} 0`,
    `${name}{ip_family="IPv6",traffic_policy="external"} 0`
  ])
})

it('counts answers of probes by their status', async () => {
  const { metrics, linesOf } = makeMetrics()
  metrics.answered('healthz', 200)
  metrics.answered('healthz', 503)
  metrics.answered('livez', 200)
  expect(await linesOf('kubeproxy_proxy_healthz_total')).toEqual([
    'kubeproxy_proxy_healthz_total{code="200"} 1',
    'kubeproxy_proxy_healthz_total{code="503"} 1'
  ])
  expect(await linesOf('kubeproxy_proxy_livez_total')).toEqual(['kubeproxy_proxy_livez_total{code="200"} 1'])
})
