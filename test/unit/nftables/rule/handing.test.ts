import { describe, expect, it } from 'vitest'
import { ValidationError, type Family } from '../../../../src/index.js'
import {
  arp,
  dccpOption,
  dup,
  exthdr,
  fwd,
  geneve,
  igmp,
  inner,
  ip,
  ip6,
  ipOption,
  ipsec,
  meta,
  numgen,
  osf,
  queue,
  resetTcpOption,
  rt,
  socket,
  synproxy,
  tcp,
  tcpOption,
  tproxy,
  udp,
  vxlan,
  type Expression,
  type RuleStatement
} from '../../../../src/nftables.js'
import { compileRule } from '../../../../src/nftables/rule/compile.js'

function compile(statements: readonly RuleStatement[], family: Family = 'inet'): readonly Expression[] {
  let id = 0
  return compileRule(statements, { family, table: 't', nextSetId: () => ++id, nextChainId: () => ++id }).expressions
}

describe('queues', () => {
  it('are one, a range, or what the rule computes', () => {
    expect(compile([queue(3, { flags: ['bypass'] })])).toEqual([{ type: 'queue', number: 3, total: 1, flags: ['bypass'] }])
    expect(compile([queue({ from: 1, to: 5 }, { flags: ['fanout'] })])).toEqual([{ type: 'queue', number: 1, total: 5, flags: ['fanout'] }])
    expect(compile([queue(numgen.inc(4))])).toEqual([
      { type: 'numgen', destinationRegister: 1, modulus: 4, mode: 'inc', offset: 0 },
      { type: 'queue', numberRegister: 1, flags: [] }
    ])
  })
})

describe('copies and forwarded packets', () => {
  it('lie in the registers that nft takes', () => {
    expect(compile([dup({ to: '10.0.0.1', device: 1 })], 'ip').at(-1)).toEqual({ type: 'dup', addressRegister: 1, deviceRegister: 2 })
    expect(compile([fwd(1, { to: 'fd00::1' })], 'netdev').at(-1)).toEqual({
      type: 'fwd',
      deviceRegister: 1,
      addressRegister: 2,
      family: 'ip6'
    })
  })
})

describe('options that are set', () => {
  it('are turned where the kernel has the value in host order', () => {
    expect(compile([tcpOption.maxseg.size.set(rt.mtu)]).map(({ type }) => type)).toEqual(['rt', 'byteorder', 'exthdr'])
    expect(compile([tcpOption.maxseg.size.set(1360)]).at(-1)).toMatchObject({
      type: 'exthdr',
      header: 2,
      offset: 2,
      length: 2,
      sourceRegister: 1
    })
  })
})

describe('headers inside tunnels', () => {
  it('are asked for inside, the tunnel outside', () => {
    const types = compile([udp.dport.eq(4789), inner('vxlan', ip.saddr).eq('10.0.0.1'), inner('vxlan', ip.daddr).eq('10.0.0.2')])
    expect(types.filter(({ type }) => type === 'meta')).toHaveLength(1)
    // The protocol is asked once.
    expect(types.filter(({ type }) => type === 'inner')).toHaveLength(3)
  })

  it('contradict each other inside only', () => {
    expect(() => compile([inner('vxlan', ip.saddr).eq('10.0.0.1'), inner('vxlan', ip6.saddr).eq('fd00::1')])).toThrow(ValidationError)
    expect(() => compile([ip6.saddr.eq('fd00::1'), inner('vxlan', ip.saddr).eq('10.0.0.1')])).not.toThrow()
    expect(() => compile([inner('vxlan', ip.protocol).eq('tcp'), inner('vxlan', udp.dport).eq(1)])).toThrow(ValidationError)
    expect(() => compile([tcp.dport.eq(4789), vxlan.vni.eq(1)])).toThrow(ValidationError)
  })

  it('have numbers of 24 bits', () => {
    expect(compile([geneve.vni.eq(0xff_ffff)]).at(-1)).toMatchObject({ data: Uint8Array.of(255, 255, 255) })
    expect(() => compile([geneve.vni.eq(0x100_0000)])).toThrow('16777215')
  })
})

