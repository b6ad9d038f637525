/**
 * Settings of the kernel that matter to a plane.
 */
import type { Mode } from '../options.js'

/** A setting below /proc/sys/net, and what is wrong with which values. */
export interface KnownSetting {
  /** Its file: `ipv4/ip_forward`. */
  readonly file: string
  /** The least that is enough; absent: its value is shown and not judged. */
  readonly min?: number | undefined
  /** What it does, and what becomes of a plane while it is too small. */
  readonly meaning: string
  /** Modes whose plane sets it by itself with its first sync. */
  readonly setBy: readonly Mode[]
}

/** In the order in which they are told. */
export const SETTINGS: readonly KnownSetting[] = [
  { file: 'ipv4/ip_forward', min: 1, meaning: 'IPv4 packets are forwarded to endpoints of other hosts', setBy: ['ipvs'] },
  { file: 'ipv6/conf/all/forwarding', min: 1, meaning: 'IPv6 packets are forwarded to endpoints of other hosts', setBy: [] },
  {
    file: 'ipv4/vs/conntrack',
    min: 1,
    meaning: 'packets of IPVS have a connection, without which nothing is masqueraded',
    setBy: ['ipvs']
  },
  { file: 'ipv4/vs/expire_nodest_conn', min: 1, meaning: 'connections to an endpoint that is gone end', setBy: ['ipvs'] },
  {
    file: 'ipv4/vs/expire_quiescent_template',
    min: 1,
    meaning: 'clients of an endpoint with weight 0 are balanced again',
    setBy: ['ipvs']
  },
  { file: 'ipv4/vs/conn_reuse_mode', meaning: 'whether a reused port is balanced again', setBy: ['ipvs'] },
  {
    file: 'core/rmem_max',
    min: 1_048_576,
    meaning: "answers and events fit a socket's buffer without CAP_NET_ADMIN",
    setBy: []
  }
]
