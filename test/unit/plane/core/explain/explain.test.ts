import { frontendIdentities } from '../../../../../src/plane/core/frontend.js'
import { describe, expect, it } from 'vitest'
import { openPlane, type ExplainRequest, type ExplanationOutcome, type ExplanationStep } from '../../../../../src/index.js'
import { describeExplanation } from '../../../../../src/plane/core/explain/text.js'
import { explain } from '../../../../../src/plane/core/explain/explain.js'
import { FakeNftablesKernel } from '../../../../../src/testing.js'
import { rejection } from '../../../../support/rejection.js'

const good: ExplainRequest = { protocol: 'tcp', address: '10.96.0.1', port: 80 }

describe('a request is refused that has', () => {
  it.each<[what: string, fields: Record<string, unknown>, path: string]>([
    ['no protocol', { protocol: undefined }, 'request.protocol'],
    ['an unknown protocol', { protocol: 'icmp' }, 'request.protocol'],
    ['no address', { address: undefined }, 'request.address'],
    ['an address that is none', { address: '10.96.0.0/16' }, 'request.address'],
    ['a port that is none', { port: 0 }, 'request.port'],
    ['a port in a text', { port: '80' }, 'request.port'],
    ['a client that is none', { from: 'localhost' }, 'request.from'],
    ['a client of another family', { from: 'fd00::1' }, 'request.from'],
    ['an unknown direction', { direction: 'prerouting' }, 'request.direction'],
    ['no client of an incoming packet', { direction: 'incoming' }, 'request.from'],
    ['a link of a packet of this node', { direction: 'outgoing', from: '10.0.0.1', interface: 'eth0' }, 'request.interface'],
    ['a link without a client', { interface: 'eth0' }, 'request.interface'],
    ['a name that no link has', { from: '10.0.0.1', interface: 'a link' }, 'request.interface'],
    ['an unknown field', { source: '10.0.0.1' }, 'request.source']
  ])('%s', async (_, fields, path) => {
    await using plane = await openPlane({ mode: 'nftables', auditMs: 0, kernel: { nftables: new FakeNftablesKernel() } })
    expect(await rejection(plane.explain({ ...good, ...fields }))).toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path })
  })

  it('no fields', async () => {
    await using plane = await openPlane({ mode: 'nftables', auditMs: 0, kernel: { nftables: new FakeNftablesKernel() } })
    for (const request of [undefined, null, 'tcp', []])
      expect(await rejection(plane.explain(request as never))).toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path: 'request' })
  })
})

describe('what a back end is asked', () => {
  const asked = async (request: Partial<ExplainRequest>, own: readonly string[] = []): Promise<object> => {
    const questions: object[] = []
    await explain(
      { ...good, ...request },
      {
        ownAddresses: () => Promise.resolve(own),
        owner: (frontend) => `owner of ${frontend}`,
        explain: (question) => {
          questions.push({ ...question, owners: (['address', 'node'] as const).map(question.ownerOf) })
          return Promise.resolve({ steps: [], outcome: { type: 'untouched', reason: 'notOurs' }, dependsOn: [] })
        }
      }
    )
    return questions[0]!
  }

  it.each<[what: string, request: Partial<ExplainRequest>, direction: string]>([
    ['nobody else asks', {}, 'outgoing'],
    ['somebody else asks', { from: '10.0.0.2' }, 'incoming'],
    ['an address of this node asks', { from: '10.0.0.1' }, 'outgoing'],
    ['an address of loopback asks', { from: '127.0.0.53' }, 'outgoing'],
    ['an address of this node asks by a link', { from: '10.0.0.1', interface: 'eth0' }, 'incoming'],
    ['it is said', { from: '10.0.0.1', direction: 'incoming' }, 'incoming']
  ])('has a direction where %s', async (_, request, direction) => {
    expect(await asked(request, ['10.0.0.1'])).toMatchObject({ direction })
  })

  it('has addresses in their usual spelling, and the services of the frontend', async () => {
    expect(await asked({ address: 'FD00:0::1', from: 'fd00::0:2' })).toMatchObject({
      ...{ family: 'ip6', address: 'fd00::1', from: 'fd00::2' },
      owners: [
        ...frontendIdentities('tcp', { kind: 'cluster', address: 'fd00::1', port: 80 }),
        ...frontendIdentities('tcp', { kind: 'node', port: 80, family: 'ip6' })
      ].map((frontend) => `owner of ${frontend}`)
    })
  })
})

describe('the text', () => {
  const share = { address: '10.1.0.1', port: 8080 }
  const textOf = (steps: readonly ExplanationStep[], outcome: ExplanationOutcome): string[] =>
    describeExplanation({ request: { ...good, direction: 'outgoing' }, steps, outcome, dependsOn: ['from'] }).split('\n')

  it('has a line for the packet, each step, the outcome, and what it depends on', () => {
    const endpoint = { ...share, probability: 0.999_99, source: 'node', reason: 'hairpin' } as const
    const steps: ExplanationStep[] = [
      { type: 'drift', objects: ['set vips is missing'] },
      { type: 'affinity', endpoint: share, leftMs: 1234, timeoutMs: 60_000 },
      { type: 'choice', scheduler: 'hash', endpoints: [{ ...share, probability: 1 / 3 }], chosen: share }
    ]
    expect(textOf(steps, { type: 'served', service: 'web', endpoints: [endpoint] })).toEqual([
      'tcp from an address of this node to 10.96.0.1:80, sent by this node',
      'The kernel differs from what the plane made: set vips is missing.',
      'Clients are remembered for 60 s; this one keeps 10.1.0.1:8080, for 1.2 s more if it does not connect again.',
      'Scheduler hash chooses among 10.1.0.1:8080 (33.3 %); this client gets 10.1.0.1:8080.',
      'Outcome: served by service web, at 10.1.0.1:8080 (almost 100 %).',
      'This may differ for a certain address of this node: say `from`.'
    ])
  })

  it('names a few of many endpoints, and says where a connection ends that was translated', () => {
    const endpoints = Array.from({ length: 20 }, (_, index) => ({ address: `10.1.0.${index}`, port: 80, probability: 0.05 }))
    const refusal = { type: 'dropped', reason: 'unservedAddress' } as const
    const [, choice, outcome] = textOf([{ type: 'choice', scheduler: 'lc', endpoints }], {
      ...{ type: 'served', service: undefined },
      endpoints: [{ ...share, source: 'client', reason: 'never', refusal }]
    })
    expect(choice).toMatch(/^Scheduler lc chooses among 10\.1\.0\.0:80 \(5 %\), .* and 12 more\.$/)
    expect(outcome).toBe(
      'Outcome: served by a service of unknown name, at 10.1.0.1:8080, where it is dropped, because no service has this address of a service range.'
    )
  })
})
