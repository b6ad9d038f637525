import { describe, expect, it } from 'vitest'
import { Ipvs, openPlane, type IpvsPlaneOptions, type Service } from '../../../src/index.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../src/testing.js'
import { kernelsHere, mayUseIpvs } from '../../support/lab.js'
import { makeNamespace } from '../../support/namespace.js'
import { closing } from '../../support/plane-rigs.js'

interface Place {
  readonly options: Pick<IpvsPlaneOptions, 'netns' | 'kernel'>
  readonly ipvs: () => Promise<Ipvs>
}

function fakePlace(): Promise<Place> {
  const kernel = { ipvs: new FakeIpvsKernel(), nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  return Promise.resolve({ options: { kernel }, ipvs: () => kernel.ipvs.open() })
}

async function kernelPlace(): Promise<Place> {
  const { path: netns } = await makeNamespace()
  return { options: { netns }, ipvs: () => Ipvs.open({ netns }) }
}

const kernels = kernelsHere([
  { kernel: 'the fake', make: fakePlace },
  ...(mayUseIpvs() ? [{ kernel: 'the kernel', make: kernelPlace }] : [])
])

const service = (name: string, last: number, scheduler: Service['scheduler']): Service => ({
  name,
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: `10.96.0.${last}`, port: 80 }],
  endpoints: [{ address: '10.1.0.1', port: 8080 }],
  scheduler
})
const SERVICES = new Map(
  [service('plain', 1, undefined), service('failing-over', 2, 'fo'), service('hashed', 3, 'hash')].map((entry) => [entry.name, entry])
)

/** No kernel has a module of this name. */
const NOWHERE = 'nosuch'

describe.each(kernels)('the ipvs plane, where $kernel lacks a scheduler', ({ make }) => {
  it('refuses the service, or takes the one that an option names', async () => {
    const { options, ipvs } = await make()
    const common = { mode: 'ipvs', auditMs: 0, staleFlows: false, schedulers: { hash: NOWHERE }, ...options } as const
    const client = await closing(ipvs())
    const schedulers = async (): Promise<string[]> =>
      (await client.listServices()).map(({ address, scheduler }) => `${address ?? ''} ${scheduler}`).sort()

    const strict = await closing(openPlane(common))
    const { quarantined } = await strict.sync(SERVICES)
    expect(quarantined).toMatchObject([{ service: 'hashed', error: { code: 'ENOENT' } }])
    expect(String(quarantined[0]!.error)).toContain(`modprobe ip_vs_${NOWHERE}`)
    expect(await schedulers()).toEqual(['10.96.0.1 wrr', '10.96.0.2 fo'])
    await strict.close()

    const lenient = await closing(openPlane({ ...common, scheduler: 'lc', schedulerFallback: 'consistent' }))
    const events = lenient.watch()
    expect((await lenient.sync(SERVICES)).quarantined).toEqual([])
    expect(await schedulers()).toEqual(['10.96.0.1 lc', '10.96.0.2 fo', '10.96.0.3 mh'])
    expect((await events.next()).value).toEqual({ type: 'schedulerMissing', scheduler: NOWHERE, fallback: 'mh' })
    expect(lenient.status().details).toMatchObject({ missingSchedulers: [NOWHERE] })
    expect((await lenient.plan(SERVICES)).isEmpty).toBe(true)
  })
})
