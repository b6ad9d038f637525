/**
 * System settings of connection tracking: /proc/sys/net/netfilter (Documentation/networking/nf_conntrack-sysctl.rst), by typed names.
 */
import { toList } from '../core/checks.js'
import { ENOENT } from '../core/errno.js'
import { ValidationError } from '../core/errors.js'
import type { NativeOutcome } from '../native/index.js'
import { unwrap } from './refusals.js'

/** Settings by name, as /proc/sys/net/netfilter has them; which of them there are depends on the kernel. */
export interface ConntrackSettings {
  /** Most flows of a namespace. Writable in the initial one only. */
  readonly maxEntries: number
  /** Buckets of the hash table, which all namespaces share. Writable in the initial one only. */
  readonly buckets: number
  /** Flows now. */
  readonly entries: number
  /** `nf_conntrack_expect_max`. */
  readonly expectMax: number
  /** Whether new flows count packets and bytes. */
  readonly accounting: boolean
  /** Whether new flows are stamped with the time. */
  readonly timestamps: boolean
  /** `nf_conntrack_checksum`. */
  readonly checksum: boolean
  /** 0: no events; 1: of all flows; 2: of those that began after a process listened (Linux 5.19). */
  readonly events: number
  /** Whether helpers are given to flows without a rule that says so (before Linux 6.0). */
  readonly helperAssignment: boolean
  /** 0: no log; 255: invalid packets of any protocol; else of that protocol. */
  readonly logInvalid: number
  /** Whether packets out of the window are let pass: a node that sees one direction only, or flows that were taken over. */
  readonly tcpBeLiberal: boolean
  /** `nf_conntrack_tcp_loose`. */
  readonly tcpLoose: boolean
  /** `nf_conntrack_tcp_ignore_invalid_rst`. */
  readonly tcpIgnoreInvalidReset: boolean
  /** `nf_conntrack_tcp_max_retrans`. */
  readonly tcpMaxRetransmissions: number
  /** `nf_conntrack_generic_timeout`, seconds. */
  readonly genericTimeoutSeconds: number
  /** `nf_conntrack_gre_timeout`, seconds. */
  readonly greTimeoutSeconds: number
  /** `nf_conntrack_gre_timeout_stream`, seconds. */
  readonly greStreamTimeoutSeconds: number
  /** `nf_conntrack_icmp_timeout`, seconds. */
  readonly icmpTimeoutSeconds: number
  /** `nf_conntrack_icmpv6_timeout`, seconds. */
  readonly icmpv6TimeoutSeconds: number
  /** `nf_conntrack_udp_timeout`, seconds. */
  readonly udpTimeoutSeconds: number
  /** `nf_conntrack_udp_timeout_stream`, seconds. */
  readonly udpStreamTimeoutSeconds: number
  /** `nf_conntrack_tcp_timeout_close`, seconds. */
  readonly tcpCloseTimeoutSeconds: number
  /** `nf_conntrack_tcp_timeout_close_wait`, seconds. */
  readonly tcpCloseWaitTimeoutSeconds: number
  /** `nf_conntrack_tcp_timeout_established`, seconds. */
  readonly tcpEstablishedTimeoutSeconds: number
  /** `nf_conntrack_tcp_timeout_fin_wait`, seconds. */
  readonly tcpFinWaitTimeoutSeconds: number
  /** `nf_conntrack_tcp_timeout_last_ack`, seconds. */
  readonly tcpLastAckTimeoutSeconds: number
  /** `nf_conntrack_tcp_timeout_max_retrans`, seconds. */
  readonly tcpMaxRetransmissionsTimeoutSeconds: number
  /** `nf_conntrack_tcp_timeout_syn_recv`, seconds. */
  readonly tcpSynReceivedTimeoutSeconds: number
  /** `nf_conntrack_tcp_timeout_syn_sent`, seconds. */
  readonly tcpSynSentTimeoutSeconds: number
  /** `nf_conntrack_tcp_timeout_time_wait`, seconds. */
  readonly tcpTimeWaitTimeoutSeconds: number
  /** `nf_conntrack_tcp_timeout_unacknowledged`, seconds. */
  readonly tcpUnacknowledgedTimeoutSeconds: number
  /** `nf_conntrack_sctp_timeout_closed`, seconds. */
  readonly sctpClosedTimeoutSeconds: number
  /** `nf_conntrack_sctp_timeout_cookie_echoed`, seconds. */
  readonly sctpCookieEchoedTimeoutSeconds: number
  /** `nf_conntrack_sctp_timeout_cookie_wait`, seconds. */
  readonly sctpCookieWaitTimeoutSeconds: number
  /** `nf_conntrack_sctp_timeout_established`, seconds. */
  readonly sctpEstablishedTimeoutSeconds: number
  /** `nf_conntrack_sctp_timeout_heartbeat_sent`, seconds. */
  readonly sctpHeartbeatSentTimeoutSeconds: number
  /** `nf_conntrack_sctp_timeout_shutdown_ack_sent`, seconds. */
  readonly sctpShutdownAckSentTimeoutSeconds: number
  /** `nf_conntrack_sctp_timeout_shutdown_recd`, seconds. */
  readonly sctpShutdownReceivedTimeoutSeconds: number
  /** `nf_conntrack_sctp_timeout_shutdown_sent`, seconds. */
  readonly sctpShutdownSentTimeoutSeconds: number
}

