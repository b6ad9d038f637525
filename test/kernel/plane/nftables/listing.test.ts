import { expect, it } from 'vitest'
import { openPlane, type Service } from '../../../../src/index.js'
import { nft } from '../../../support/namespace.js'
import { Random } from '../../../support/random.js'
import { randomService } from '../../../support/random-services.js'
import { listWithBoth } from '../../../support/list-with-both.js'

it('both versions of nft list what a plane writes', async () => {
  const random = new Random(7)
  const services = Array.from({ length: 40 }, (_, number): Service => randomService(random, number, 'whole'))
  await using plane = await openPlane({ mode: 'nftables', auditMs: 0 })
  await plane.sync(new Map(services.map((service) => [service.name, service])))
  for (const listing of await listWithBoth()) expect(listing).toContain('comment "default/service-1:http"')
  await nft('flush', 'ruleset')
})
