/**
 * The switches of ipvsadm(8), and the command line taken apart the way popt(3) does it.
 */

/** What is to be done, by the names that messages use. */
export type CommandName =
  | 'add-service'
  | 'edit-service'
  | 'delete-service'
  | 'flush'
  | 'list'
  | 'add-server'
  | 'delete-server'
  | 'edit-server'
  | 'set'
  | 'start-daemon'
  | 'stop-daemon'
  | 'restore'
  | 'save'
  | 'zero'
  | 'help'
  | 'version'

/** Every option, in the order in which combinations are checked. */
export const OPTION_NAMES = [
  'numeric',
  'connection',
  'service-address',
  'scheduler',
  'persistent',
  'netmask',
  'real-server',
  'forwarding-method',
  'weight',
  'u-threshold',
  'l-threshold',
  'mcast-interface',
  'timeout',
  'daemon',
  'stats',
  'rate',
  'thresholds',
  'persistent-conn',
  'nosort',
  'syncid',
  'exact',
  'ops',
  'pe',
  'sched-flags',
  'mcast-group',
  'mcast-port',
  'mcast-ttl',
  'sync-maxlen',
  'tun-info',
  'tun-type',
  'tun-port',
  'tun-nocsum',
  'tun-csum',
  'tun-remcsum'
] as const
export type OptionName = (typeof OPTION_NAMES)[number]

/** A switch: it is a command, or counts as an option (`ipv6` and `sort` count as none). */
export interface Switch {
  readonly long: string
  readonly short?: string | undefined
  readonly argument?: 'required' | 'optional' | undefined
  readonly command?: CommandName | undefined
  readonly option?: OptionName | undefined
}

const command = (name: CommandName, short?: string, long: string = name, argument?: 'required'): Switch => ({
  long,
  short,
  command: name,
  argument
})
const plain = (option: OptionName, short?: string, long: string = option): Switch => ({ long, short, option })
const valued = (option: OptionName, short?: string, long: string = option): Switch => ({ long, short, option, argument: 'required' })

const switches: readonly Switch[] = [
  command('add-service', 'A'),
  command('edit-service', 'E'),
  command('delete-service', 'D'),
  command('flush', 'C', 'clear'),
  command('list', 'L'),
  command('list', 'l'),
  command('zero', 'Z'),
  command('add-server', 'a'),
  command('edit-server', 'e'),
  command('delete-server', 'd'),
  command('set'),
  command('help', 'h'),
  command('version', 'v'),
  command('restore', 'R'),
  command('save', 'S'),
  command('start-daemon', undefined, 'start-daemon', 'required'),
  command('stop-daemon', undefined, 'stop-daemon', 'required'),
  valued('service-address', 't', 'tcp-service'),
  valued('service-address', 'u', 'udp-service'),
  valued('service-address', undefined, 'sctp-service'),
  valued('service-address', 'f', 'fwmark-service'),
  valued('scheduler', 's'),
  { long: 'persistent', short: 'p', argument: 'optional', option: 'persistent' },
  valued('netmask', 'M'),
  valued('real-server', 'r'),
  plain('forwarding-method', 'm', 'masquerading'),
  plain('forwarding-method', 'i', 'ipip'),
  plain('forwarding-method', 'g', 'gatewaying'),
  valued('weight', 'w'),
  valued('u-threshold', 'x'),
  valued('l-threshold', 'y'),
  plain('numeric', 'n'),
  plain('connection', 'c'),
  valued('mcast-interface'),
  valued('syncid'),
  plain('timeout'),
  plain('daemon'),
  plain('stats'),
  plain('rate'),
  plain('thresholds'),
  plain('persistent-conn'),
  plain('nosort'),
  { long: 'sort' },
  plain('exact', 'X'),
  { long: 'ipv6', short: '6' },
  plain('ops', 'o'),
  valued('pe'),
  valued('sched-flags', 'b'),
  valued('mcast-group'),
  valued('mcast-port'),
  valued('mcast-ttl'),
  valued('sync-maxlen'),
  plain('tun-info'),
  valued('tun-type'),
  valued('tun-port'),
  plain('tun-nocsum'),
  plain('tun-csum'),
  plain('tun-remcsum')
]

const byLong = new Map(switches.map((one) => [one.long, one]))
const byShort = new Map(switches.flatMap((one) => (one.short === undefined ? [] : [[one.short, one] as const])))

/** The command line is wrong. */
export class UsageError extends Error {
  /** 255 is the -1 of the original: what it says of options that it cannot read. */
  readonly status: 2 | 255

  constructor(message: string, status: 2 | 255 = 2) {
    super(message)
    this.status = status
  }
}

/** What the original says when the command line does not begin with a command. */
export const TRY_HELP = "Try `ipvsadm -h' or 'ipvsadm --help' for more information."

/** A switch as it was given. */
export interface GivenSwitch {
  readonly what: Switch
  readonly argument: string | undefined
  /** The word that it stands in. */
  readonly word: string
}

/** Yields the switches of a command line one after the other; words that are none end up in `rest`. */
export function* scan(words: readonly string[], rest: string[]): Generator<GivenSwitch, void> {
  let at = 0
  /** The argument of a switch: what follows in its word, or else the next word. An optional one is no next word that looks like a switch. */
  const argumentOf = ({ argument }: Switch, word: string, attached: string | undefined): string | undefined => {
    if (attached !== undefined) return attached
    const next = words[at]
    if (argument === 'optional' && (next === undefined || next.startsWith('-'))) return undefined
    if (next === undefined) throw new UsageError(`${word}: missing argument`, 255)
    at += 1
    return next
  }
  while (at < words.length) {
    const word = words[at]!
    at += 1
    if (word === '--') {
      rest.push(...words.slice(at))
      return
    }
    if (word.startsWith('--')) {
      const equals = word.indexOf('=')
      const what = byLong.get(equals < 0 ? word.slice(2) : word.slice(2, equals))
      const attached = equals < 0 ? undefined : word.slice(equals + 1)
      if (what === undefined) throw new UsageError(`${word}: unknown option`, 255)
      if (what.argument === undefined && attached !== undefined) throw new UsageError(`${word}: option does not take an argument`, 255)
      yield { what, word, argument: what.argument === undefined ? undefined : argumentOf(what, word, attached) }
      continue
    }
    if (!word.startsWith('-') || word === '-') {
      rest.push(word)
      continue
    }
    for (let letter = 1; letter < word.length; letter += 1) {
      const what = byShort.get(word[letter]!)
      if (what === undefined) throw new UsageError(`${word}: unknown option`, 255)
      if (what.argument === undefined) {
        yield { what, word, argument: undefined }
        continue
      }
      const attached = word.slice(letter + 1).replace(/^=/, '')
      yield { what, word, argument: argumentOf(what, word, letter + 1 < word.length ? attached : undefined) }
      break
    }
  }
}