interface SettingForm {
  /** File in /proc/sys/net/netfilter. */
  readonly file: string
  readonly min: number
  readonly max: number
  /** 0 and 1 are false and true. */
  readonly isFlag?: boolean
  readonly isReadOnly?: boolean
}

const MAX_INT = 2 ** 31 - 1
const seconds = (file: string): SettingForm => ({ file, min: 0, max: MAX_INT })
const flag = (file: string): SettingForm => ({ file, min: 0, max: 1, isFlag: true })

/** Every setting: numbers are plain, time-outs in seconds. */
const FORMS: Readonly<Record<keyof ConntrackSettings, SettingForm>> = {
  maxEntries: { file: 'nf_conntrack_max', min: 0, max: MAX_INT },
  buckets: { file: 'nf_conntrack_buckets', min: 0, max: MAX_INT },
  entries: { file: 'nf_conntrack_count', min: 0, max: MAX_INT, isReadOnly: true },
  expectMax: { file: 'nf_conntrack_expect_max', min: 0, max: MAX_INT },
  accounting: flag('nf_conntrack_acct'),
  timestamps: flag('nf_conntrack_timestamp'),
  checksum: flag('nf_conntrack_checksum'),
  events: { file: 'nf_conntrack_events', min: 0, max: 2 },
  helperAssignment: flag('nf_conntrack_helper'),
  logInvalid: { file: 'nf_conntrack_log_invalid', min: 0, max: 255 },
  tcpBeLiberal: flag('nf_conntrack_tcp_be_liberal'),
  tcpLoose: flag('nf_conntrack_tcp_loose'),
  tcpIgnoreInvalidReset: flag('nf_conntrack_tcp_ignore_invalid_rst'),
  tcpMaxRetransmissions: { file: 'nf_conntrack_tcp_max_retrans', min: 0, max: 255 },
  genericTimeoutSeconds: seconds('nf_conntrack_generic_timeout'),
  greTimeoutSeconds: seconds('nf_conntrack_gre_timeout'),
  greStreamTimeoutSeconds: seconds('nf_conntrack_gre_timeout_stream'),
  icmpTimeoutSeconds: seconds('nf_conntrack_icmp_timeout'),
  icmpv6TimeoutSeconds: seconds('nf_conntrack_icmpv6_timeout'),
  udpTimeoutSeconds: seconds('nf_conntrack_udp_timeout'),
  udpStreamTimeoutSeconds: seconds('nf_conntrack_udp_timeout_stream'),
  tcpCloseTimeoutSeconds: seconds('nf_conntrack_tcp_timeout_close'),
  tcpCloseWaitTimeoutSeconds: seconds('nf_conntrack_tcp_timeout_close_wait'),
  tcpEstablishedTimeoutSeconds: seconds('nf_conntrack_tcp_timeout_established'),
  tcpFinWaitTimeoutSeconds: seconds('nf_conntrack_tcp_timeout_fin_wait'),
  tcpLastAckTimeoutSeconds: seconds('nf_conntrack_tcp_timeout_last_ack'),
  tcpMaxRetransmissionsTimeoutSeconds: seconds('nf_conntrack_tcp_timeout_max_retrans'),
  tcpSynReceivedTimeoutSeconds: seconds('nf_conntrack_tcp_timeout_syn_recv'),
  tcpSynSentTimeoutSeconds: seconds('nf_conntrack_tcp_timeout_syn_sent'),
  tcpTimeWaitTimeoutSeconds: seconds('nf_conntrack_tcp_timeout_time_wait'),
  tcpUnacknowledgedTimeoutSeconds: seconds('nf_conntrack_tcp_timeout_unacknowledged'),
  sctpClosedTimeoutSeconds: seconds('nf_conntrack_sctp_timeout_closed'),
  sctpCookieEchoedTimeoutSeconds: seconds('nf_conntrack_sctp_timeout_cookie_echoed'),
  sctpCookieWaitTimeoutSeconds: seconds('nf_conntrack_sctp_timeout_cookie_wait'),
  sctpEstablishedTimeoutSeconds: seconds('nf_conntrack_sctp_timeout_established'),
  sctpHeartbeatSentTimeoutSeconds: seconds('nf_conntrack_sctp_timeout_heartbeat_sent'),
  sctpShutdownAckSentTimeoutSeconds: seconds('nf_conntrack_sctp_timeout_shutdown_ack_sent'),
  sctpShutdownReceivedTimeoutSeconds: seconds('nf_conntrack_sctp_timeout_shutdown_recd'),
  sctpShutdownSentTimeoutSeconds: seconds('nf_conntrack_sctp_timeout_shutdown_sent')
}

