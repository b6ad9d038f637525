import {
  accept,
  ah,
  arp,
  comp,
  counter,
  ct,
  dccp,
  drop,
  dup,
  ether,
  exthdr,
  fwd,
  igmp,
  ip,
  ipOption,
  ipsec,
  limit,
  meta,
  notrack,
  osf,
  resetTcpOption,
  rt,
  sctpChunk,
  socket,
  synproxy,
  tcp,
  tcpOption,
  tproxy,
  udp,
  useObject,
  vlan
} from '../../../../src/nftables.js'
import { rowsOf, type InetRow, type Row } from './row.js'

// Statements of the families of nft's own tests (tests/py), by the file that has them.
const any: Readonly<Record<string, readonly InetRow[]>> = {
  'any/rt.t': [['rt classid 100', rt.classid.eq(100)]],
  'any/tcpopt.t': [
    ['tcp option eol exists', tcpOption.eol.exists()],
    ['tcp option nop exists', tcpOption.nop.exists()],
    ['tcp option maxseg exists', tcpOption.maxseg.exists()],
    ['tcp option maxseg length 1', tcpOption.maxseg.length.eq(1)],
    ['tcp option maxseg size 1', tcpOption.maxseg.size.eq(1)],
    ['tcp option maxseg size 500-1400', tcpOption.maxseg.size.eq({ from: 500, to: 1400 })],
    ['tcp option window length 1', tcpOption.window.length.eq(1)],
    ['tcp option window count 1', tcpOption.window.count.eq(1)],
    ['tcp option sack-perm exists', tcpOption.sackPerm.exists()],
    ['tcp option sack left 1', tcpOption.sack.left.eq(1)],
    ['tcp option sack1 left 1', tcpOption.sack1.left.eq(1)],
    ['tcp option sack2 right 1', tcpOption.sack2.right.eq(1)],
    ['tcp option sack3 left 1', tcpOption.sack3.left.eq(1)],
    ['tcp option timestamp exists', tcpOption.timestamp.exists()],
    ['tcp option timestamp length 1', tcpOption.timestamp.length.eq(1)],
    ['tcp option timestamp tsval 1', tcpOption.timestamp.tsval.eq(1)],
    ['tcp option timestamp tsecr 1', tcpOption.timestamp.tsecr.eq(1)],
    ['tcp option window missing', tcpOption.window.missing()],
    ['tcp option fastopen exists', tcpOption.fastopen.exists()],
    ['tcp option md5sig missing', tcpOption.md5sig.missing()],
    ['tcp option mptcp subtype 1', tcpOption.mptcp.subtype.eq(1)],
    ['tcp option 255 missing', tcpOption.number(255).missing()],
    ['tcp option maxseg size set 1360', tcpOption.maxseg.size.set(1360)],
    ['reset tcp option mptcp', resetTcpOption('mptcp')],
    ['reset tcp option 2', resetTcpOption(2), 'reset tcp option maxseg']
  ],
  'any/objects.t': [
    ['quota name "many"', useObject('quota', 'many')],
    ['limit name "slow"', useObject('limit', 'slow')],
    ['quota name tcp dport map { 80 : "many" }', tcp.dport.objectFrom([[80, 'many']], 'quota')],
    ['limit name tcp dport map { 80 : "slow" }', tcp.dport.objectFrom([[80, 'slow']], 'limit')]
  ],
  'any/meta.t': [
    ['meta ipsec exists', meta.ipsec.eq(1)],
    ['meta ipsec missing', meta.ipsec.eq(0)],
    ['meta rtclassid 100', meta.rtclassid.eq(100)]
  ]
}

