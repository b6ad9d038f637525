/**
 * Which options go with which command, and with which type of tunnel.
 */
import type { TunnelType } from 'netplane'
import { OPTION_NAMES, UsageError, type CommandName, type OptionName } from './switches.js'

/** Options that something must have, may have, and may have one of. All others are illegal. */
interface Rule {
  readonly needs?: readonly OptionName[]
  readonly takes?: readonly OptionName[]
  readonly takesOneOf?: readonly OptionName[]
}

const serviceOptions = ['scheduler', 'persistent', 'netmask', 'ops', 'pe', 'sched-flags'] as const
const tunnelOptions = ['tun-type', 'tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'] as const
const serverOptions = ['forwarding-method', 'weight', 'u-threshold', 'l-threshold', ...tunnelOptions] as const

const commandRules: Readonly<Record<CommandName, Rule>> = {
  'add-service': { needs: ['service-address'], takes: serviceOptions },
  'edit-service': { needs: ['service-address'], takes: serviceOptions },
  'delete-service': { needs: ['service-address'] },
  flush: {},
  list: {
    takes: ['numeric', 'stats', 'rate', 'thresholds', 'persistent-conn', 'nosort', 'syncid', 'exact', 'tun-info'],
    takesOneOf: ['connection', 'service-address', 'timeout', 'daemon']
  },
  'add-server': { needs: ['service-address', 'real-server'], takes: serverOptions },
  'delete-server': { needs: ['service-address', 'real-server'] },
  'edit-server': { needs: ['service-address', 'real-server'], takes: serverOptions },
  set: {},
  'start-daemon': { takes: ['mcast-interface', 'syncid', 'mcast-group', 'mcast-port', 'mcast-ttl', 'sync-maxlen'] },
  'stop-daemon': { takes: ['syncid'] },
  restore: {},
  save: { takes: ['numeric'] },
  zero: { takes: ['service-address'] },
  help: {},
  version: {}
}

const tunnelRules: Readonly<Record<TunnelType, Rule>> = {
  ipip: {},
  gue: { needs: ['tun-port'], takesOneOf: ['tun-nocsum', 'tun-csum', 'tun-remcsum'] },
  gre: { takesOneOf: ['tun-nocsum', 'tun-csum'] }
}

function check(options: ReadonlySet<OptionName>, of: readonly OptionName[], rule: Rule, what: string): void {
  let chosen: OptionName | undefined
  for (const option of of) {
    const isNeeded = rule.needs?.includes(option) ?? false
    if (!options.has(option)) {
      if (isNeeded) throw new UsageError(`You need to supply the '${option}' option for the ${what}`)
      continue
    }
    if (rule.takesOneOf?.includes(option)) {
      if (chosen !== undefined) throw new UsageError(`The option '${option}' conflicts with the '${chosen}' option in the ${what}`)
      chosen = option
      continue
    }
    if (!isNeeded && !(rule.takes?.includes(option) ?? false)) throw new UsageError(`Illegal '${option}' option with the ${what}`)
  }
}

/** @throws {UsageError} The command cannot have these options, or needs others. */
export function checkCommand(command: CommandName, options: ReadonlySet<OptionName>): void {
  check(options, OPTION_NAMES, commandRules[command], `'${command}' command`)
}

/** @throws {UsageError} A real server with this tunnel cannot have these options, or needs others. */
export function checkTunnel(type: TunnelType, options: ReadonlySet<OptionName>): void {
  check(options, ['tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'], tunnelRules[type], `'${type}' tunnel type`)
}

/** @throws {UsageError} What is to be listed contradicts how. */
export function checkList(options: ReadonlySet<OptionName>): void {
  const hasAny = (...names: readonly OptionName[]): boolean => names.some((name) => options.has(name))
  const isTable = !hasAny('connection', 'timeout', 'daemon')
  if ((!isTable && hasAny('stats', 'rate', 'thresholds')) || (hasAny('timeout', 'daemon') && hasAny('persistent-conn')))
    throw new UsageError('options conflicts in the list command')
}

/** @throws {UsageError} Options of tunnels without a tunnel. */
export function requireTunnel(options: ReadonlySet<OptionName>, isTunnel: boolean): void {
  if (!isTunnel && tunnelOptions.some((name) => options.has(name))) throw new UsageError('Tunnel options conflict with forward method')
}
