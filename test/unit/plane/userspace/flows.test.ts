import { expect, it } from 'vitest'
import type { Service } from '../../../../src/index.js'
import type { ServiceChange } from '../../../../src/plane/core/changes/change.js'
import type { ChangeListener } from '../../../../src/plane/core/listener.js'
import { withStandIns } from '../../../../src/plane/userspace/flows.js'

const dns = (endpoints: Service['endpoints']): Service => ({
  name: 'dns',
  protocol: 'udp',
  frontends: [
    { kind: 'cluster', address: '10.96.0.53', port: 53 },
    { kind: 'node', port: 30053, family: 'ip6' }
  ],
  endpoints
})

/** What a listener is told of endpoints before and after. */
async function seen(before: Service | undefined, after: Service | undefined): Promise<unknown> {
  const told: (readonly ServiceChange[])[] = []
  const listener: ChangeListener = {
    before: () => Promise.resolve(),
    done: () => undefined,
    after: (changes) => void told.push(changes),
    reset: () => undefined,
    status: () => undefined,
    close: () => Promise.resolve()
  }
  withStandIns(listener).after([{ name: 'dns', before, after }])
  await Promise.resolve()
  return told[0]!.map((change) => [change.before?.endpoints, change.after?.endpoints])
}

it('tells of one endpoint of each family that has some', async () => {
  const many = dns([
    { address: '10.1.0.1', port: 53 },
    { address: '10.1.0.2', port: 53 }
  ])
  const one = dns([{ address: '10.1.0.3', port: 53 }])
  const ip = [{ address: '192.0.2.1', port: 1 }]
  expect(await seen(many, one)).toEqual([[ip, ip]])
  expect(await seen(undefined, dns([{ address: 'fd00::1', port: 53 }]))).toEqual([[undefined, [{ address: '2001:db8::1', port: 1 }]]])
  expect(await seen(one, dns([{ address: '10.1.0.3', port: 53, state: 'draining' }]))).toEqual([[ip, []]])
  expect(await seen(one, undefined)).toEqual([[ip, undefined]])
})