/** Name of a setting: `maxEntries`, `tcpBeLiberal`, `udpTimeoutSeconds` … */
export type ConntrackSettingName = keyof ConntrackSettings

/** All names. */
export const SETTING_NAMES = Object.keys(FORMS) as ConntrackSettingName[]

function formOf(path: string, name: unknown): SettingForm {
  if (typeof name === 'string' && Object.hasOwn(FORMS, name)) return FORMS[name as ConntrackSettingName]
  throw new ValidationError(path, name, SETTING_NAMES.join(', '))
}

/** The file of a setting. */
export function settingFile(name: ConntrackSettingName): string {
  return formOf('name', name).file
}

/** What a file says. */
function readSettingValue(name: ConntrackSettingName, text: string): number | boolean {
  const number = Number(text.trim())
  return formOf('name', name).isFlag === true ? number !== 0 : number
}

/** A change, checked. */
interface SettingChange {
  readonly name: string
  readonly file: string
  readonly value: string
}

/** The changes that a caller asks for. */
function settingChanges(settings: unknown): SettingChange[] {
  if (typeof settings !== 'object' || settings === null) throw new ValidationError('settings', settings, 'settings by name')
  return Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]: [string, unknown]) => {
      const { file, min, max, isFlag, isReadOnly } = formOf(`settings.${name}`, name)
      if (isReadOnly === true) throw new ValidationError(`settings.${name}`, value, 'nothing: it can be read only')
      if (isFlag === true && typeof value !== 'boolean') throw new ValidationError(`settings.${name}`, value, 'true or false')
      const number = typeof value === 'boolean' && isFlag === true ? Number(value) : value
      if (typeof number !== 'number' || !Number.isInteger(number) || number < min || number > max)
        throw new ValidationError(`settings.${name}`, value, `an integer from ${min} to ${max}`)
      return { name, file, value: `${number}\n` }
    })
}

/** Reads or writes a file of /proc/sys/net/netfilter, as a job of the client's. */
type SettingJob<Request, Answer> = (operation: string, request: Request) => Promise<NativeOutcome<Answer>>

/** The settings that this kernel has, of those that are named. */
export async function readSettings(
  names: readonly ConntrackSettingName[],
  job: SettingJob<{ readonly name: string }, string>
): Promise<Partial<ConntrackSettings>> {
  const operation = 'conntrack.readSettings'
  const files = toList('names', names, 'a list of names').map((name, index) => [name, formOf(`names[${index}]`, name).file] as const)
  const found: Record<string, number | boolean> = {}
  for (const [name, file] of files) {
    const outcome = await job(operation, { name: file })
    if (outcome.failure?.errno === ENOENT) continue
    found[name] = readSettingValue(name, unwrap(outcome, { operation, subject: `setting ${name} (${file})` }))
  }
  return found
}

/** Writes settings, in order; the first that fails ends it. */
export async function writeSettings(
  settings: Partial<ConntrackSettings>,
  job: SettingJob<{ readonly name: string; readonly value: string }, undefined>
): Promise<void> {
  const operation = 'conntrack.writeSettings'
  const hint = 'it may be written only where /proc/sys is mounted for writing; maxEntries and buckets in the initial network namespace only'
  for (const { name, file, value } of settingChanges(settings)) {
    const outcome = await job(operation, { name: file, value })
    unwrap(outcome, {
      operation,
      subject: `setting ${name} (${file})`,
      hint: outcome.failure?.errno === ENOENT ? 'this kernel has no such setting' : hint
    })
  }
}
