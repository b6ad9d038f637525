import { isIptablesSince } from '../../support/iptables.js'
import type { IptablesFamily, IptablesTableName } from '../../../src/iptables/types.js'

/** A rule that `iptables-nft` writes, and what `iptables-nft-save` prints of its target. */
export interface TargetLine {
  readonly family: IptablesFamily
  readonly table: IptablesTableName
  readonly chain: string
  /** What stands before `-j`. */
  readonly conditions: string
  /** What stands after `-j`. */
  readonly target: string
  /** Where it is printed otherwise. */
  readonly printed: string
}

type Given = string | readonly [target: string, printed: string]

function lines(families: readonly IptablesFamily[], table: IptablesTableName, chain: string, conditions: string, given: readonly Given[]) {
  return families.flatMap((family) =>
    given.map((each): TargetLine => {
      const [target, printed] = typeof each === 'string' ? [each, each] : each
      return { family, table, chain, conditions, target, printed }
    })
  )
}

const both = ['ip', 'ip6'] as const

const dnat = [
  ...lines(['ip'], 'nat', 'PREROUTING', '', [
    'DNAT --to-destination 1.1.1.1',
    'DNAT --to-destination 1.1.1.1-1.1.1.10',
    ['DNAT --to-destination 1.1.1.1-1.1.1.1', 'DNAT --to-destination 1.1.1.1'],
    'DNAT --to-destination 255.255.255.255 --random',
    'DNAT --to-destination 1.1.1.1 --persistent',
    ['DNAT --persistent --random --to-destination 1.1.1.1', 'DNAT --to-destination 1.1.1.1 --random --persistent']
  ]),
  ...lines(['ip'], 'nat', 'PREROUTING', '-p tcp', [
    'DNAT --to-destination 1.1.1.1:1025-65535',
    'DNAT --to-destination 1.1.1.1-1.1.1.10:1025-65535',
    'DNAT --to-destination 1.1.1.1:0',
    'DNAT --to-destination :80',
    'DNAT --to-destination :80-90 --random',
    'DNAT --to-destination 1.1.1.1:1000-2000/1000',
    'DNAT --to-destination 1.1.1.1:1000-2000/3000',
    'DNAT --to-destination 1.1.1.1:1000-2000/65535',
    ['DNAT --to-destination 1.1.1.1:0x50', 'DNAT --to-destination 1.1.1.1:80'],
    ['DNAT --to-destination 1.1.1.1:80-80', 'DNAT --to-destination 1.1.1.1:80']
  ]),
  ...lines(['ip'], 'nat', 'OUTPUT', '-p icmp', ['DNAT --to-destination 1.1.1.1:80']),
  ...lines(['ip6'], 'nat', 'PREROUTING', '', [
    'DNAT --to-destination dead::beef',
    'DNAT --to-destination dead::beef-dead::fee7',
    ['DNAT --to-destination [dead::beef]', 'DNAT --to-destination dead::beef'],
    ['DNAT --to-destination DEAD:0:0::BEEF --persistent', 'DNAT --to-destination dead::beef --persistent']
  ]),
  ...lines(['ip6'], 'nat', 'PREROUTING', '-p udp', [
    'DNAT --to-destination [dead::beef]:1025-65535',
    'DNAT --to-destination [dead::beef-dead::fee7]:1025-65535',
    'DNAT --to-destination [dead::beef-dead::fee7]:1000-2000/1000',
    'DNAT --to-destination [dead::beef-dead::fee7]:1000-2000/65535',
    'DNAT --to-destination [::1]:53',
    'DNAT --to-destination :53',
    ['DNAT --to-destination []:53', 'DNAT --to-destination :53']
  ])
]

const snat = [
  ...lines(['ip'], 'nat', 'POSTROUTING', '', [
    'SNAT --to-source 1.1.1.1',
    'SNAT --to-source 1.1.1.1-1.1.1.10',
    'SNAT --to-source 1.1.1.1 --random',
    'SNAT --to-source 1.1.1.1 --random-fully',
    'SNAT --to-source 1.1.1.1 --persistent',
    'SNAT --to-source 1.1.1.1 --random --persistent',
    'SNAT --to-source 1.1.1.1 --random --random-fully',
    'SNAT --to-source 1.1.1.1 --random --random-fully --persistent'
  ]),
  ...lines(['ip'], 'nat', 'POSTROUTING', '-p tcp', [
    'SNAT --to-source 1.1.1.1:1025-65535',
    'SNAT --to-source 1.1.1.1-1.1.1.10:1025-65535',
    'SNAT --to-source :1025-65535'
  ]),
  ...lines(['ip6'], 'nat', 'POSTROUTING', '', [
    'SNAT --to-source dead::beef',
    'SNAT --to-source dead::beef-dead::fee7',
    'SNAT --to-source dead::beef --random --random-fully --persistent'
  ]),
  ...lines(['ip6'], 'nat', 'POSTROUTING', '-p tcp', [
    'SNAT --to-source [dead::beef]:1025-65535',
    'SNAT --to-source [dead::beef-dead::fee7]:1025-65535'
  ])
]

