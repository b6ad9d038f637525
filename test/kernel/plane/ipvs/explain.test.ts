import { expect, it, onTestFinished } from 'vitest'
import { openPlane, type Explanation, type Service } from '../../../../src/index.js'
import { VIP } from '../../../support/plane-ways.js'
import { addressOf, ask, makeServiceNetwork, reachable, serve } from '../../../support/service-network.js'

const families = ['ip', 'ip6'] as const

function web(name: string, port: number, endpoints: Service['endpoints'], more: Partial<Service> = {}): Service {
  return {
    ...{ name, protocol: 'tcp', endpoints },
    frontends: families.map((family) => ({ kind: 'cluster', address: VIP[family], port })),
    ...more
  }
}

const endpoints = [1, 2].flatMap((server) =>
  families.map((family) => ({ address: addressOf[family](server), port: 8080, local: server === 1 }))
)

/** An answer as it was explained: from one of the endpoints, which saw the client's address or not. */
function isExplained({ outcome }: Explanation, answer: string, client: string | undefined): boolean {
  const [server, seen] = answer.split(' ')
  if (outcome.type !== 'served') return false
  const endpoint = outcome.endpoints.find(({ address }) =>
    families.some((family) => address === addressOf[family](Number(server!.slice(1))))
  )
  return endpoint !== undefined && (endpoint.source === 'client') === (seen === client)
}

/** One test with one network, as programs take long to start in the lab. */
it('the ipvs plane explains what happens to packets', async () => {
  const { node, client, servers } = await makeServiceNetwork(2)
  await Promise.all(servers.map((host, index) => serve(host, `s${index + 1}`, 8080)))
  await reachable({ node, client, servers }, 8080)
  const plane = await openPlane({ mode: 'ipvs', netns: node.path, localSources: ['10.1.0.0/24'], auditMs: 0 })
  onTestFinished(() => plane.close())
  const services = [web('web', 80, endpoints), web('sticky', 81, endpoints, { affinity: { timeoutSeconds: 600 } }), web('none', 82, [])]
  await plane.sync(new Map(services.map((service) => [service.name, service])))

  const asking = [
    [client, addressOf.ip(0), 'local'],
    [client, addressOf.ip6(0), 'notLocal'],
    [servers[0]!, addressOf.ip(1), 'hairpin'],
    [node, undefined, 'serviceAddress']
  ] as const
  for (const [host, from, reason] of asking) {
    const address = VIP[from?.includes(':') ? 'ip6' : 'ip']
    const answers = await ask(host, 'tcp', address, 80, 4)
    const explanation = await plane.explain({ protocol: 'tcp', address, port: 80, from })
    expect(explanation.outcome).toMatchObject({ service: 'web', endpoints: [{ probability: 0.5 }, { probability: 0.5 }] })
    expect(JSON.stringify(explanation.steps)).toContain(reason)
    for (const answer of answers) expect(isExplained(explanation, answer, from), `${answer}: ${String(explanation)}`).toBe(true)
  }

  const kept = await ask(client, 'tcp', VIP.ip, 81, 4)
  const remembering = await plane.explain({ protocol: 'tcp', address: VIP.ip, port: 81, from: addressOf.ip(0) })
  const affinity = remembering.steps.find(({ type }) => type === 'affinity') as { leftMs: number; timeoutMs: number }
  expect(affinity.timeoutMs).toBe(600_000)
  expect(affinity.leftMs).toBeLessThanOrEqual(600_000)
  expect(affinity.leftMs).toBeGreaterThan(500_000)
  expect(remembering.outcome).toMatchObject({ endpoints: [{ probability: 1 }] })
  for (const answer of kept) expect(isExplained(remembering, answer, addressOf.ip(0))).toBe(true)

  for (const [port, reason] of [
    [82, 'noEndpoint'],
    [83, 'unservedPort']
  ] as const) {
    expect(await ask(client, 'tcp', VIP.ip, port, 1)).toEqual(['ConnectionRefusedError'])
    const { outcome } = await plane.explain({ protocol: 'tcp', address: VIP.ip, port, from: addressOf.ip(0) })
    expect(outcome).toMatchObject({ type: 'refused', reason })
  }
})