const inet: Readonly<Record<string, readonly InetRow[]>> = {
  'inet/ah.t': [
    ['ah reserved 22', ah.reserved.eq(22)],
    ['ah spi 111-222', ah.spi.eq({ from: 111, to: 222 })],
    ['ah sequence != 23-33', ah.sequence.neq({ from: 23, to: 33 })]
  ],
  'inet/comp.t': [
    ['comp flags 0x23', comp.flags.eq(0x23)],
    ['comp cpi 22', comp.cpi.eq(22)],
    ['comp cpi != 33-45', comp.cpi.neq({ from: 33, to: 45 })]
  ],
  'inet/dccp.t': [
    ['dccp type request', dccp.type.eq(0)],
    ['dccp type ack', dccp.type.eq(3)],
    ['dccp sport 21-35', dccp.sport.eq({ from: 21, to: 35 })]
  ],
  'inet/sctp.t': [
    ['sctp chunk data exists', sctpChunk.data.exists()],
    ['sctp chunk init missing', sctpChunk.init.missing()],
    ['sctp chunk data type 0', sctpChunk.data.type.eq(0)],
    ['sctp chunk data flags 0x2', sctpChunk.data.flags.eq(2), 'sctp chunk data flags 2'],
    ['sctp chunk data tsn 1', sctpChunk.data.tsn.eq(1)],
    ['sctp chunk data stream 1337', sctpChunk.data.stream.eq(1337)],
    ['sctp chunk init initial-tsn 5', sctpChunk.init.initialTsn.eq(5)],
    ['sctp chunk init-ack num-outbound-streams 3', sctpChunk.initAck.numOutboundStreams.eq(3)],
    ['sctp chunk sack a-rwnd 1', sctpChunk.sack.aRwnd.eq(1)],
    ['sctp chunk shutdown cum-tsn-ack 65535', sctpChunk.shutdown.cumTsnAck.eq(65_535)],
    ['sctp chunk ecne lowest-tsn 5', sctpChunk.ecne.lowestTsn.eq(5)],
    ['sctp chunk asconf-ack seqno 12345', sctpChunk.asconfAck.seqno.eq(12_345)],
    ['sctp chunk forward-tsn new-cum-tsn 31337', sctpChunk.forwardTsn.newCumTsn.eq(31_337)],
    ['sctp chunk asconf seqno 12345', sctpChunk.asconf.seqno.eq(12_345)]
  ],
  'inet/socket.t': [
    ['socket transparent 0', socket.transparent.eq(0)],
    ['socket transparent 1', socket.transparent.eq(1)],
    ['socket mark 0x00000005', socket.mark.eq(5)],
    ['socket wildcard 0', socket.wildcard.eq(0)]
  ],
  'inet/tproxy.t': [
    ['meta l4proto tcp tproxy to :80', [meta.l4proto.eq('tcp'), tproxy({ port: 80 })]],
    ['meta l4proto tcp tproxy ip to 192.0.2.1', [meta.l4proto.eq('tcp'), tproxy({ address: '192.0.2.1' })]],
    ['meta l4proto udp tproxy ip to 192.0.2.1:80', [meta.l4proto.eq('udp'), tproxy({ address: '192.0.2.1', port: 80 })]],
    ['meta l4proto tcp tproxy ip6 to [2001:db8::1]', [meta.l4proto.eq('tcp'), tproxy({ address: '2001:db8::1' })]],
    ['meta l4proto tcp tproxy ip6 to [2001:db8::1]:50080', [meta.l4proto.eq('tcp'), tproxy({ address: '2001:db8::1', port: 50_080 })]],
    ['meta l4proto tcp tproxy ip to :80', [meta.l4proto.eq('tcp'), tproxy({ family: 'ip', port: 80 })]]
  ],
  'inet/synproxy.t': [
    ['synproxy', synproxy()],
    ['synproxy mss 1460 wscale 7', synproxy({ mss: 1460, windowScale: 7 })],
    ['synproxy mss 1460 wscale 5 timestamp sack-perm', synproxy({ mss: 1460, windowScale: 5, timestamp: true, sackPerm: true })],
    ['synproxy name "proxy"', useObject('synproxy', 'proxy')]
  ],
  'inet/osf.t': [
    ['osf name "Linux"', osf().name.eq('Linux')],
    ['osf ttl loose name "Linux"', osf({ ttl: 'loose' }).name.eq('Linux')],
    ['osf ttl skip name "Linux"', osf({ ttl: 'skip' }).name.eq('Linux')],
    ['osf ttl skip version "Linux:3.0"', osf({ ttl: 'skip' }).version.eq('Linux:3.0')]
  ],
  'inet/ipsec.t': [
    ['ipsec in reqid 1', ipsec('in').reqid.eq(1)],
    ['ipsec in spnum 0 reqid 1', ipsec('in').reqid.eq(1), 'ipsec in reqid 1'],
    ['ipsec out reqid 4294967295', ipsec('out').reqid.eq(0xffff_ffff)],
    ['ipsec out spnum 1 reqid 1', ipsec('out', { spnum: 1 }).reqid.eq(1)],
    ['ipsec out spi 1-561', ipsec('out').spi.eq({ from: 1, to: 561 })],
    ['ipsec in spnum 2 ip saddr 1.2.3.4', ipsec('in', { spnum: 2 }).ip.saddr.eq('1.2.3.4')],
    ['ipsec in ip6 daddr dead::beef', ipsec('in').ip6.daddr.eq('dead::beef')],
    ['ipsec out ip6 saddr dead::feed', ipsec('out').ip6.saddr.eq('dead::feed')]
  ],
  'inet/rt.t': [
    [
      'meta nfproto ipv4 rt nexthop 192.168.0.1',
      [meta.nfproto.eq('ipv4'), rt.ip.nexthop.eq('192.168.0.1')],
      'meta nfproto ipv4 rt ip nexthop 192.168.0.1'
    ],
    ['rt ip6 nexthop fd00::1', rt.ip6.nexthop.eq('fd00::1')],
    ['tcp option maxseg size set rt mtu', tcpOption.maxseg.size.set(rt.mtu)],
    ['rt ipsec exists', rt.ipsec.eq(1)]
  ],
  'inet/vlan.t': [['vlan id 2 vlan pcp 3', [vlan.id.eq(2), vlan.pcp.eq(3)]]],
  'inet/ether.t': [
    ['tcp dport 22 ether saddr 00:0f:54:0c:11:04', [tcp.dport.eq(22), ether.saddr.eq('00:0f:54:0c:11:04')]],
    ['notrack', notrack()]
  ]
}

