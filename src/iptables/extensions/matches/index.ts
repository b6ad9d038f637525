/**
 * The matches of xtables that have words: all revisions of each.
 */
import { ADDRTYPE_0, ADDRTYPE_1 } from './addrtype.js'
import { BPF_0, BPF_1 } from './bpf.js'
import { comment } from './comment.js'
import { CONNTRACK_1, CONNTRACK_2, CONNTRACK_3 } from './conntrack.js'
import { HASHLIMIT_1, HASHLIMIT_2, HASHLIMIT_3 } from './hashlimit.js'
import { ICMP6_0, ICMP_0 } from './icmp.js'
import { IPRANGE_1 } from './iprange.js'
import { IPVS_0 } from './ipvs.js'
import { LENGTH_0 } from './length.js'
import { LIMIT_0 } from './limit.js'
import { MAC_0 } from './mac.js'
import { CONNMARK_1, MARK_1 } from './mark.js'
import { MULTIPORT_1 } from './multiport.js'
import { NFACCT_0, NFACCT_1 } from './nfacct.js'
import { OWNER_1 } from './owner.js'
import { PHYSDEV_0 } from './physdev.js'
import { RECENT_0, RECENT_1 } from './recent.js'
import { RPFILTER_IP6_0, RPFILTER_IP_0 } from './rpfilter.js'
import { SCTP_0 } from './sctp.js'
import { SET_4 } from './set.js'
import { STATE_0, STATE_AS_CONNTRACK } from './state.js'
import { STATISTIC_0 } from './statistic.js'
import { TCP_0, UDP_0 } from './tcp.js'
import { HL_0, TTL_0 } from './ttl.js'

/** All matches. Two have the same name and revision: `conntrack`, and `state`, which is written as `conntrack`. */
export const MATCHES = [
  ADDRTYPE_0,
  ADDRTYPE_1,
  BPF_0,
  BPF_1,
  comment,
  CONNMARK_1,
  CONNTRACK_1,
  CONNTRACK_2,
  CONNTRACK_3,
  HASHLIMIT_1,
  HASHLIMIT_2,
  HASHLIMIT_3,
  HL_0,
  ICMP_0,
  ICMP6_0,
  IPRANGE_1,
  IPVS_0,
  LENGTH_0,
  LIMIT_0,
  MAC_0,
  MARK_1,
  MULTIPORT_1,
  NFACCT_0,
  NFACCT_1,
  OWNER_1,
  PHYSDEV_0,
  RECENT_0,
  ...RECENT_1,
  RPFILTER_IP_0,
  RPFILTER_IP6_0,
  SCTP_0,
  SET_4,
  STATE_0,
  STATE_AS_CONNTRACK,
  STATISTIC_0,
  TCP_0,
  TTL_0,
  UDP_0
] as const
