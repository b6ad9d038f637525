import { expect, it, onTestFinished } from 'vitest'
import { parseOptions } from '../../../../examples/proxy/options.js'
import { planeOptionsOf } from '../../../../examples/proxy/plane-options.js'
import { translate } from '../../../../examples/proxy/kubernetes/translate.js'
import type { KubernetesObject } from '../../../../examples/proxy/kubernetes/types.js'
import { openPlane, type DrainingEndpoint, type Plane } from '../../../../src/index.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../src/testing.js'

const VIRTUAL = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const

/** A Service that says for how long its endpoints drain, and its endpoints. */
function objects(seconds: string | undefined, ...addresses: readonly string[]): KubernetesObject[] {
  const annotations = { 'netplane/drain-deadline-seconds': seconds ?? null }
  const ports = [{ port: 80, protocol: 'TCP' }]
  const labels = { 'kubernetes.io/service-name': 'web' }
  const endpoints = addresses.map((address) => ({ addresses: [address] }))
  return [
    { kind: 'Service', metadata: { name: 'web', annotations }, spec: { clusterIP: '10.96.0.1', ports } },
    { kind: 'EndpointSlice', metadata: { name: 'web-1', labels }, addressType: 'IPv4', ports: [{ port: 8080, protocol: 'TCP' }], endpoints }
  ]
}

async function open(): Promise<{ readonly plane: Plane; readonly ipvs: FakeIpvsKernel }> {
  const ipvs = new FakeIpvsKernel()
  const kernel = { ipvs, nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  const options = parseOptions(['--manifests', '/none', '--mode', 'ipvs', '--node-name', 'here'])
  const plane = await openPlane({ ...planeOptionsOf(options), kernel })
  onTestFinished(() => plane.close())
  return { plane, ipvs }
}

function draining(plane: Plane): readonly DrainingEndpoint[] {
  const { details } = plane.status()
  return details.mode === 'ipvs' ? details.drainingEndpoints : []
}

it.each([
  ['60', 60_000],
  [undefined, 900_000],
  ['0', undefined]
])('an annotation of %s is the deadline of an endpoint that is removed in mode ipvs', async (seconds, remainingMs) => {
  const { plane, ipvs } = await open()
  await plane.sync(translate(objects(seconds, '10.1.0.1', '10.1.0.2'), {}))
  ipvs.setConnections(VIRTUAL, { address: '10.1.0.2', port: 8080 }, { active: 2, inactive: 0 })
  await plane.sync(translate(objects(seconds, '10.1.0.1'), {}))
  if (remainingMs === undefined) return expect(draining(plane)).toEqual([])
  expect(draining(plane)).toMatchObject([{ service: 'default/web:80', address: '10.1.0.2' }])
  const [{ remainingMs: left }] = draining(plane) as [DrainingEndpoint]
  expect(left).toBeGreaterThan(remainingMs - 20_000)
  expect(left).toBeLessThanOrEqual(remainingMs)
})

it('an annotation that changes is the deadline of what is removed from then on', async () => {
  const { plane, ipvs } = await open()
  const first = translate(objects(undefined, '10.1.0.1', '10.1.0.2'), {})
  await plane.sync(first)
  ipvs.setConnections(VIRTUAL, { address: '10.1.0.2', port: 8080 }, { active: 2, inactive: 0 })
  const second = translate(objects('60', '10.1.0.1', '10.1.0.2'), {}, first)
  await plane.update({ set: second.values() })
  await plane.update({ set: translate(objects('60', '10.1.0.1'), {}, second).values() })
  expect(draining(plane)[0]!.remainingMs).toBeLessThanOrEqual(60_000)
})