const masquerade = [
  ...lines(both, 'nat', 'POSTROUTING', '', [
    'MASQUERADE',
    'MASQUERADE --random',
    'MASQUERADE --random-fully',
    'MASQUERADE --random --random-fully'
  ]),
  ...lines(both, 'nat', 'POSTROUTING', '-p udp', [
    'MASQUERADE --to-ports 1024-65535',
    'MASQUERADE --to-ports 80 --random',
    'MASQUERADE --to-ports 0'
  ])
]

const redirect = [
  ...lines(both, 'nat', 'PREROUTING', '', ['REDIRECT', 'REDIRECT --random']),
  ...lines(both, 'nat', 'OUTPUT', '-p tcp', [
    'REDIRECT --to-ports 42',
    'REDIRECT --to-ports 0',
    'REDIRECT --to-ports 65535',
    'REDIRECT --to-ports 42-1234 --random',
    ['REDIRECT --to-ports 512-512', 'REDIRECT --to-ports 512']
  ])
]

const marks = lines(both, 'mangle', 'PREROUTING', '', [
  ['CONNMARK --restore-mark', 'CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff'],
  ['CONNMARK --save-mark', 'CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff'],
  'CONNMARK --save-mark --nfmask 0xfffffff --ctmask 0xffffffff',
  'CONNMARK --restore-mark --nfmask 0xfffffff --ctmask 0x0',
  ['CONNMARK --save-mark --mask 255', 'CONNMARK --save-mark --nfmask 0xff --ctmask 0xff'],
  'CONNMARK --set-xmark 0x1/0xffffffff',
  'CONNMARK --set-xmark 0xffffffff/0x0',
  ['CONNMARK --set-mark 0x4', 'CONNMARK --set-xmark 0x4/0xffffffff'],
  ['CONNMARK --set-mark 0x80000004/0xf', 'CONNMARK --set-xmark 0x80000004/0x8000000f'],
  ['CONNMARK --and-mark 0xf', 'CONNMARK --set-xmark 0x0/0xfffffff0'],
  ['CONNMARK --or-mark 0xf', 'CONNMARK --set-xmark 0xf/0xf'],
  ['CONNMARK --xor-mark 0xf', 'CONNMARK --set-xmark 0xf/0x0'],
  'CONNMARK --set-xmark 0x1/0x2 --left-shift-mark 4',
  ['CONNMARK --save-mark --right-shift-mark 31', 'CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff --right-shift-mark 31'],
  ['CONNMARK --set-xmark 0x1/0x2 --left-shift-mark 0', 'CONNMARK --set-xmark 0x1/0x2']
])

const tracking = [
  ...lines(both, 'raw', 'PREROUTING', '', [
    'NOTRACK',
    'CT',
    'CT --notrack',
    'CT --ctevents new,related,destroy,reply,assured,protoinfo,helper,mark',
    ['CT --ctevents secmark,natseqinfo,new', 'CT --ctevents new,natseqinfo,secmark'],
    'CT --expevents new',
    'CT --ctevents mark --expevents new --zone 7',
    'CT --zone 65535',
    'CT --zone-orig 5',
    'CT --zone-reply 5',
    'CT --zone mark',
    ['CT --zone-reply MARK', 'CT --zone-reply mark'],
    ['CT --zone 0', 'CT'],
    ['CT --zone-orig 0', 'CT']
  ]),
  ...lines(both, 'raw', 'PREROUTING', '-p tcp', ['CT --helper ftp', 'CT --helper ftp --zone 3'])
]

