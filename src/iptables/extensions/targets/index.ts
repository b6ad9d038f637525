/**
 * The targets that netplane has words for.
 */
import { CHECKSUM } from './checksum.js'
import { CLASSIFY } from './classify.js'
import { CONNMARK } from './connmark.js'
import { CONNSECMARK } from './connsecmark.js'
import { CT, NOTRACK } from './ct.js'
import { DNAT } from './dnat.js'
import { DSCP } from './dscp.js'
import { HMARK } from './hmark.js'
import { LOG } from './log.js'
import { MARK } from './mark.js'
import { MASQUERADE } from './masquerade.js'
import { NFLOG } from './nflog.js'
import { NFQUEUE } from './nfqueue.js'
import { REDIRECT } from './redirect.js'
import { REJECT } from './reject.js'
import { SECMARK } from './secmark.js'
import { SET } from './set.js'
import { SNAT } from './snat.js'
import { TCPMSS } from './tcpmss.js'
import { TOS } from './tos.js'
import { TPROXY } from './tproxy.js'
import { TRACE } from './trace.js'
import { HL, TTL } from './ttl.js'

/**
 * All revisions. Of one name and family, the highest revision is the one that iptables 1.8.9 writes. Two may be of one name, revision and family to the kernel (CT,
 * and NOTRACK which is a CT): each reads the structures that are its own, and gives up on the other's.
 */
export const TARGETS = [
  ...CHECKSUM,
  ...CLASSIFY,
  ...CONNMARK,
  ...CONNSECMARK,
  ...CT,
  ...DNAT,
  ...DSCP,
  ...HL,
  ...HMARK,
  ...LOG,
  MARK,
  ...MASQUERADE,
  ...NFLOG,
  ...NFQUEUE,
  ...NOTRACK,
  ...REDIRECT,
  ...REJECT,
  ...SECMARK,
  ...SET,
  ...SNAT,
  ...TCPMSS,
  ...TOS,
  ...TPROXY,
  ...TRACE,
  ...TTL
] as const
