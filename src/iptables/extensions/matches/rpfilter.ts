/**
 * `rpfilter`: whether an answer would leave by the interface that the packet came in by. Source: include/uapi/linux/netfilter/xt_rpfilter.h, iptables-extensions(8).
 */
import { flagBits, flagFrom, present } from '../flags.js'
import { struct, u8 } from '../layout.js'
import { flagOption, printFlag } from '../words.js'
import { match, type Drafted, type MatchDefinition } from './match.js'

/** Options of the match `rpfilter`; the kernel takes it in the chain PREROUTING, and in chains that are reached from there. */
export interface RpfilterOptions {
  /** An answer may leave by any interface. */
  readonly loose?: boolean
  /** The route is looked up with the mark of the packet. */
  readonly validMark?: boolean
  /** Packets from an address of this machine pass too. */
  readonly acceptLocal?: boolean
  /** Matches the packets that fail the test, not those that pass. */
  readonly invert?: boolean
}

const FLAGS = { loose: 1, validMark: 2, acceptLocal: 4, invert: 8 } as const
const NAMES = Object.keys(FLAGS) as (keyof typeof FLAGS)[]
const PRINTED = { loose: '--loose', validMark: '--validmark', acceptLocal: '--accept-local', invert: '--invert' } as const

const INFO = struct(1, { flags: u8(0) })

const common: Omit<MatchDefinition<'rpfilter', RpfilterOptions, Drafted<RpfilterOptions>>, 'families' | 'module'> = {
  name: 'rpfilter',
  revision: 0,
  tables: ['raw', 'mangle'],
  size: INFO.size,
  fields: NAMES,
  encode: (options) => INFO.write({ flags: flagBits(FLAGS, options) }),
  decode: (info) => {
    const read = INFO.read(info)
    if (read === undefined) return undefined
    const flag = (name: keyof typeof FLAGS): true | undefined => flagFrom(read.flags, FLAGS[name])
    return present<RpfilterOptions>({
      loose: flag('loose'),
      validMark: flag('validMark'),
      acceptLocal: flag('acceptLocal'),
      invert: flag('invert')
    })
  },
  print: (options) => NAMES.flatMap((name) => printFlag(PRINTED[name], options[name])),
  draft: () => ({}),
  options: {
    '--loose': flagOption('loose'),
    '--validmark': flagOption('validMark'),
    '--accept-local': flagOption('acceptLocal'),
    '--invert': flagOption('invert')
  },
  finish: (draft) => draft
}

/** The match of IPv4. */
export const RPFILTER_IP_0 = match<'rpfilter', RpfilterOptions>({ ...common, families: ['ip'], module: 'ipt_rpfilter' })

/** The match of IPv6. */
export const RPFILTER_IP6_0 = match<'rpfilter', RpfilterOptions>({ ...common, families: ['ip6'], module: 'ip6t_rpfilter' })
