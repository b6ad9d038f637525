/**
 * What the kernel's refusals mean: IPVS says an errno and nothing else.
 */
import { COMMON_HINTS, failureError } from '../client.js'
import { errnoName, UnsupportedError, type NetlinkError } from '../errors.js'
import type { NativeFailure } from '../native.js'
import type { ServiceColumns } from './column-types.js'
import { NO_SYMBOL } from './symbols.js'

// include/uapi/asm-generic/errno-base.h, errno.h
export const EPERM = 1
export const ENOENT = 2
export const ESRCH = 3
export const EEXIST = 17
export const EINVAL = 22
export const EPROTONOSUPPORT = 93
export const ETIMEDOUT = 110

/** What is changed, and how. */
export interface ChangeKind {
  readonly verb: 'add' | 'update' | 'remove'
  readonly of: 'service' | 'realServer'
}

const REMEDY = 'load its module (modprobe ip_vs), or use a kernel built with CONFIG_IP_VS'
/** Generic netlink's GENL_ADMIN_PERM asks for it in the initial user namespace, for reading too. */
const EPERM_HINT =
  'IPVS needs CAP_NET_ADMIN in the initial user namespace, even to read: root inside a rootless container or another user namespace is not enough'

/** __ip_vs_update_dest and ip_vs_new_dest, which asks inet_addr_type: that knows nothing of a namespace that has no local address yet. */
const EINVAL_HINT =
  'the address must be that of one host, and the network namespace must have a local address (set lo up); one of another family than the service has needs ' +
  'Linux 3.18 and no synchronisation daemon; gue and gre need Linux 5.3 and 5.4'

/** Errnos that say: it is as wanted already (option `ensure`). */
export function isAsWanted({ verb, of }: ChangeKind, errno: number): boolean {
  if (verb === 'add') return errno === EEXIST
  return verb === 'remove' && (errno === ESRCH || (of === 'realServer' && errno === ENOENT))
}

function missingModule(columns: ServiceColumns, row: number): string {
  const scheduler = columns.schedulerTable[columns.scheduler[row] ?? NO_SYMBOL] ?? ''
  const engine = columns.persistenceEngineTable[columns.persistenceEngine[row] ?? NO_SYMBOL]
  const first = `the kernel has no scheduler '${scheduler}' (modprobe ip_vs_${scheduler})`
  return engine === undefined ? first : `${first}, or no persistence engine '${engine}' (modprobe ip_vs_pe_${engine})`
}

/** What usually helps against a refused row. `services`: the complete columns of a change of services. */
export function hintOf({ verb, of }: ChangeKind, errno: number, services: ServiceColumns | undefined, row: number): string | undefined {
  if (errno === EPERM) return EPERM_HINT
  if (errno === ESRCH) return 'there is no such virtual service'
  if (errno === EEXIST) return of === 'service' ? 'the service exists: update it' : 'the service has this real server: update it'
  if (errno === ENOENT && of === 'realServer') return 'the service has no such real server'
  if (errno === ENOENT && services !== undefined && verb !== 'remove') return missingModule(services, row)
  if (errno === EINVAL && of === 'realServer') return EINVAL_HINT
  return COMMON_HINTS[errnoName(errno)]
}

/** The error for a job that failed as a whole. */
export function ipvsFailure(failure: NativeFailure, operation: string, subject?: string): NetlinkError | UnsupportedError {
  if (failure.errno === EPROTONOSUPPORT || (failure.errno === ENOENT && failure.operation === 'CTRL_CMD_GETFAMILY')) {
    const cause = failureError(failure, { operation, subject })
    return new UnsupportedError('ip_vs', `this kernel has no IPVS: ${REMEDY}`, { cause })
  }
  return failureError(failure, { operation, subject, hint: failure.errno === EPERM ? EPERM_HINT : undefined })
}
