import { describe, expect, it } from 'vitest'
import { Slices } from '../../../../../src/core/slices.js'
import { acceptService } from '../../../../../src/plane/core/accept/service.js'
import { MAX_SERVICE_SLOTS, MAX_SLOTS, type Service } from '../../../../../src/plane/model.js'

function service(overrides: Record<string, unknown> = {}): Service {
  return {
    name: 'default/web:http',
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
    endpoints: [{ address: '10.1.0.1', port: 8080 }],
    ...overrides
  }
}

const accept = async (candidate: Service): Promise<void> => await acceptService(candidate, new Slices())

const frontend = (overrides: Record<string, unknown>) => ({
  frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80, ...overrides }]
})
const endpoint = (overrides: Record<string, unknown>) => ({ endpoints: [{ address: '10.1.0.1', port: 8080, ...overrides }] })

const balancer = (allow: readonly unknown[]) => frontend({ kind: 'loadBalancer', sourceRanges: { allow } })

describe('acceptService', () => {
  it.each([
    ['an address that is none', frontend({ address: '10.96.0.256' }), '.frontends[0].address'],
    ['an address with a leading zero', frontend({ address: '010.0.0.1' }), '.frontends[0].address'],
    ['an address with a zone', frontend({ address: 'fe80::1%eth0' }), '.frontends[0].address'],
    ['an address with a prefix', endpoint({ address: '10.1.0.1/32' }), '.endpoints[0].address'],
    ['an IPv4 address written as one of IPv6', frontend({ address: '::ffff:10.96.0.1' }), '.frontends[0].address'],
    ['a loopback address written as one of IPv6', endpoint({ address: '::ffff:7f00:1' }), '.endpoints[0].address'],
    ['port 0', frontend({ port: 0 }), '.frontends[0].port'],
    ['port 65536', endpoint({ port: 65_536 }), '.endpoints[0].port'],
    ['a port as text', endpoint({ port: '80' }), '.endpoints[0].port'],
    ['a negative weight', endpoint({ weight: -1 }), '.endpoints[0].weight'],
    ['a weight that is no integer', endpoint({ weight: 1.5 }), '.endpoints[0].weight'],
    ['an unknown state', endpoint({ state: 'dead' }), '.endpoints[0].state'],
    ['local that is no truth', endpoint({ local: 1 }), '.endpoints[0].local'],
    ['an unknown kind', frontend({ kind: 'host' }), '.frontends[0].kind'],
    ['a field of another kind', frontend({ kind: 'node' }), '.frontends[0].address'],
    ['a misspelt field', endpoint({ wieght: 1 }), '.endpoints[0].wieght'],
    ['an unknown protocol', { protocol: 'icmp' }, '.protocol'],
    ['an unknown scheduler', { scheduler: 'fastest' }, '.scheduler'],
    ['no frontends', { frontends: [] }, '.frontends'],
    ['endpoints that are no list', { endpoints: undefined }, '.endpoints'],
    ['an empty name', { name: '' }, '.name'],
    ['a name with a newline', { name: 'a\nb' }, '.name'],
    ['a name with half a character', { name: 'a\ud800b' }, '.name'],
    ['a name that changes the direction of text', { name: 'a\u202eb' }, '.name'],
    ['a list of ranges with a hole', balancer(new Array(1)), '.frontends[0].sourceRanges.allow[0]'],
    // eslint-disable-next-line no-sparse-arrays
    ['a list of ranges with a hole in it', balancer(['10.0.0.0/8', , '11.0.0.0/8']), '.frontends[0].sourceRanges.allow[1]'],
    ['a name of 256 bytes', { name: 'n'.repeat(256) }, '.name'],
    [
      'one frontend twice',
      {
        frontends: [
          { kind: 'cluster', address: 'fd00::1', port: 80 },
          { kind: 'external', address: 'fd00:0::1', port: 80 }
        ]
      },
      '.frontends[1]'
    ],
    [
      'one endpoint twice',
      {
        endpoints: [
          { address: '10.1.0.1', port: 1 },
          { address: '10.1.0.1', port: 1 }
        ]
      },
      '.endpoints[1]'
    ],
    [
      'one endpoint twice among many',
      {
        endpoints: [
          ...Array.from({ length: 40 }, (_, index) => ({ address: '10.1.0.1', port: index + 1 })),
          { address: '10.1.0.1', port: 7 }
        ]
      },
      '.endpoints[40]'
    ],
    [
      'one endpoint of IPv6 twice, spelt in two ways',
      {
        endpoints: [
          { address: 'fd00::1', port: 7 },
          { address: '10.1.0.1', port: 7 },
          { address: 'fd00:0::1', port: 7 }
        ]
      },
      '.endpoints[2]'
    ],
    [
      'one endpoint twice among very many',
      {
        endpoints: [
          ...Array.from({ length: 200 }, (_, index) => ({ address: '10.1.0.1', port: index + 1 })),
          { address: '10.1.0.1', port: 7 }
        ]
      },
      '.endpoints[200]'
    ],
    [
      'weights beyond the slot limit',
      {
        endpoints: [
          { address: '10.1.0.1', port: 1, weight: MAX_SLOTS },
          { address: '10.1.0.2', port: 1, weight: 1 }
        ]
      },
      '.endpoints'
    ],
    [
      'more slots of all frontends than one service may have',
      {
        frontends: Array.from({ length: 17 }, (_, index) => ({ kind: 'cluster', address: '10.96.0.1', port: index + 1 })),
        endpoints: [
          { address: '10.1.0.1', port: 1, weight: MAX_SERVICE_SLOTS / 16 - 1 },
          { address: '10.1.0.2', port: 1, weight: 1 }
        ]
      },
      '.endpoints'
    ]
  ])('refuses %s, naming the field', async (_, overrides, path) => {
    const refused = service(overrides)
    await expect(accept(refused)).rejects.toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path })
    const lengths = [refused.frontends.length, (refused.endpoints as Service['endpoints'] | undefined)?.length ?? 0]
    expect(Object.isFrozen(refused)).toBe(lengths.some((length) => length > 128))
  })

  it.each<[what: string, make: (value: Service) => object, field: string, path: string]>([
    ['service', (value) => value, 'name', '.name'],
    ['service', (value) => value, 'endpoints', '.endpoints'],
    ['frontend', (value) => value.frontends[0]!, 'port', '.frontends[0].port'],
    ['endpoint', (value) => value.endpoints[0]!, 'address', '.endpoints[0].address'],
    ['endpoint', (value) => value.endpoints[0]!, 'weight', '.endpoints[0].weight']
  ])('refuses a getter of a %s, which need not give again what was checked', async (_, make, field, path) => {
    const refused = service({ endpoints: [{ address: '10.1.0.1', port: 1, weight: 2 }] })
    const holder = make(refused)
    const value: unknown = Reflect.get(holder, field)
    Object.defineProperty(holder, field, { enumerable: true, get: () => value })
    await expect(accept(refused)).rejects.toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path, value })
  })

  it('refuses getters of a class', async () => {
    const { name, protocol, frontends, endpoints } = service()
    class Computed {
      name = name
      protocol = protocol
      frontends = frontends
      get endpoints() {
        return endpoints
      }
    }
    await expect(accept(new Computed())).rejects.toMatchObject({ code: 'ERR_NETPLANE_VALIDATION', path: '.endpoints' })
  })

  it('freezes what it accepts, with all it holds', async () => {
    const accepted = service()
    await accept(accepted)
    expect(() => Object.assign(accepted.endpoints[0]!, { port: 1 })).toThrow(TypeError)
    expect(() => (accepted.frontends as unknown[]).push({})).toThrow(TypeError)
    await accept(accepted)
  })
})
