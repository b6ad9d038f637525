import { describe, expect, it } from 'vitest'
import type { Service } from '../../../src/plane/model.js'
import { virtualServices } from '../../../src/plane/ipvs/translate.js'

const names = { random: 'wrr', hash: 'mh' }
const service = (): Service => ({
  name: 'web',
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
  endpoints: [{ address: '10.1.0.1', port: 8080 }]
})

describe('virtual services', () => {
  it('are the same objects for the same accepted service, so that the client need not look at them again', () => {
    const accepted = Object.freeze(service())
    const made = virtualServices(accepted, names)
    expect(virtualServices(accepted, names)).toBe(made)
    expect(virtualServices(accepted, { ...names, random: 'rr' })).toMatchObject([{ scheduler: 'rr' }])
  })

  it('are made again for one that may change', () => {
    const open = service()
    expect(virtualServices(open, names)).not.toBe(virtualServices(open, names))
  })
})