const ipv4: Readonly<Record<string, readonly InetRow[]>> = {
  'ip/ip.t': [
    ['ip option lsrr type 1', ipOption.lsrr.type.eq(1)],
    ['ip option lsrr exists', ipOption.lsrr.exists()],
    ['ip option lsrr length 7', ipOption.lsrr.length.eq(7)],
    ['ip option rr ptr 4', ipOption.rr.ptr.eq(4)],
    // nft takes these addresses for integers.
    ['ip option rr addr 167772161', ipOption.rr.addr.eq('10.0.0.1')],
    ['ip option ssrr missing', ipOption.ssrr.missing()],
    ['ip option ra value 0', ipOption.ra.value.eq(0)],
    ['ip option ra length 4', ipOption.ra.length.eq(4)]
  ],
  'ip/igmp.t': [
    ['igmp type membership-query', igmp.type.eq(0x11)],
    ['igmp checksum 12343', igmp.checksum.eq(12_343)],
    ['igmp mrt 10', igmp.mrt.eq(10)],
    ['igmp group 3758096385', igmp.group.eq('224.0.0.1')]
  ],
  'ip/dup.t': [
    ['dup to 192.168.2.1', dup({ to: '192.168.2.1' })],
    ['dup to 192.168.2.1 device "lo"', dup({ to: '192.168.2.1', device: 1 })],
    [
      'dup to ip saddr map { 192.168.2.120 : 192.168.2.1 } device "lo"',
      dup({ to: ip.saddr.map([['192.168.2.120', '192.168.2.1']], 'ipv4_addr'), device: 1 })
    ]
  ],
  'ip/tproxy.t': [
    ['ip protocol tcp tproxy to :80', [ip.protocol.eq('tcp'), tproxy({ port: 80 })]],
    ['ip protocol tcp tproxy to 192.0.2.1:80', [ip.protocol.eq('tcp'), tproxy({ address: '192.0.2.1', port: 80 })]]
  ],
  'ip/rt.t': [['rt nexthop 192.168.0.1', rt.ip.nexthop.eq('192.168.0.1'), 'rt ip nexthop 192.168.0.1']],
  'ip/ct.t': [['ct original ip saddr 192.168.0.1', ct.original.ip.saddr.eq('192.168.0.1')]]
}

