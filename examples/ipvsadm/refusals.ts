/**
 * What the original says when the kernel refuses.
 */
import { getSystemErrorMap } from 'node:util'
import { NetlinkError, TransactionError } from 'netplane'
import type { CommandName } from './switches.js'

const NO_SERVICE = { ESRCH: 'No such service' }
const NO_SCHEDULER = { ENOENT: 'Scheduler or persistence engine not found' }
const NO_DESTINATION = { ESRCH: 'Service not defined', ENOENT: 'No such destination' }

const byCommand: Readonly<Partial<Record<CommandName, Readonly<Record<string, string>>>>> = {
  'add-service': { EEXIST: 'Service already exists', ...NO_SCHEDULER },
  'edit-service': { ...NO_SERVICE, ...NO_SCHEDULER },
  'delete-service': NO_SERVICE,
  zero: NO_SERVICE,
  list: NO_SERVICE,
  'add-server': { ESRCH: 'Service not defined', EEXIST: 'Destination already exists' },
  'edit-server': NO_DESTINATION,
  'delete-server': NO_DESTINATION,
  'start-daemon': { EEXIST: 'Daemon has already run' },
  'stop-daemon': { ESRCH: 'No daemon is running' }
}

const forAll: Readonly<Record<string, string>> = {
  EPERM: 'Permission denied (you must be root)',
  EINVAL: 'Invalid operation.  Possibly wrong module version, address not unicast, ...',
  ENOMEM: 'Memory allocation problem',
  EOPNOTSUPP: 'Operation not supported with IPv6',
  EAFNOSUPPORT: 'Operation not supported with specified address family',
  EMSGSIZE: 'Module is wrong version'
}

/** strerror(3), nearly: Node has it in small letters, and words of its own for some. */
function systemText({ errno, message }: NetlinkError): string {
  const text = getSystemErrorMap().get(errno)?.[1]
  return text === undefined ? message : `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
}

/** Words for a refusal. What is no refusal of the kernel has words of its own. */
export function refusalText(command: CommandName, error: unknown): string {
  const refusal = error instanceof TransactionError ? (error.errors[0] ?? error) : error
  if (!(refusal instanceof NetlinkError)) return refusal instanceof Error ? refusal.message : String(refusal)
  return byCommand[command]?.[refusal.code] ?? forAll[refusal.code] ?? systemText(refusal)
}
