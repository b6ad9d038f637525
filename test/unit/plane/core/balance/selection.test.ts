import { describe, expect, it } from 'vitest'
import type { Endpoint, Frontend, Service } from '../../../../../src/index.js'
import { isChosen, reachOf, selectionOf } from '../../../../../src/plane/core/balance/selection.js'

const endpoint = (host: number, more: Partial<Endpoint> = {}): Endpoint => ({ address: `10.1.0.${host}`, port: 80, ...more })
const service = (...endpoints: Endpoint[]): Service => ({ name: 's', protocol: 'tcp', frontends: [], endpoints })

/** Hosts that are chosen under either policy. */
function chosen(...endpoints: Endpoint[]): Record<'cluster' | 'local', string[]> {
  const selection = selectionOf(service(...endpoints), 'ip')
  const under = (policy: 'cluster' | 'local'): string[] =>
    endpoints.filter((one) => isChosen(selection, policy, one)).map(({ address }) => address.split('.')[3]!)
  return { cluster: under('cluster'), local: under('local') }
}

describe('which endpoints are chosen', () => {
  it.each<[what: string, endpoints: Endpoint[], cluster: string[], local: string[]]>([
    ['all, and those of this node', [endpoint(1), endpoint(2, { local: true })], ['1', '2'], ['2']],
    ['none that drains or weighs nothing', [endpoint(1, { state: 'draining' }), endpoint(2, { weight: 0 }), endpoint(3)], ['3'], []],
    ['ready ones before those that only serve', [endpoint(1), endpoint(2, { state: 'serving' })], ['1'], []],
    ['those that only serve where none is ready', [endpoint(1, { state: 'serving', local: true })], ['1'], ['1']],
    ['each policy for itself', [endpoint(1), endpoint(2, { state: 'serving', local: true })], ['1'], ['2']],
    ['one side only', [endpoint(1, { local: true, side: 'local' }), endpoint(2, { local: true, side: 'cluster' })], ['2'], ['1']],
    ['none of the other family', [{ address: 'fd00::1', port: 80, local: true }, endpoint(1)], ['1'], []]
  ])('%s', (_, endpoints, cluster, local) => {
    expect(chosen(...endpoints)).toEqual({ cluster, local })
  })
})

describe('what a new connection meets', () => {
  const frontend = (kind: 'cluster' | 'node', trafficPolicy: 'cluster' | 'local'): Frontend =>
    kind === 'node' ? { kind, port: 1, trafficPolicy } : { kind, address: '10.96.0.1', port: 1, trafficPolicy }
  const remote = [endpoint(1)]
  const own = [endpoint(1, { local: true })]

  it.each<['cluster' | 'node', 'cluster' | 'local', Endpoint[], inside: string, outside: string]>([
    ['cluster', 'cluster', remote, 'cluster', 'cluster'],
    ['cluster', 'cluster', [], 'refuse', 'refuse'],
    ['cluster', 'local', own, 'local', 'local'],
    ['cluster', 'local', remote, 'drop', 'drop'],
    ['cluster', 'local', [], 'refuse', 'refuse'],
    ['node', 'cluster', remote, 'cluster', 'cluster'],
    ['node', 'local', own, 'cluster', 'local'],
    ['node', 'local', remote, 'cluster', 'drop'],
    ['node', 'local', [endpoint(1, { local: true, side: 'local' })], 'refuse', 'local'],
    ['node', 'local', [], 'refuse', 'refuse']
  ])('%s, policy %s', (kind, policy, endpoints, inside, outside) => {
    expect(reachOf(frontend(kind, policy), selectionOf(service(...endpoints), 'ip'))).toEqual({ inside, outside })
  })
})
