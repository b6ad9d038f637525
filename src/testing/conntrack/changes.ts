/**
 * What a change does to a flow of a fake connection tracking, and what the kernel would refuse (ctnetlink_create_conntrack, ctnetlink_change_conntrack).
 */
import { PRESENT, PROTOCOLS, STATUSES } from '../../conntrack/constants.js'
import { EBUSY, EOPNOTSUPP, EPERM } from '../../core/errno.js'
import type { FakeChange, FakeFlow } from './rows.js'

// include/uapi/asm-generic/errno-base.h, errno.h

const LABEL_BYTES = 16
/** Bits that cannot be taken back (nf_ct_change_status_common). */
const LASTING = STATUSES['seen-reply'] | STATUSES.assured
/** IP_CT_TCP_FLAG_WINDOW_SCALE: scales count only where both directions have it. */
const SCALED = 1
const NAT_DONE = STATUSES['source-nat-done'] | STATUSES['destination-nat-done']

interface NatRecord {
  readonly first?: Uint8Array
  readonly first6?: Uint8Array
  readonly ports?: { readonly first: number }
}

/** Makes the answers come from, or go to, another place. */
function translate(flow: FakeFlow, nat: NatRecord, side: 'Source' | 'Destination', bit: number): void {
  const address = new Uint8Array(16)
  address.set(nat.first ?? nat.first6!)
  const port = nat.ports?.first ?? flow[`reply${side}Port`]
  const isSame = address.every((byte, at) => byte === flow[`reply${side}`][at]) && port === flow[`reply${side}Port`]
  if (isSame) return
  flow[`reply${side}`] = address
  flow[`reply${side}Port`] = port
  flow.status |= bit
}

/** Takes what a new flow's record asks for: NAT is done at once, and leaves nothing but its effects. */
export function applyDetails(flow: FakeFlow): void {
  const { sourceNat, destinationNat, ...rest } = flow.details as Record<string, unknown>
  if (destinationNat !== undefined) translate(flow, destinationNat as NatRecord, 'Source', STATUSES['destination-nat'])
  if (sourceNat !== undefined) translate(flow, sourceNat as NatRecord, 'Destination', STATUSES['source-nat'])
  if (sourceNat !== undefined || destinationNat !== undefined) flow.status |= NAT_DONE
  if (rest['master'] !== undefined) flow.status |= STATUSES.expected
  if (rest['originalAdjustment'] !== undefined || rest['replyAdjustment'] !== undefined) flow.status |= STATUSES['sequence-adjust']
  flow.details = rest
}

function setLabels(flow: FakeFlow, { labels, labelsMask }: FakeChange): void {
  const before = flow.labels.length === 0 ? new Uint8Array(LABEL_BYTES) : flow.labels
  flow.labels = before.map((byte, at) => {
    const mask = labelsMask.length === 0 ? 0xff : labelsMask[at]!
    return (byte & ~mask) ^ (labels[at] ?? 0)
  })
  flow.present |= PRESENT.labels
}

function setProtocolState(flow: FakeFlow, change: FakeChange): void {
  flow.state = change.state
  flow.present |= PRESENT.state
  if (flow.protocol === PROTOCOLS.tcp && (change.present & PRESENT.tcp) !== 0) {
    flow.originalTcpFlags = change.originalTcpFlags
    flow.replyTcpFlags = change.replyTcpFlags
    if ((change.originalTcpFlags & change.replyTcpFlags & SCALED) === 0) return
    flow.originalWindowScale = change.originalWindowScale
    flow.replyWindowScale = change.replyWindowScale
  }
  if (flow.protocol === PROTOCOLS.sctp && (change.present & PRESENT.tags) !== 0) {
    flow.originalTag = change.originalTag
    flow.replyTag = change.replyTag
  }
}

/** The errno of a change that the kernel would refuse; 0. */
export function refusalOf(flow: FakeFlow, change: FakeChange, helpers: ReadonlySet<string>): number {
  const says = (part: keyof typeof PRESENT): boolean => (change.present & PRESENT[part]) !== 0
  const { helper } = change
  if (helper !== undefined && helper !== '' && helper !== flow.helper) {
    if (!helpers.has(helper)) return EOPNOTSUPP
    if (flow.helper !== undefined) return EBUSY
  }
  if (says('timeout') && (flow.status & STATUSES['fixed-timeout']) !== 0) return EPERM
  if (says('status') && (flow.status & LASTING & ~change.status) !== 0) return EBUSY
  return 0
}

/** Changes a flow; what it has in common with a flow that is made. */
export function applyChange(flow: FakeFlow, change: FakeChange): void {
  const says = (part: keyof typeof PRESENT): boolean => (change.present & PRESENT[part]) !== 0
  if (change.helper !== undefined) flow.helper = change.helper === '' ? undefined : change.helper
  if (says('timeout')) flow.expiresAt = Date.now() + change.timeoutSeconds * 1000
  if (says('status')) flow.status |= change.status
  if (says('state')) setProtocolState(flow, change)
  if (says('mark')) flow.mark = ((flow.mark & ~change.markMask) ^ change.mark) >>> 0
  if (says('labels')) setLabels(flow, change)
}