const refused: readonly (readonly [
  what: string,
  family: Family,
  statement: () => RuleStatement | readonly RuleStatement[],
  path: string
])[] = [
  ['a queue beyond the last', 'inet', () => queue(65_536), 'queue'],
  ['a range of queues that ends before it begins', 'inet', () => queue({ from: 5, to: 1 }), 'queue.to'],
  ['fanout to one queue', 'inet', () => queue(1, { flags: ['fanout'] }), 'flags'],
  ['fanout to a queue that is computed', 'inet', () => queue(numgen.inc(2), { flags: ['fanout'] }), 'flags'],
  ['a flag that queues do not have', 'inet', () => queue(1, { flags: ['any' as never] }), 'flags[0]'],
  ['a proxy without a place', 'inet', () => tproxy({}), 'address'],
  ['a proxy whose protocol is not known', 'inet', () => tproxy({ port: 80 }), 'tproxy'],
  ['a proxy of both versions', 'ip', () => [meta.l4proto.eq('tcp'), tproxy({ address: 'fd00::1' })], 'family'],
  ['a proxy of another family', 'inet', () => tproxy({ port: 1, family: 'arp' as never }), 'family'],
  ['a proxy in a table of bridge', 'bridge', () => tproxy({ port: 1 }), 'tproxy'],
  ['a copy to nowhere', 'ip', () => dup({}), 'to'],
  ['a copy in a table of inet', 'inet', () => dup({ to: '10.0.0.1' }), 'dup'],
  ['a copy to an address in a table of netdev', 'netdev', () => dup({ to: '10.0.0.1', device: 1 }), 'dup'],
  ['a copy to an address of the other version', 'ip', () => dup({ to: 'fd00::1' }), 'family'],
  ['a link without index', 'netdev', () => fwd(0), 'device'],
  ['what is forwarded in a table of ip', 'ip', () => fwd(1), 'fwd'],
  ['a scale of windows beyond 14', 'inet', () => synproxy({ windowScale: 15 }), 'windowScale'],
  ['a segment beyond 65535', 'inet', () => synproxy({ mss: 65_536 }), 'mss'],
  ['an option of TCP without number', 'inet', () => resetTcpOption('none' as never), 'option'],
  ['an option of TCP beyond 255', 'inet', () => tcpOption.number(256).exists(), 'option'],
  ['an option of DCCP beyond 255', 'inet', () => dccpOption(256).exists(), 'option'],
  ['an address of a routing header before the first', 'ip6', () => exthdr.srh.sid(0).eq('fd00::1'), 'index'],
  ['an extension header in a table of ip', 'ip', () => exthdr.frag.exists(), 'statement'],
  ['an option of IPv4 in a table of ip6', 'ip6', () => ipOption.ra.exists(), 'statement'],
  ['a level of control groups that is the root', 'inet', () => socket.cgroupv2(0).eq(1), 'level'],
  ['IPsec in no direction', 'inet', () => ipsec('forward' as never).spi.eq(1), 'direction'],
  ['a transformation beyond 255', 'inet', () => ipsec('in', { spnum: 256 }).spi.eq(1), 'spnum'],
  ['a fingerprint by another comparison', 'inet', () => osf({ ttl: 'exact' as never }).name.eq('Linux'), 'ttl'],
  ['ARP in a table of inet', 'inet', () => arp.operation.eq('request'), 'statement'],
  ['ARP after IP', 'bridge', () => [ip.saddr.eq('10.0.0.1'), arp.operation.eq('request')], 'statement'],
  ['IGMP after IPv6', 'inet', () => [ip6.hoplimit.eq(1), tcp.dport.eq(1), igmp.type.eq(0x11)], 'statement'],
  ['an option of TCP that is set to an address', 'inet', () => tcpOption.maxseg.size.set(ip.saddr), 'value']
]

describe('what cannot be', () => {
  it.each(refused)('is refused: %s', (_, family, statement, path) => {
    const attempt = (): unknown => compile([statement()].flat(), family)
    expect(attempt).toThrow(ValidationError)
    expect(attempt).toThrow(
      expect.objectContaining({
        path: expect.stringMatching(new RegExp(String.raw`(^|\.)${path.replaceAll(/[[\]]/g, String.raw`\$&`)}$`)) as string
      }) as Error
    )
  })
})
