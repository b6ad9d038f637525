import { describe, expect, it } from 'vitest'
import { ClosedError, type Explanation, type Service } from '../../../src/index.js'
import { rigKinds } from '../../support/plane-rigs.js'
import { rejection } from '../../support/rejection.js'

const POD = '10.244.0.2'
const OUTSIDE = '198.51.100.7'

const services: readonly Service[] = [
  {
    name: 'shop/web:http',
    protocol: 'tcp',
    frontends: [
      { kind: 'cluster', address: '10.96.0.1', port: 80 },
      { kind: 'external', address: 'fd00:96::1', port: 80 }
    ],
    endpoints: [
      { address: POD, port: 8080, weight: 3, local: true },
      { address: '10.244.1.2', port: 8080 },
      { address: '10.244.1.3', port: 8080, state: 'draining' },
      { address: 'fd00:244::2', port: 8080 }
    ]
  },
  { name: 'shop/none:http', protocol: 'udp', frontends: [{ kind: 'cluster', address: '10.96.0.2', port: 80 }], endpoints: [] }
]

const seen = ({ outcome }: Explanation): unknown =>
  outcome.type === 'served'
    ? outcome.endpoints.map(({ address, source, probability }) => `${address} ${source} ${probability}`).sort()
    : outcome.type

describe.each(rigKinds)('$name explains', (kind) => {
  // Relays make connections of their own.
  const client = kind.mode === 'userspace' ? 'node' : 'client'
  const open = async (localSources?: readonly string[]) => {
    const rig = await kind.make()
    const plane = await rig.open({ localSources })
    await plane.sync(new Map(services.map((service) => [service.name, service])))
    return { plane, rig }
  }
  const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const

  it('where connections go, by weight, and whose address the endpoints see', async () => {
    const { plane } = await open(['10.244.0.0/16'])
    expect(seen(await plane.explain({ ...web, from: OUTSIDE }))).toEqual([`10.244.0.2 node 0.75`, `10.244.1.2 node 0.25`])
    expect(seen(await plane.explain({ ...web, from: '10.244.0.9' }))).toEqual([`10.244.0.2 ${client} 0.75`, `10.244.1.2 ${client} 0.25`])
    expect(seen(await plane.explain({ ...web, from: POD }))).toEqual([`10.244.0.2 node 0.75`, `10.244.1.2 ${client} 0.25`])
    const six = await plane.explain({ ...web, address: 'fd00:96::1', from: 'fd00:77::7' })
    expect(seen(six)).toEqual(['fd00:244::2 node 1'])
    expect(six.outcome).toMatchObject({ service: 'shop/web:http' })
  })

  it('what is refused, and what is not ours', async () => {
    const { plane } = await open()
    const none = { protocol: 'udp', address: '10.96.0.2', port: 80, from: OUTSIDE } as const
    expect((await plane.explain(none)).outcome).toEqual({ type: 'refused', service: 'shop/none:http', reason: 'noEndpoint' })
    expect((await plane.explain({ ...web, port: 81 })).outcome).toMatchObject({ type: 'refused', reason: 'unservedPort' })
    expect((await plane.explain({ ...web, address: '10.9.9.9' })).outcome).toEqual({ type: 'untouched', reason: 'notOurs' })
  })

  it('in English', async () => {
    const { plane } = await open()
    const lines = String(await plane.explain({ ...web, from: OUTSIDE })).split('\n')
    expect(lines[0]).toBe('tcp from 198.51.100.7 to 10.96.0.1:80, coming in')
    expect(lines.at(-1)).toMatch(
      /^Outcome: served by service shop\/web:http, at 10\.244\.\d\.2:8080 \(\d\d %\), 10\.244\.\d\.2:8080 \(\d\d %\)\.$/
    )
  })

  it('what the kernel holds, before a sync and after a change', async () => {
    const { plane, rig } = await open()
    const again = await rig.open()
    // Endpoints of relays are known to their own process.
    const isKnown = kind.mode !== 'userspace'
    expect(seen(await again.explain({ ...web, from: OUTSIDE }))).toEqual(
      isKnown ? [`10.244.0.2 client 0.75`, `10.244.1.2 client 0.25`] : []
    )
    await plane.update({ set: [{ ...services[0]!, endpoints: services[0]!.endpoints.slice(1) }] })
    expect(seen(await again.explain({ ...web, from: OUTSIDE }))).toEqual(isKnown ? ['10.244.1.2 client 1'] : [])
    await plane.update({ delete: [services[0]!.name] })
    expect(seen(await again.explain({ ...web, from: OUTSIDE }))).toBe('untouched')
  })

  it('nothing that is malformed, and nothing once it is closed', async () => {
    const { plane } = await open()
    expect(await rejection(plane.explain({ ...web, port: 65_536 }))).toMatchObject({ path: 'request.port' })
    expect(await rejection(plane.explain({ ...web, from: 'fd00::1' }))).toMatchObject({ path: 'request.from' })
    await plane.close()
    expect(await rejection(plane.explain(web))).toBeInstanceOf(ClosedError)
  })

  it('nothing of a table that is not ours', async () => {
    const rig = await kind.make()
    await rig.occupy()
    const plane = await rig.open()
    expect(await rejection(plane.explain(web))).toMatchObject({ code: 'ERR_NETPLANE_FOREIGN' })
  })
})
