import type { Family, SetSpec } from '../../../../src/index.js'

const lists = (family: Family, table: string): readonly SetSpec[] => {
  const set = (name: string, rest: Omit<SetSpec, 'family' | 'table' | 'name'>): SetSpec => ({ family, table, name, ...rest })
  return [
    set('s4', { key: 'ipv4_addr' }),
    set('i4', { key: 'ipv4_addr', flags: ['interval'] }),
    set('s6', { key: 'ipv6_addr' }),
    set('ports', { key: 'inet_service', flags: ['interval'] }),
    set('marks', { key: 'mark' }),
    set('markranges', { key: 'mark', flags: ['interval'] }),
    set('links', { key: 'ifname' }),
    set('linkranges', { key: 'ifname', flags: ['interval'] }),
    set('services', { key: ['ipv4_addr', 'inet_proto', 'inet_service'] }),
    set('pairs', { key: ['ipv4_addr', 'inet_service'], flags: ['interval'] }),
    set('markpairs', { key: ['mark', 'inet_service'], flags: ['interval'] }),
    set('clients', { key: ['ipv4_addr', 'ipv4_addr', 'inet_service'], size: 100, flags: ['eval', 'timeout'] }),
    set('affinity', { key: ['ipv4_addr', 'ipv4_addr'], data: ['ipv4_addr', 'inet_service'], size: 100, flags: ['eval', 'timeout'] }),
    set('sticky', {
      key: ['ipv4_addr', 'ipv4_addr', 'inet_proto', 'inet_service'],
      data: ['ipv4_addr', 'inet_service'],
      size: 100,
      flags: ['eval', 'timeout']
    }),
    set('verdicts', { key: ['ipv4_addr', 'inet_service'], data: 'verdict' }),
    set('verdict', { key: 'ipv4_addr', data: 'verdict' }),
    set('addresses', { key: 'ipv4_addr', data: 'ipv4_addr' }),
    set('addresses6', { key: 'ipv6_addr', data: 'ipv6_addr' }),
    set('endpoint', { key: 'ipv4_addr', data: ['ipv4_addr', 'inet_service'] }),
    set('endpoint6', { key: 'ipv6_addr', data: ['ipv6_addr', 'inet_service'] }),
    set('endpoints', { key: ['ipv4_addr', 'inet_service'], data: ['ipv4_addr', 'inet_service'] }),
    set('tags', { key: 'ipv4_addr', data: 'mark' }),
    set('counted', { key: 'ipv4_addr', data: { object: 'counter' } })
  ]
}

/** The sets that the rules of the table refer to. */
export const setsOf = lists

/** Finds a set by its name. */
export function setNamed(name: string): SetSpec {
  return lists('inet', 'any').find((set) => set.name === name)!
}
