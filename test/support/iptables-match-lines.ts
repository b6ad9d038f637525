/**
 * Lines of matches with what `iptables-save` prints of them, by the chain that they stand in.
 */
import type { IptablesFamily, IptablesTableName } from '../../src/iptables/types.js'

/** A line, and what is printed of it where that is another one. */
export type MatchLine = readonly [given: string, printed?: string]

/** Lines that are written into one chain. */
export interface MatchLines {
  readonly match: string
  readonly family: IptablesFamily
  readonly table: IptablesTableName
  readonly chain: string
  readonly lines: readonly MatchLine[]
}

const group = (match: string, lines: readonly MatchLine[], place: Partial<MatchLines> = {}): MatchLines => ({
  match,
  family: 'ip',
  table: 'filter',
  chain: 'INPUT',
  lines,
  ...place
})

const ip6 = { family: 'ip6' } as const

export const MATCH_LINES: readonly MatchLines[] = [
  group('addrtype', [
    ['-m addrtype --src-type UNSPEC'],
    ['-m addrtype --dst-type UNSPEC'],
    ['-m addrtype --src-type LOCAL --dst-type LOCAL'],
    ['-m addrtype ! --src-type LOCAL,broadcast ! --dst-type MULTI', '-m addrtype ! --src-type LOCAL,BROADCAST ! --dst-type MULTICAST'],
    ['-m addrtype --dst-type XRESOLVE,UNICAST,NAT', '-m addrtype --dst-type UNICAST,NAT,XRESOLVE'],
    ['-m addrtype --src-type LOCAL --limit-iface-in'],
    ['-m addrtype --dst-type LOCAL --limit-iface-in']
  ]),
  group('addrtype', [['-m addrtype --src-type LOCAL --limit-iface-out'], ['-m addrtype ! --dst-type LOCAL --limit-iface-out']], {
    chain: 'OUTPUT'
  }),
  group('addrtype', [['-m addrtype --src-type UNICAST'], ['-m addrtype ! --dst-type LOCAL,ANYCAST']], ip6),
  group('conntrack', [
    ['-m conntrack --ctstate NEW'],
    ['-m conntrack --ctstate NEW,ESTABLISHED'],
    ['-m conntrack --ctstate ESTABLISHED,RELATED,NEW', '-m conntrack --ctstate NEW,RELATED,ESTABLISHED'],
    ['-m conntrack --ctstate rel,est', '-m conntrack --ctstate RELATED,ESTABLISHED'],
    ['-m conntrack ! --ctstate INVALID'],
    ['-m conntrack --ctstate UNTRACKED'],
    ['-m conntrack --ctstate SNAT,DNAT'],
    ['-m conntrack --ctstate INVALID,NEW,RELATED,ESTABLISHED,UNTRACKED,SNAT,DNAT'],
    ['-m conntrack --ctproto tcp', '-m conntrack --ctproto 6'],
    ['-m conntrack ! --ctproto 0x2f', '-m conntrack ! --ctproto 47'],
    ['-m conntrack --ctorigsrc 1.1.1.1'],
    ['-m conntrack ! --ctorigdst 1.1.1.1'],
    ['-m conntrack --ctreplsrc 1.1.1.1/32', '-m conntrack --ctreplsrc 1.1.1.1'],
    ['-m conntrack --ctrepldst 10.1.2.3/255.255.0.0', '-m conntrack --ctrepldst 10.1.2.3/16'],
    ['-m conntrack --ctorigsrc 0.0.0.0/0'],
    ['-m conntrack --ctorigsrcport 1 ! --ctorigdstport 5:10'],
    ['-m conntrack --ctreplsrcport 0:65535 --ctrepldstport 80:80', '-m conntrack --ctreplsrcport 0:65535 --ctrepldstport 80'],
    ['-m conntrack --ctexpire 0'],
    ['-m conntrack ! --ctexpire 4294967295'],
    ['-m conntrack --ctexpire :10', '-m conntrack --ctexpire 0:10'],
    ['-m conntrack --ctexpire 010:0x10', '-m conntrack --ctexpire 8:16'],
    ['-m conntrack --ctdir ORIGINAL'],
    ['-m conntrack --ctdir reply', '-m conntrack --ctdir REPLY'],
    ['-m conntrack --ctstatus NONE'],
    ['-m conntrack --ctstatus CONFIRMED,ASSURED', '-m conntrack --ctstatus ASSURED,CONFIRMED'],
    ['-m conntrack ! --ctstatus EXPECTED,SEEN_REPLY'],
    [
      '-m conntrack --ctdir REPLY --ctexpire 5 ! --ctstatus NONE --ctproto 17 ! --ctstate NEW --ctorigdst 10.0.0.0/8 --ctorigdstport 53',
      '-m conntrack ! --ctstate NEW --ctproto 17 --ctorigdst 10.0.0.0/8 --ctorigdstport 53 ! --ctstatus NONE --ctexpire 5 --ctdir REPLY'
    ]
  ]),
  group(
    'conntrack',
    [
      ['-m conntrack --ctstate NEW'],
      ['-m conntrack --ctorigsrc 2001:DB8::1', '-m conntrack --ctorigsrc 2001:db8::1'],
      ['-m conntrack ! --ctorigdst 2001:db8::1/64'],
      ['-m conntrack --ctreplsrc ::/0'],
      ['-m conntrack --ctreplsrc ::1/128', '-m conntrack --ctreplsrc ::1'],
      ['-m conntrack --ctrepldst ::ffff:10.0.0.1'],
      ['-m conntrack --ctrepldst ::1:2/33', '-m conntrack --ctrepldst ::0.1.0.2/33']
    ],
    ip6
  ),
  group('state', [['-m state --state INVALID'], ['-m state --state NEW,RELATED'], ['-m state ! --state UNTRACKED']]),
  group('connmark', [
    ['-m connmark --mark 0xffffffff'],
    ['-m connmark --mark 0xffffffff/0xffffffff', '-m connmark --mark 0xffffffff'],
    ['-m connmark --mark 0xffffffff/0x0'],
    ['-m connmark ! --mark 0/0xffffffff', '-m connmark ! --mark 0x0'],
    ['-m connmark ! --mark 16/0xf0', '-m connmark ! --mark 0x10/0xf0']
  ]),
  group('connmark', [['-m connmark --mark 0x1']], ip6),
  group('statistic', [
    ['-m statistic --mode random ! --probability 0.50000000000'],
    ['-m statistic --mode random --probability 0.33333333349'],
    ['-m statistic --mode random --probability 1', '-m statistic --mode random --probability 1.00000000000'],
    ['-m statistic --mode random --probability .1', '-m statistic --mode random --probability 0.10000000009'],
    ['-m statistic --mode random --probability 0', '-m statistic --mode random --probability 0.00000000000'],
    ['-m statistic --mode random --probability 0.000244140625', '-m statistic --mode random --probability 0.00024414062'],
    ['-m statistic --mode random --probability 0.000732421875', '-m statistic --mode random --probability 0.00073242188'],
    ['-m statistic --mode nth ! --every 5 --packet 2'],
    ['-m statistic --mode nth --every 1 --packet 0'],
    ['-m statistic --mode nth --every 4294967295 --packet 4294967294']
  ]),
  group('recent', [
    ['-m recent --set', '-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource'],
    ['-m recent --rcheck --hitcount 8 --name foo --mask 255.255.255.255 --rsource'],
    ['-m recent --update --rttl', '-m recent --update --rttl --name DEFAULT --mask 255.255.255.255 --rsource'],
    ['-m recent ! --remove --name foo --mask 255.255.255.0 --rdest'],
    ['-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-ABCDEFGHIJKLMNOP --mask 255.255.255.255 --rsource'],
    ['-m recent --rcheck --seconds 5 --hitcount 3 --rttl --name bar --mask 255.255.255.255 --rsource'],
    ['-m recent --set --rdest --rsource --name baz', '-m recent --set --name baz --mask 255.255.255.255 --rsource'],
    [
      '-m recent --rcheck --hitcount 3 --name foo --mask 255.255.255.255 --rsource -m recent --rcheck --hitcount 4 --name foo --mask 255.255.255.255 --rsource'
    ]
  ]),
  group(
    'recent',
    [
      ['-m recent --set --name six', '-m recent --set --name six --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource'],
      ['-m recent --update --name six --mask ffff:ffff:: --rdest']
    ],
    ip6
  ),
  group('multiport', [
    ['-p tcp -m multiport --sports 53,1024:65535'],
    ['-p tcp -m multiport --source-ports 53', '-p tcp -m multiport --sports 53'],
    ['-p udp -m multiport ! --dports 53,1024:65535'],
    ['-p udp -m multiport --destination-ports 1,2', '-p udp -m multiport --dports 1,2'],
    ['-p udp -m multiport --ports 53,1024:65535,7'],
    ['-p sctp -m multiport --sports 53,1024:65535'],
    ['-p dccp -m multiport --dports 53,1024:65535'],
    ['-p udplite -m multiport --dports 53,1024:65535'],
    ['-p tcp -m multiport --ports 1,2,3,4,6,7,8,9,10,11,12,13,14,15,16'],
    ['-p tcp -m multiport --dports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,0']
  ]),
  group('multiport', [['-p tcp -m multiport --dports 80,443']], ip6),
  group('iprange', [
    ['-m iprange --src-range 1.1.1.1-1.1.1.10'],
    ['-m iprange ! --src-range 1.1.1.1-1.1.1.10'],
    [
      '-m iprange --dst-range 1.1.1.1-1.1.1.10 --src-range 0.0.0.0-255.255.255.255',
      '-m iprange --src-range 0.0.0.0-255.255.255.255 --dst-range 1.1.1.1-1.1.1.10'
    ],
    ['-m iprange ! --dst-range 1.1.1.1', '-m iprange ! --dst-range 1.1.1.1-1.1.1.1']
  ]),
  group(
    'iprange',
    [
      ['-m iprange --src-range 2001:db8::1-2001:db8::ffff'],
      ['-m iprange ! --dst-range ::1-::2'],
      ['-m iprange --dst-range ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff']
    ],
    ip6
  ),
  group('hashlimit', [
    ['-m hashlimit --hashlimit-above 512kb/second --hashlimit-name mini0', '-m hashlimit --hashlimit-above 512kb/s --hashlimit-name mini0'],
    ['-m hashlimit --hashlimit-above 1/sec --hashlimit-burst 5 --hashlimit-name mini1'],
    ['-m hashlimit --hashlimit-above 1000000/sec --hashlimit-burst 5 --hashlimit-name mini1'],
    ['-m hashlimit --hashlimit-above 1/min --hashlimit-burst 5 --hashlimit-name mini1'],
    ['-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 5 --hashlimit-name mini1'],
    ['-m hashlimit --hashlimit-above 1/day --hashlimit-burst 1 --hashlimit-name mini1'],
    ['-m hashlimit --hashlimit-upto 700/sec --hashlimit-burst 5 --hashlimit-name mini1'],
    ['-m hashlimit --hashlimit-upto 7001/min --hashlimit-burst 5 --hashlimit-name mini1'],
    [
      '-m hashlimit --hashlimit-upto 11/d --hashlimit-burst 1 --hashlimit-name mini1',
      '-m hashlimit --hashlimit-upto 11/day --hashlimit-burst 1 --hashlimit-name mini1'
    ],
    [
      '-m hashlimit ! --hashlimit-upto 60/minute --hashlimit-name mini1',
      '-m hashlimit --hashlimit-above 1/sec --hashlimit-burst 5 --hashlimit-name mini1 --hashlimit-htable-expire 60000'
    ],
    ['-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 1 --hashlimit-name mini2 --hashlimit-htable-expire 2000'],
    [
      '-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-name mini2 --hashlimit-htable-expire 2000'
    ],
    [
      '-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 1 --hashlimit-mode dstip,srcport|dstport,srcip --hashlimit-name mini3',
      '-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 1 --hashlimit-mode srcip,srcport,dstip,dstport --hashlimit-name mini3'
    ],
    [
      '-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 1 --hashlimit-mode dstip --hashlimit-name mini4 --hashlimit-htable-size 64 --hashlimit-htable-max 2000 --hashlimit-htable-gcinterval 60000 --hashlimit-htable-expire 2000 --hashlimit-srcmask 24 --hashlimit-dstmask 0'
    ],
    [
      '-m hashlimit --hashlimit 1/sec --hashlimit-name mini1',
      '-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 5 --hashlimit-name mini1'
    ],
    ['-m hashlimit --hashlimit-upto 4kb/s --hashlimit-burst 400kb --hashlimit-name mini5'],
    ['-m hashlimit --hashlimit-upto 10mb/s --hashlimit-name mini6'],
    ['-m hashlimit --hashlimit-upto 123456b/s --hashlimit-burst 1mb --hashlimit-name mini7'],
    [
      '-m hashlimit --hashlimit-upto 1000kb/s --hashlimit-burst 1500k --hashlimit-name mini8',
      '-m hashlimit --hashlimit-upto 1000kb/s --hashlimit-burst 1mb --hashlimit-name mini8'
    ],
    ['-m hashlimit --hashlimit-above 512kb/s --hashlimit-mode srcip --hashlimit-name mini9'],
    ['-m hashlimit --hashlimit-upto 40/sec --hashlimit-burst 20 --hashlimit-mode srcip --hashlimit-name rate1 --hashlimit-rate-match'],
    ['-m hashlimit --hashlimit-upto 40mb/s --hashlimit-mode srcip --hashlimit-name rate2 --hashlimit-rate-match'],
    [
      '-m hashlimit --hashlimit-upto 40/sec --hashlimit-burst 20 --hashlimit-mode srcip --hashlimit-name rate3 --hashlimit-rate-match --hashlimit-rate-interval 10'
    ],
    [
      '-m hashlimit --hashlimit-upto 40mb/s --hashlimit-mode srcip --hashlimit-name rate4 --hashlimit-rate-match --hashlimit-rate-interval 10'
    ],
    [
      '-m hashlimit --hashlimit-upto 10/min --hashlimit-name rate5 --hashlimit-rate-match',
      '-m hashlimit --hashlimit-upto 10/sec --hashlimit-burst 5 --hashlimit-name rate5 --hashlimit-htable-expire 60000 --hashlimit-rate-match --hashlimit-rate-interval 60'
    ]
  ]),
  group(
    'hashlimit',
    [
      ['-m hashlimit --hashlimit-above 3/hour --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name six1'],
      [
        '-m hashlimit --hashlimit-above 3/hour --hashlimit-burst 5 --hashlimit-mode dstip --hashlimit-name six2 --hashlimit-srcmask 32 --hashlimit-dstmask 64'
      ]
    ],
    ip6
  ),
  group('physdev', [
    ['-m physdev --physdev-in lo'],
    ['-m physdev ! --physdev-in eth+'],
    ['-m physdev --physdev-in +'],
    ['-m physdev --physdev-is-in --physdev-in fifteencharsxyz'],
    ['-m physdev ! --physdev-is-in ! --physdev-is-bridged']
  ]),
  group('physdev', [['-m physdev --physdev-in lo --physdev-is-bridged']], { chain: 'FORWARD' }),
  group('physdev', [['-m physdev --physdev-is-bridged --physdev-out lo', '-m physdev --physdev-out lo --physdev-is-bridged']], {
    table: 'mangle',
    chain: 'POSTROUTING'
  }),
  group('mac', [
    ['-m mac --mac-source 42:01:02:03:04:05'],
    ['-m mac ! --mac-source 4:1:A2:3:4:fF', '-m mac ! --mac-source 04:01:a2:03:04:ff']
  ]),
  group(
    'owner',
    [
      ['-m owner --uid-owner 0'],
      ['-m owner --uid-owner 0-10'],
      ['-m owner ! --gid-owner 5:10', '-m owner ! --gid-owner 5-10'],
      ['-m owner --gid-owner 0 --uid-owner 4294967294', '-m owner --uid-owner 4294967294 --gid-owner 0'],
      ['-m owner ! --uid-owner 0'],
      ['-m owner --socket-exists'],
      ['-m owner ! --socket-exists'],
      ['-m owner --gid-owner 0-10 --suppl-groups']
    ],
    { table: 'mangle', chain: 'OUTPUT' }
  ),
  group('owner', [['-m owner ! --uid-owner 1000']], { ...ip6, chain: 'OUTPUT' }),
  group('length', [
    ['-m length --length 1'],
    ['-m length --length :2', '-m length --length 0:2'],
    ['-m length --length 4:', '-m length --length 4:65535'],
    ['-m length --length 0:65535'],
    ['-m length ! --length 0:65535']
  ]),
  group('ttl', [
    ['-m ttl --ttl-eq 0'],
    ['-m ttl --ttl 255', '-m ttl --ttl-eq 255'],
    ['-m ttl ! --ttl-eq 255'],
    ['-m ttl ! --ttl 255', '-m ttl ! --ttl-eq 255'],
    ['-m ttl --ttl-gt 0'],
    ['-m ttl --ttl-lt 64']
  ]),
  group('hl', [['-m hl --hl-eq 42'], ['-m hl ! --hl-eq 42'], ['-m hl --hl-lt 42'], ['-m hl --hl-gt 42']], ip6),
  group('ipvs', [
    ['-m ipvs --ipvs'],
    ['-m ipvs ! --ipvs'],
    ['-m ipvs --vproto tcp', '-m ipvs --vproto 6'],
    ['-m ipvs ! --vproto TCP', '-m ipvs ! --vproto 6'],
    ['-m ipvs --vproto 23'],
    ['-m ipvs --vaddr 1.2.3.4'],
    ['-m ipvs ! --vaddr 1.2.3.4/255.255.255.0', '-m ipvs ! --vaddr 1.2.3.4/24'],
    ['-m ipvs --vport 22'],
    ['-m ipvs ! --vport 443'],
    ['-m ipvs --vdir ORIGINAL'],
    ['-m ipvs --vdir REPLY'],
    ['-m ipvs --vmethod GATE'],
    ['-m ipvs ! --vmethod ipip', '-m ipvs ! --vmethod IPIP'],
    ['-m ipvs --vmethod MASQ'],
    ['-m ipvs ! --vportctl 21'],
    [
      '-m ipvs --ipvs --vproto 6 --vaddr 1.2.3.4/16 --vport 22 --vdir ORIGINAL --vmethod GATE',
      '-m ipvs --vproto 6 --vaddr 1.2.3.4/16 --vport 22 --vdir ORIGINAL --vmethod GATE'
    ]
  ]),
  group('ipvs', [['-m ipvs --vaddr 2001:db8::1/64 --vport 80'], ['-m ipvs --vaddr 2001:db8::1']], ip6),
  group('rpfilter', [['-m rpfilter'], ['-m rpfilter --loose --validmark --accept-local --invert'], ['-m rpfilter --invert']], {
    table: 'mangle',
    chain: 'PREROUTING'
  }),
  group('rpfilter', [['-m rpfilter --invert']], { ...ip6, table: 'raw', chain: 'PREROUTING' }),
  group('icmp', [
    ['-p icmp -m icmp --icmp-type any'],
    ['-p icmp -m icmp --icmp-type echo-reply', '-p icmp -m icmp --icmp-type 0'],
    ['-p icmp -m icmp ! --icmp-type 3/4'],
    ['-p icmp -m icmp --icmp-type Fragmentation', '-p icmp -m icmp --icmp-type 3/4'],
    ['-p icmp -m icmp --icmp-type 8/0'],
    ['-p icmp -m icmp --icmp-type 42']
  ]),
  group(
    'icmp6',
    [
      ['-p ipv6-icmp -m icmp6 --icmpv6-type 1/0'],
      ['-p ipv6-icmp -m icmp6 ! --icmpv6-type 2'],
      ['-p ipv6-icmp -m icmp6 --icmpv6-type no-route', '-p ipv6-icmp -m icmp6 --icmpv6-type 1/0'],
      ['-p ipv6-icmp -m icmp6 --icmpv6-type neighbor-solicitation', '-p ipv6-icmp -m icmp6 --icmpv6-type 135'],
      ['-p ipv6-icmp -m icmp6 --icmpv6-type 255']
    ],
    ip6
  ),
  group('sctp', [
    ['-p sctp -m sctp --sport 1'],
    ['-p sctp -m sctp ! --source-port 1:65535', '-p sctp -m sctp ! --sport 1:65535'],
    ['-p sctp -m sctp --dport 65535'],
    ['-p sctp -m sctp --sport :5 --dport 0:65535', '-p sctp -m sctp --sport 0:5 --dport 0:65535'],
    ['-p sctp -m sctp --chunk-types all DATA'],
    ['-p sctp -m sctp ! --chunk-types any init,SACK,I_FORWARD_TSN', '-p sctp -m sctp ! --chunk-types any INIT,SACK,I_FORWARD_TSN'],
    ['-p sctp -m sctp --chunk-types only ALL'],
    ['-p sctp -m sctp --chunk-types only NONE'],
    ['-p sctp -m sctp --chunk-types all ABORT:T,DATA:Be', '-p sctp -m sctp --chunk-types all DATA:Be,ABORT:T'],
    [
      '-p sctp -m sctp --chunk-types any DATA:IUBE,SHUTDOWN_COMPLETE:t,ASCONF,ASCONF_ACK,I_DATA,RE_CONFIG,PAD,FORWARD_TSN',
      '-p sctp -m sctp --chunk-types any DATA:IUBE,SHUTDOWN_COMPLETE:t,I_DATA,ASCONF_ACK,RE_CONFIG,PAD,FORWARD_TSN,ASCONF'
    ]
  ]),
  group('bpf', [
    ['-m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0"'],
    ['-m bpf --bytecode "1,006 0 0 4294967295"', '-m bpf --bytecode "1,6 0 0 4294967295"']
  ]),
  group('tcp', [
    ['-p tcp -m tcp --sport 1'],
    ['-p tcp -m tcp --dport 1024:', '-p tcp -m tcp --dport 1024:65535'],
    ['-p tcp -m tcp ! --sport 1 --dport 65535'],
    ['-p tcp -m tcp --tcp-option 5'],
    ['-p tcp -m tcp ! --tcp-option 255 ! --syn', '-p tcp -m tcp ! --tcp-option 255 ! --tcp-flags FIN,SYN,RST,ACK SYN'],
    ['-p tcp -m tcp --syn', '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN'],
    ['-p tcp -m tcp --tcp-flags ALL NONE', '-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE'],
    ['-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,PSH,ACK,URG SYN'],
    ['-p tcp -m tcp --destination-port 5 --source-port 0:6', '-p tcp -m tcp --sport 0:6 --dport 5'],
    ['-p tcp -m tcp']
  ]),
  group('udp', [
    ['-p udp -m udp --sport 1:1023'],
    ['-p udp -m udp ! --sport 65535 --dport 1'],
    ['-p udp -m udp ! --dport 5:10'],
    ['-p udp -m udp']
  ]),
  group('mark', [
    ['-m mark --mark 0xfeedcafe/0xfeedcafe'],
    ['-m mark --mark 0x0'],
    ['-m mark ! --mark 4294967295', '-m mark ! --mark 0xffffffff'],
    ['-m mark --mark 0x0/0xff0']
  ]),
  group('limit', [
    ['-m limit --limit 1/sec'],
    ['-m limit --limit 1/min'],
    ['-m limit --limit 1000/hour'],
    ['-m limit --limit 1000/day'],
    ['-m limit', '-m limit --limit 3/hour'],
    ['-m limit --limit 5', '-m limit --limit 5/sec'],
    ['-m limit --limit 1/sec --limit-burst 1']
  ])
]
