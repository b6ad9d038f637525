/**
 * Which matches and targets there are words for, and what the options of each are.
 */
import type { AddrtypeOptions } from '../extensions/matches/addrtype.js'
import type { BpfOptions } from '../extensions/matches/bpf.js'
import type { CommentOptions } from '../extensions/matches/comment.js'
import type { ConntrackOptions } from '../extensions/matches/conntrack.js'
import type { HashlimitOptions } from '../extensions/matches/hashlimit-options.js'
import type { Icmp6Options, IcmpOptions } from '../extensions/matches/icmp.js'
import type { IprangeOptions } from '../extensions/matches/iprange.js'
import type { IpvsOptions } from '../extensions/matches/ipvs.js'
import type { LengthOptions } from '../extensions/matches/length.js'
import type { LimitOptions } from '../extensions/matches/limit.js'
import type { MacOptions } from '../extensions/matches/mac.js'
import type { MarkOptions } from '../extensions/matches/mark.js'
import type { MultiportOptions } from '../extensions/matches/multiport.js'
import type { NfacctOptions } from '../extensions/matches/nfacct.js'
import type { OwnerOptions } from '../extensions/matches/owner.js'
import type { PhysdevOptions } from '../extensions/matches/physdev.js'
import type { RecentOptions } from '../extensions/matches/recent.js'
import type { RpfilterOptions } from '../extensions/matches/rpfilter.js'
import type { SctpOptions } from '../extensions/matches/sctp.js'
import type { SetOptions } from '../extensions/matches/set.js'
import type { StateOptions } from '../extensions/matches/state.js'
import type { StatisticOptions } from '../extensions/matches/statistic.js'
import type { TcpOptions, UdpOptions } from '../extensions/matches/tcp.js'
import type { HopsOptions } from '../extensions/matches/ttl.js'
import type { ChecksumOptions } from '../extensions/targets/checksum.js'
import type { ClassifyOptions } from '../extensions/targets/classify.js'
import type { ConnmarkOptions } from '../extensions/targets/connmark.js'
import type { ConnsecmarkOptions } from '../extensions/targets/connsecmark.js'
import type { CtOptions, NotrackOptions } from '../extensions/targets/ct.js'
import type { DnatOptions } from '../extensions/targets/dnat.js'
import type { DscpOptions } from '../extensions/targets/dscp.js'
import type { HmarkOptions } from '../extensions/targets/hmark.js'
import type { LogTargetOptions } from '../extensions/targets/log.js'
import type { MarkTargetOptions } from '../extensions/targets/mark.js'
import type { MasqueradeOptions } from '../extensions/targets/masquerade.js'
import type { NflogOptions } from '../extensions/targets/nflog.js'
import type { NfqueueOptions } from '../extensions/targets/nfqueue.js'
import type { RedirectOptions } from '../extensions/targets/redirect.js'
import type { RejectOptions } from '../extensions/targets/reject.js'
import type { SecmarkOptions } from '../extensions/targets/secmark.js'
import type { SetTargetOptions } from '../extensions/targets/set.js'
import type { SnatOptions } from '../extensions/targets/snat.js'
import type { TcpmssOptions } from '../extensions/targets/tcpmss.js'
import type { TosOptions } from '../extensions/targets/tos.js'
import type { TproxyOptions } from '../extensions/targets/tproxy.js'
import type { TraceOptions } from '../extensions/targets/trace.js'
import type { HopsTargetOptions } from '../extensions/targets/ttl.js'

/** Options of the matches that netplane has words for, by the names of these. */
export interface IptablesMatchOptions {
  readonly addrtype: AddrtypeOptions
  readonly bpf: BpfOptions
  readonly comment: CommentOptions
  readonly connmark: MarkOptions
  readonly conntrack: ConntrackOptions
  readonly hashlimit: HashlimitOptions
  readonly hl: HopsOptions
  readonly icmp: IcmpOptions
  readonly icmp6: Icmp6Options
  readonly iprange: IprangeOptions
  readonly ipvs: IpvsOptions
  readonly length: LengthOptions
  readonly limit: LimitOptions
  readonly mac: MacOptions
  readonly mark: MarkOptions
  readonly multiport: MultiportOptions
  readonly nfacct: NfacctOptions
  readonly owner: OwnerOptions
  readonly physdev: PhysdevOptions
  readonly recent: RecentOptions
  readonly rpfilter: RpfilterOptions
  readonly sctp: SctpOptions
  readonly set: SetOptions
  readonly state: StateOptions
  readonly statistic: StatisticOptions
  readonly tcp: TcpOptions
  readonly ttl: HopsOptions
  readonly udp: UdpOptions
}

/** Options of the targets that netplane has words for, by the names of these. */
export interface IptablesTargetOptions {
  readonly CHECKSUM: ChecksumOptions
  readonly CLASSIFY: ClassifyOptions
  readonly CONNMARK: ConnmarkOptions
  readonly CONNSECMARK: ConnsecmarkOptions
  readonly CT: CtOptions
  readonly DNAT: DnatOptions
  readonly DSCP: DscpOptions
  readonly HL: HopsTargetOptions
  readonly HMARK: HmarkOptions
  readonly LOG: LogTargetOptions
  readonly MARK: MarkTargetOptions
  readonly MASQUERADE: MasqueradeOptions
  readonly NFLOG: NflogOptions
  readonly NFQUEUE: NfqueueOptions
  readonly NOTRACK: NotrackOptions
  readonly REDIRECT: RedirectOptions
  readonly REJECT: RejectOptions
  readonly SECMARK: SecmarkOptions
  readonly SET: SetTargetOptions
  readonly SNAT: SnatOptions
  readonly TCPMSS: TcpmssOptions
  readonly TOS: TosOptions
  readonly TPROXY: TproxyOptions
  readonly TRACE: TraceOptions
  readonly TTL: HopsTargetOptions
}