const rejects = [
  ...lines(['ip'], 'filter', 'INPUT', '', [
    ['REJECT', 'REJECT --reject-with icmp-port-unreachable'],
    'REJECT --reject-with icmp-net-unreachable',
    'REJECT --reject-with icmp-host-unreachable',
    'REJECT --reject-with icmp-port-unreachable',
    'REJECT --reject-with icmp-proto-unreachable',
    'REJECT --reject-with icmp-net-prohibited',
    'REJECT --reject-with icmp-host-prohibited',
    'REJECT --reject-with icmp-admin-prohibited',
    ['REJECT --reject-with host-unreach', 'REJECT --reject-with icmp-host-unreachable'],
    ['REJECT --reject-with icmp-net', 'REJECT --reject-with icmp-net-unreachable'],
    ['REJECT --reject-with ADMIN', 'REJECT --reject-with icmp-admin-prohibited']
  ]),
  ...lines(['ip6'], 'filter', 'FORWARD', '', [
    ['REJECT', 'REJECT --reject-with icmp6-port-unreachable'],
    'REJECT --reject-with icmp6-no-route',
    'REJECT --reject-with icmp6-adm-prohibited',
    'REJECT --reject-with icmp6-addr-unreachable',
    'REJECT --reject-with icmp6-port-unreachable',
    'REJECT --reject-with icmp6-policy-fail',
    'REJECT --reject-with icmp6-reject-route',
    ['REJECT --reject-with no-route', 'REJECT --reject-with icmp6-no-route']
  ]),
  ...lines(both, 'filter', 'OUTPUT', '-p tcp', ['REJECT --reject-with tcp-reset'])
]

const logs = lines(both, 'filter', 'INPUT', '', [
  'LOG',
  'LOG --log-prefix "test: "',
  'LOG --log-prefix plain-word_9',
  'LOG --log-prefix "with \\"marks\\" and \\\\"',
  'LOG --log-prefix 12345678901234567890123456789',
  'LOG --log-prefix "test: " --log-level 1',
  ['LOG --log-prefix "test: " --log-level alert', 'LOG --log-prefix "test: " --log-level 1'],
  ['LOG --log-level warning', 'LOG'],
  ['LOG --log-level panic', 'LOG --log-level 0'],
  ['LOG --log-level debug', 'LOG --log-level 7'],
  'LOG --log-tcp-sequence',
  'LOG --log-tcp-options',
  'LOG --log-ip-options',
  'LOG --log-uid',
  'LOG --log-macdecode',
  [
    'LOG --log-macdecode --log-uid --log-tcp-sequence --log-level info --log-prefix x',
    'LOG --log-prefix x --log-level 6 --log-tcp-sequence --log-uid --log-macdecode'
  ]
])

const fields = [
  ...lines(both, 'mangle', 'FORWARD', '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN', [
    'TCPMSS --set-mss 42',
    'TCPMSS --set-mss 0',
    'TCPMSS --set-mss 65495',
    'TCPMSS --clamp-mss-to-pmtu'
  ]),
  ...lines(['ip'], 'mangle', 'FORWARD', '-p tcp -m tcp --tcp-flags SYN,RST SYN', ['TCPMSS --set-mss 65515']),
  ...lines(both, 'mangle', 'POSTROUTING', '', [
    ['TOS --set-tos 0x1f', 'TOS --set-tos 0x1f/0xff'],
    'TOS --set-tos 0x1f/0x1f',
    ['TOS --set-tos Minimize-Delay', 'TOS --set-tos 0x10/0x3f'],
    ['TOS --set-tos maximize-throughput', 'TOS --set-tos 0x08/0x3f'],
    ['TOS --set-tos Normal-Service', 'TOS --set-tos 0x00/0x3f'],
    ['TOS --and-tos 0x12', 'TOS --set-tos 0x00/0xed'],
    ['TOS --or-tos 0x12', 'TOS --set-tos 0x12/0x12'],
    ['TOS --xor-tos 0x12', 'TOS --set-tos 0x12/0x00'],
    'DSCP --set-dscp 0x00',
    'DSCP --set-dscp 0x3f',
    ['DSCP --set-dscp 10', 'DSCP --set-dscp 0x0a'],
    ['DSCP --set-dscp-class CS0', 'DSCP --set-dscp 0x00'],
    ['DSCP --set-dscp-class cs7', 'DSCP --set-dscp 0x38'],
    ['DSCP --set-dscp-class BE', 'DSCP --set-dscp 0x00'],
    ['DSCP --set-dscp-class AF43', 'DSCP --set-dscp 0x26'],
    ['DSCP --set-dscp-class EF', 'DSCP --set-dscp 0x2e'],
    ['CLASSIFY --set-class 0:ffff', 'CLASSIFY --set-class 0000:ffff'],
    ['CLASSIFY --set-class ffff:0x10', 'CLASSIFY --set-class ffff:0010'],
    'CHECKSUM --checksum-fill'
  ]),
  ...lines(['ip'], 'mangle', 'POSTROUTING', '', ['TTL --ttl-set 42', 'TTL --ttl-set 0', 'TTL --ttl-inc 1', 'TTL --ttl-dec 255']),
  ...lines(['ip6'], 'mangle', 'POSTROUTING', '', ['HL --hl-set 42', 'HL --hl-set 255', 'HL --hl-inc 1', 'HL --hl-dec 1']),
  ...lines(both, 'security', 'INPUT', '', ['CONNSECMARK --save', 'CONNSECMARK --restore'])
]