const ipv6: Readonly<Record<string, readonly InetRow[]>> = {
  'ip6/exthdr.t': [
    ['exthdr hbh exists', exthdr.hbh.exists()],
    ['exthdr rt exists', exthdr.rt.exists()],
    ['exthdr frag exists', exthdr.frag.exists()],
    ['exthdr dst exists', exthdr.dst.exists()],
    ['exthdr mh exists', exthdr.mh.exists()],
    ['exthdr hbh missing', exthdr.hbh.missing()]
  ],
  'ip6/hbh.t': [
    ['hbh hdrlength 22', exthdr.hbh.hdrlength.eq(22)],
    ['hbh hdrlength != 33-45', exthdr.hbh.hdrlength.neq({ from: 33, to: 45 })],
    ['hbh nexthdr 22', exthdr.hbh.nexthdr.eq(22), 'hbh nexthdr xns-idp'],
    ['hbh nexthdr tcp', exthdr.hbh.nexthdr.eq('tcp')]
  ],
  'ip6/dst.t': [
    ['dst nexthdr 22', exthdr.dst.nexthdr.eq(22), 'dst nexthdr xns-idp'],
    ['dst hdrlength 33-45', exthdr.dst.hdrlength.eq({ from: 33, to: 45 })]
  ],
  'ip6/rt.t': [
    ['rt nexthdr udp', exthdr.rt.nexthdr.eq('udp')],
    ['rt hdrlength 22', exthdr.rt.hdrlength.eq(22)],
    ['rt type 22', exthdr.rt.type.eq(22)],
    ['rt seg-left != 33-45', exthdr.rt.segLeft.neq({ from: 33, to: 45 })]
  ],
  'ip6/rt0.t': [['rt0 addr[1] fd00::1', exthdr.rt0.addr(1).eq('fd00::1'), 'srh sid[1] fd00::1']],
  'ip6/srh.t': [
    ['srh last-entry 0', exthdr.srh.lastEntry.eq(0)],
    ['srh flags 0', exthdr.srh.flags.eq(0)],
    ['srh tag 127', exthdr.srh.tag.eq(127)],
    ['srh sid[1] dead::beef', exthdr.srh.sid(1).eq('dead::beef')],
    ['srh sid[2] dead::beef', exthdr.srh.sid(2).eq('dead::beef')],
    ['srh tag 5 srh flags 1', [exthdr.srh.tag.eq(5), exthdr.srh.flags.eq(1)]]
  ],
  'ip6/mh.t': [
    ['mh nexthdr 1', exthdr.mh.nexthdr.eq(1), 'mh nexthdr icmp'],
    ['mh hdrlength != 33-45', exthdr.mh.hdrlength.neq({ from: 33, to: 45 })],
    ['mh type home-agent-switch-message', exthdr.mh.type.eq(12)],
    ['mh reserved 22', exthdr.mh.reserved.eq(22)],
    ['mh checksum 33-45', exthdr.mh.checksum.eq({ from: 33, to: 45 })]
  ],
  'ip6/frag.t': [
    ['frag nexthdr tcp', exthdr.frag.nexthdr.eq('tcp')],
    ['frag reserved 22', exthdr.frag.reserved.eq(22)],
    ['frag frag-off 22', exthdr.frag.fragOff.eq(22)],
    ['frag frag-off != 233', exthdr.frag.fragOff.neq(233)],
    ['frag frag-off 33-45', exthdr.frag.fragOff.eq({ from: 33, to: 45 })],
    ['frag more-fragments 1', exthdr.frag.moreFragments.eq(1)],
    ['frag reserved2 1', exthdr.frag.reserved2.eq(1)],
    ['frag id 33-45', exthdr.frag.id.eq({ from: 33, to: 45 })],
    ['frag id 1', exthdr.frag.id.eq(1)]
  ],
  'ip6/dup.t': [
    ['dup to abcd::1', dup({ to: 'abcd::1' })],
    ['dup to abcd::1 device "lo"', dup({ to: 'abcd::1', device: 1 })]
  ],
  'ip6/tproxy.t': [
    ['meta l4proto udp tproxy to [2001:db8::1]:50080', [meta.l4proto.eq('udp'), tproxy({ address: '2001:db8::1', port: 50_080 })]]
  ],
  'ip6/rt.t, of the route': [['rt nexthop fd00::1', rt.ip6.nexthop.eq('fd00::1'), 'rt ip6 nexthop fd00::1']]
}

