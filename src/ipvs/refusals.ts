/**
 * What the kernel's refusals mean: IPVS says an errno and nothing else.
 */
import { NO_SYMBOL } from '../core/columns.js'
import { EEXIST, EINVAL, ENOENT, EPERM, EPROTONOSUPPORT, ESRCH } from '../core/errno.js'
import { UnsupportedError, type NetlinkError } from '../core/errors.js'
import { failureError } from '../core/failures.js'
import { AF_INET } from '../core/protocols.js'
import type { NativeOutcome } from '../native/common.js'
import type { NativeFailure } from '../native/index.js'
import type { ServiceColumns } from './column-types.js'

// include/uapi/asm-generic/errno-base.h, errno.h

/** What is changed, and how. */
export interface ChangeKind {
  readonly verb: 'add' | 'update' | 'remove'
  readonly of: 'service' | 'realServer'
}

const REMEDY = 'load its module (modprobe ip_vs), or use a kernel built with CONFIG_IP_VS'
/** Generic netlink's GENL_ADMIN_PERM asks for it in the initial user namespace, for reading too. */
const EPERM_HINT =
  'IPVS needs CAP_NET_ADMIN in the initial user namespace, even to read: root inside a rootless container or another user namespace is not enough'

/** A refused real server, and the service that it is of. */
export interface RefusedServer {
  readonly family: number
  /** 16 bytes; an IPv4 address is the first 4 of them. */
  readonly address: Uint8Array
  readonly serviceFamily: number
}

const NO_HOST = 'the address is not that of one host'
/** fe80::/10. */
const isLinkLocal = (address: Uint8Array): boolean => address[0] === 0xfe && ((address[1] ?? 0) & 0xc0) === 0x80

/** Why a real server is EINVAL: ip_vs_genl_set_cmd for one of another family, ip_vs_new_dest for its address. */
function invalidServerHint({ family, address, serviceFamily }: RefusedServer): string | undefined {
  const [first = 0] = address
  if (family === AF_INET ? first === 0 || first >= 224 : first === 0xff || isLinkLocal(address)) return NO_HOST
  if (family !== serviceFamily)
    return 'a real server of another address family than its service cannot be had while a synchronisation daemon runs'
  if (family !== AF_INET) return NO_HOST
  // inet_addr_type: it knows nothing of a namespace that has no local address yet.
  return 'the address is the broadcast address of a network of this host, or the network namespace has no local address yet (set lo up)'
}

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

/** What helps against a refused row. `services`: the complete columns of a change of services; `server`: of a change of real servers, the one that was refused. */
export function hintOf(
  { verb, of }: ChangeKind,
  errno: number,
  services: ServiceColumns | undefined,
  row: number,
  server: RefusedServer | undefined
): string | undefined {
  if (errno === EPERM) return EPERM_HINT
  if (errno === ESRCH) return 'there is no such virtual service'
  if (errno === EEXIST) return of === 'service' ? 'the service exists: update it' : 'the service has this real server: update it'
  if (errno === ENOENT && of === 'realServer') return 'the service has no such real server'
  if (errno === ENOENT && services !== undefined && verb !== 'remove') return missingModule(services, row)
  if (errno === EINVAL && server !== undefined) return invalidServerHint(server)
  return undefined
}

/** The error for a job that failed as a whole. */
export function ipvsFailure(failure: NativeFailure, operation: string, subject?: string): NetlinkError | UnsupportedError {
  if (failure.errno === EPROTONOSUPPORT || (failure.errno === ENOENT && failure.operation === 'CTRL_CMD_GETFAMILY')) {
    const cause = failureError(failure, { operation, subject })
    return new UnsupportedError('ip_vs', `this kernel has no IPVS: ${REMEDY}`, { cause })
  }
  return failureError(failure, { operation, subject, hint: failure.errno === EPERM ? EPERM_HINT : undefined })
}

/** The value of an outcome. @throws Its failure, as {@link ipvsFailure} has it. */
export function unwrapIpvs<T>(outcome: NativeOutcome<T>, operation: string, subject?: string): T {
  if (outcome.failure !== undefined) throw ipvsFailure(outcome.failure, operation, subject)
  return outcome.value
}