const sockets = [
  ...lines(['ip'], 'mangle', 'PREROUTING', '-p udp', [
    'TPROXY --on-port 12345 --on-ip 10.0.0.1 --tproxy-mark 0x23/0xff',
    ['TPROXY --on-port 0', 'TPROXY --on-port 0 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0'],
    ['TPROXY --tproxy-mark 1 --on-port 65535', 'TPROXY --on-port 65535 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff'],
    ['TPROXY --tproxy-mark 0/0xf --on-port 1', 'TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x0/0xf'],
    ['TPROXY --tproxy-mark 0 --on-port 1', 'TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x0/0xffffffff']
  ]),
  ...lines(['ip6'], 'mangle', 'PREROUTING', '-p tcp', [
    'TPROXY --on-port 12345 --on-ip fd00::1 --tproxy-mark 0x1/0x1',
    ['TPROXY --on-port 80', 'TPROXY --on-port 80 --on-ip :: --tproxy-mark 0x0/0x0']
  ])
]

const hashes = lines(both, 'mangle', 'OUTPUT', '', [
  'HMARK --hmark-src-prefix 32 --hmark-rnd 0x00000004 --hmark-mod 42',
  'HMARK --hmark-src-prefix 1 --hmark-dst-prefix 2 --hmark-sport-mask 0x0003 --hmark-dport-mask 0x0004 --hmark-proto-mask 0x05 --hmark-rnd 0x00000004 --hmark-mod 42 --hmark-offset 1 --hmark-tuple ct',
  'HMARK --hmark-src-prefix 0 --hmark-dst-prefix 32 --hmark-spi-mask 0x00000004 --hmark-spi 0x00000001 --hmark-proto-mask 0xffff --hmark-rnd 0xffffffff --hmark-mod 4294967295',
  'HMARK --hmark-sport-mask 0xffff --hmark-sport 0x0050 --hmark-dport 0x0102 --hmark-rnd 0x00000000 --hmark-mod 1',
  [
    'HMARK --hmark-tuple ct,sport,dport,proto --hmark-mod 0x10 --hmark-rnd 7',
    'HMARK --hmark-sport-mask 0xffff --hmark-dport-mask 0xffff --hmark-proto-mask 0xffff --hmark-rnd 0x00000007 --hmark-mod 16 --hmark-tuple ct'
  ]
])

const wholeAddresses = [
  ...lines(['ip'], 'mangle', 'OUTPUT', '', [
    [
      'HMARK --hmark-tuple src,dst --hmark-mod 2 --hmark-rnd 1',
      'HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 2'
    ]
  ]),
  ...lines(['ip6'], 'mangle', 'OUTPUT', '', [
    [
      'HMARK --hmark-tuple src,dst --hmark-mod 2 --hmark-rnd 1',
      'HMARK --hmark-src-prefix 128 --hmark-dst-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 2'
    ]
  ])
]

const queues = lines(both, 'filter', 'FORWARD', '', [
  ['NFQUEUE', 'NFQUEUE --queue-num 0'],
  'NFQUEUE --queue-num 0',
  'NFQUEUE --queue-num 65535',
  'NFQUEUE --queue-balance 0:65534',
  // The kernel takes it; iptables does before 1.8.11.
  ...(isIptablesSince('1.8.11') ? [] : ['NFQUEUE --queue-balance 1:65535']),
  'NFQUEUE --queue-num 10 --queue-bypass',
  ['NFQUEUE --queue-bypass --queue-balance 0:6 --queue-cpu-fanout', 'NFQUEUE --queue-balance 0:6 --queue-bypass --queue-cpu-fanout'],
  'NFQUEUE --queue-balance 0:6 --queue-cpu-fanout',
  ['NFQUEUE --queue-bypass', 'NFQUEUE --queue-num 0 --queue-bypass']
])

/** Rules whose targets iptables-nft writes as expressions `target`. */
export const TARGET_LINES: readonly TargetLine[] = [
  ...dnat,
  ...snat,
  ...masquerade,
  ...redirect,
  ...marks,
  ...tracking,
  ...rejects,
  ...logs,
  ...fields,
  ...sockets,
  ...hashes,
  ...wholeAddresses,
  ...queues
]

/** Rules whose targets it writes as other expressions. */
export const NATIVE_LINES: readonly TargetLine[] = [
  ...lines(both, 'filter', 'INPUT', '', ['NFLOG', 'NFLOG --nflog-prefix "x y" --nflog-group 3 --nflog-size 5 --nflog-threshold 7']),
  ...lines(both, 'raw', 'OUTPUT', '', ['TRACE'])
]