const arpRows: Readonly<Record<string, readonly InetRow[]>> = {
  'arp/arp.t': [
    ['arp htype 1', arp.htype.eq(1)],
    ['arp htype != 33-45', arp.htype.neq({ from: 33, to: 45 })],
    ['arp ptype ip', arp.ptype.eq('ip')],
    ['arp hlen 22', arp.hlen.eq(22)],
    ['arp plen != 233', arp.plen.neq(233)],
    ['arp operation request', arp.operation.eq('request')],
    ['arp operation != inreply', arp.operation.neq('inreply')],
    ['arp operation { request, reply, nak }', arp.operation.in(['request', 'reply', 'nak'])],
    ['arp saddr ip 1.2.3.4', arp.saddr.ip.eq('1.2.3.4')],
    ['arp daddr ip 4.3.2.1', arp.daddr.ip.eq('4.3.2.1')],
    ['arp saddr ether aa:bb:cc:aa:bb:cc', arp.saddr.ether.eq('aa:bb:cc:aa:bb:cc')],
    [
      'arp saddr ip 192.168.1.1 arp daddr ether fe:ed:00:c0:ff:ee',
      [arp.saddr.ip.eq('192.168.1.1'), arp.daddr.ether.eq('fe:ed:00:c0:ff:ee')]
    ],
    [
      'meta iifname "invalid" arp ptype ip arp htype 1 arp hlen 6 arp plen 4',
      [meta.iifname.eq('invalid'), arp.ptype.eq('ip'), arp.htype.eq(1), arp.hlen.eq(6), arp.plen.eq(4)],
      'iifname "invalid" arp htype 1 arp ptype ip arp hlen 6 arp plen 4'
    ]
  ],
  'any/limit.t': [['limit rate 400/minute', limit({ rate: 400, per: 'minute' })]]
}

const bridge: Readonly<Record<string, readonly InetRow[]>> = {
  'bridge/ether.t': [
    ['tcp dport 22 ether saddr 00:0f:54:0c:11:04', [tcp.dport.eq(22), ether.saddr.eq('00:0f:54:0c:11:04')]],
    ['ether saddr 00:0f:54:0c:11:04 ip daddr 1.2.3.4 accept', [ether.saddr.eq('00:0f:54:0c:11:04'), ip.daddr.eq('1.2.3.4'), accept()]]
  ],
  'bridge/vlan.t': [
    ['vlan id 4094', vlan.id.eq(4094)],
    ['vlan id 4094 vlan pcp 7', [vlan.id.eq(4094), vlan.pcp.eq(7)]],
    [
      'ether type vlan ip protocol tcp accept',
      [ether.type.eq('vlan'), ip.protocol.eq('tcp'), accept()],
      'ether type 8021q ip protocol tcp accept'
    ]
  ],
  'arp/arp.t': [['arp operation request', arp.operation.eq('request')]]
}

const netdev: Readonly<Record<string, readonly InetRow[]>> = {
  'netdev/dup.t': [['dup to "lo"', dup({ device: 1 })]],
  'netdev/fwd.t': [
    ['fwd to "lo"', fwd(1)],
    ['fwd ip to 192.168.2.200 device "lo"', fwd(1, { to: '192.168.2.200' })],
    ['fwd ip6 to 2001:db8::1 device "lo"', fwd(1, { to: '2001:db8::1' })]
  ],
  'arp/arp.t': [['arp operation reply drop', [arp.operation.eq('reply'), drop()]]],
  'any/meta.t': [['udp dport 53 counter packets 0 bytes 0', [udp.dport.eq(53), counter()]]]
}

const of = (family: Row['family'], files: Readonly<Record<string, readonly InetRow[]>>): Row[] =>
  rowsOf(family, Object.values(files).flat())

/** What the builder writes for statements of all families of nft's own tests. */
export const golden: readonly Row[] = [
  ...of('inet', any),
  ...of('inet', inet),
  ...of('ip', ipv4),
  ...of('ip6', ipv6),
  ...of('arp', arpRows),
  ...of('bridge', bridge),
  ...of('netdev', netdev)
]
