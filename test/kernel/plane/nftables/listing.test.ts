import { expect, it } from 'vitest'
import { openPlane, type NftablesPlaneOptions, type Service } from '../../../../src/index.js'
import { Random } from '../../../support/random.js'
import { randomService } from '../../../support/random-services.js'
import { listWithBoth } from '../../../support/list-with-both.js'

const OPTIONS: readonly Partial<NftablesPlaneOptions>[] = [
  {},
  {
    localSources: ['10.1.0.0/16', 'fd00:1::/32'],
    serviceRanges: ['10.96.0.0/12', 'fd00:96::/112'],
    masqueradeAddress: { ip: '192.0.2.1' },
    masqueradeBit: 14,
    forwardedBit: 5,
    dropInvalid: true,
    counters: true
  },
  { localSources: { interfacePrefix: 'veth' }, masquerade: 'all', loopbackNodePorts: true, tableOwner: 'persistent' }
]

it.each(OPTIONS)('both versions of nft list what a plane writes, with %j', async (options) => {
  const random = new Random(7)
  const services = Array.from({ length: 40 }, (_, number): Service => randomService(random, number))
  await using plane = await openPlane({ mode: 'nftables', auditMs: 0, ...options })
  await plane.sync(new Map(services.map((service) => [service.name, service])))
  for (const listing of await listWithBoth()) expect(listing).toContain('comment "default/service-1:http"')
  await plane.close({ cleanup: true })
})
