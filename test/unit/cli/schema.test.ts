import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { ServicesDocument } from '../../../src/cli/services-file/document.js'
import { FRONTEND_KINDS, POLICIES, STATES } from '../../../src/plane/core/accept/entries.js'
import { SCHEDULERS } from '../../../src/plane/core/accept/service.js'
import { MAX_AFFINITY_SECONDS, MAX_FRONTENDS, MAX_PRIORITY, MAX_SOURCE_RANGES } from '../../../src/plane/model.js'
import { Random } from '../../support/random.js'
import { randomService } from '../../support/random-services.js'

interface Definition {
  readonly enum?: readonly string[]
  readonly const?: string
  readonly maximum?: number
  readonly maxItems?: number
  readonly properties: Readonly<Record<string, Definition>>
}

const schema = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../../schema/services.json'), 'utf8')) as {
  readonly definitions: Readonly<Record<string, Definition>>
}
const isValid = new Ajv({ strict: true, strictRequired: true, allErrors: true }).compile(schema)

const web = {
  name: 'web',
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }] as unknown[],
  endpoints: [{ address: '10.1.0.1', port: 8080 }] as unknown[]
}

/** Whether the model takes a file. */
async function isAccepted(value: unknown): Promise<boolean> {
  return await ServicesDocument.parse('f', JSON.stringify(value)).then(
    () => true,
    () => false
  )
}

const lb = (more: object): unknown => ({ ...web, frontends: [{ kind: 'loadBalancer', address: '203.0.113.1', port: 80, ...more }] })
const endpoint = (more: object): unknown => ({ ...web, endpoints: [{ address: '10.1.0.1', port: 8080, ...more }] })
const node = (more: object): unknown => ({ ...web, frontends: [{ kind: 'node', port: 30080, ...more }] })

describe('the schema of service files', () => {
  test('takes random services that the model takes', async () => {
    const random = new Random(20)
    const services = Array.from({ length: 250 }, (_, number) => randomService(random, number))
    expect(isValid({ services }), JSON.stringify(isValid.errors?.[0])).toBe(true)
    expect(await isAccepted({ services })).toBe(true)
  })

  test.each<[string, unknown, boolean]>([
    ['a service', web, true],
    ['no name', { ...web, name: undefined }, false],
    ['an empty name', { ...web, name: '' }, false],
    ['a name with a control character', { ...web, name: 'a\u0007' }, false],
    ['another protocol', { ...web, protocol: 'icmp' }, false],
    ['an unknown field', { ...web, port: 80 }, false],
    ['no frontends', { ...web, frontends: [] }, false],
    ['no endpoints', { ...web, endpoints: [] }, true],
    ['endpoints that are missing', { ...web, endpoints: undefined }, false],
    ['another scheduler', { ...web, scheduler: 'best' }, false],
    ['affinity', { ...web, affinity: { timeoutSeconds: MAX_AFFINITY_SECONDS } }, true],
    ['affinity that is too long', { ...web, affinity: { timeoutSeconds: MAX_AFFINITY_SECONDS + 1 } }, false],
    ['affinity with a unit', { ...web, affinity: { timeoutSeconds: '3h' } }, false],
    ['affinity of another field', { ...web, affinity: { timeoutMs: 1 } }, false],
    ['a priority', { ...web, priority: -MAX_PRIORITY }, true],
    ['a priority that is too high', { ...web, priority: MAX_PRIORITY + 1 }, false],
    ['another kind', { ...web, frontends: [{ kind: 'nodePort', port: 80 }] }, false],
    ['a frontend without address', { ...web, frontends: [{ kind: 'external', port: 80 }] }, false],
    ['source ranges', lb({ sourceRanges: { allow: ['192.0.2.0/24'], deny: [] } }), true],
    ['source ranges that allow nobody', lb({ sourceRanges: { allow: [] } }), false],
    ['source ranges of a cluster address', { ...web, frontends: [{ ...(web.frontends[0] as object), sourceRanges: {} }] }, false],
    ['a port of the node', node({ family: 'ip6', trafficPolicy: 'local' }), true],
    ['a port of the node with an address', node({ address: '10.0.0.1' }), false],
    ['another family', node({ family: 'ipv4' }), false],
    ['a carrier', { ...web, carrier: 'loopback' }, true],
    ['a carrier of a frontend', node({ carrier: 'loopback' }), true],
    ['a carrier with a name that is too long', node({ carrier: 'thirteen-is-1' }), false],
    ['port 0', node({ port: 0 }), false],
    ['port 65536', node({ port: 65_536 }), false],
    ['an endpoint with all fields', endpoint({ weight: 65_535, local: true, state: 'serving', side: 'local' }), true],
    ['a weight that is too large', endpoint({ weight: 65_536 }), false],
    ['a weight that is no integer', endpoint({ weight: 1.5 }), false],
    ['another state', endpoint({ state: 'gone' }), false],
    ['another side', endpoint({ side: 'zone' }), false],
    ['an address with a prefix', endpoint({ address: '10.1.0.0/24' }), false],
    ['an address with a zone', endpoint({ address: 'fe80::1%eth0' }), false]
  ])('says of %s what the model says', async (_, service, isRight) => {
    const file = { services: [service] }
    expect(await isAccepted(file)).toBe(isRight)
    expect(isValid(JSON.parse(JSON.stringify(file)))).toBe(isRight)
  })

  test('refuses other files', () => {
    for (const file of [null, [], {}, { services: {} }, { services: [], version: 1 }]) expect(isValid(file)).toBe(false)
  })

  test('has the words and bounds of the model', () => {
    const { service, endpoint: endpoints, policy, loadBalancerFrontend } = schema.definitions
    expect(service!.properties['scheduler']!.enum).toEqual(SCHEDULERS)
    expect(service!.properties['frontends']!.maxItems).toBe(MAX_FRONTENDS)
    expect(endpoints!.properties['state']!.enum).toEqual(STATES)
    expect(policy!.enum).toEqual(POLICIES)
    expect(loadBalancerFrontend!.properties['sourceRanges']!.properties['allow']!.maxItems).toBe(MAX_SOURCE_RANGES)
    const kinds = ['clusterFrontend', 'loadBalancerFrontend', 'nodeFrontend'].flatMap((name) => {
      const { enum: several, const: one } = schema.definitions[name]!.properties['kind']!
      return several ?? [one!]
    })
    expect(kinds).toEqual(FRONTEND_KINDS)
  })
})
