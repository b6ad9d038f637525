/**
 * The target LOG: the packet's headers go to the kernel's log. net/netfilter/xt_LOG.c, include/uapi/linux/netfilter/xt_LOG.h, iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { extension, type OptionReader } from '../extension.js'
import { struct, text, u8 } from '../layout.js'
import { flagBits, present } from '../flags.js'
import { requireName } from '../names.js'
import { flagOption, readInteger, textWord, valueOption } from '../words.js'
import { codec } from './codec.js'
import { note, type Draft } from './words.js'

/** The levels of the kernel's log, from 0 on, in the words of iptables. */
const LEVELS = ['emerg', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug'] as const

/** A level of the kernel's log. */
export type LogTargetLevel = (typeof LEVELS)[number]

/** The level that iptables does not print. */
const USUAL_LEVEL = 4

/** XT_LOG_*. */
const FLAGS = { tcpSequence: 1, tcpOptions: 2, ipOptions: 4, uid: 8, macDecode: 32 } as const

/** What is logged, and how. */
export interface LogTargetOptions {
  /** Stands before each entry; 1–29 bytes without line ends. */
  readonly prefix?: string
  /** Default: `warning`. */
  readonly level?: LogTargetLevel
  /** Sequence numbers of TCP are logged too. */
  readonly tcpSequence?: boolean
  /** Options of TCP headers are logged too. */
  readonly tcpOptions?: boolean
  /** Options of IP headers are logged too. */
  readonly ipOptions?: boolean
  /** The user whose socket sent the packet is logged too. */
  readonly uid?: boolean
  /** The addresses of Ethernet are logged one by one. */
  readonly macDecode?: boolean
}

/** The options of the command line that are flags, in the order of iptables-save. */
const FLAG_OPTIONS = {
  tcpSequence: '--log-tcp-sequence',
  tcpOptions: '--log-tcp-options',
  ipOptions: '--log-ip-options',
  uid: '--log-uid',
  macDecode: '--log-macdecode'
} as const

const FLAG_NAMES = Object.keys(FLAG_OPTIONS) as (keyof typeof FLAG_OPTIONS)[]

const MAX_PREFIX = 29

const levelOption: OptionReader<Draft<LogTargetOptions>> = {
  values: 1,
  read: (draft, [word = ''], place) => {
    const level = LEVELS[readInteger(word, 0, LEVELS.length - 1) ?? LEVELS.indexOf((word === 'panic' ? 'emerg' : word) as LogTargetLevel)]
    note(draft, 'level', level ?? place.fail(`a level from 0 to 7: ${LEVELS.join(', ')}`, 0), place)
  }
}

/** Its one revision. */
export const LOG = [
  extension<LogTargetOptions, Draft<LogTargetOptions>, 'LOG'>({
    kind: 'target',
    name: 'LOG',
    revision: 0,
    families: ['ip', 'ip6'],
    module: 'xt_LOG',
    ...codec<LogTargetOptions, { readonly level: number; readonly flags: number; readonly prefix: string }>({
      layout: struct(32, { level: u8(0), flags: u8(1), prefix: text(2, MAX_PREFIX + 1) }),
      names: ['prefix', 'level', ...FLAG_NAMES],
      toValues: (options) => {
        const { prefix, level = 'warning' } = options
        if (!LEVELS.includes(level)) throw new ValidationError('level', level, LEVELS.join(', '))
        return {
          level: LEVELS.indexOf(level),
          flags: flagBits(FLAGS, options),
          prefix: prefix === undefined ? '' : requireName('prefix', prefix, MAX_PREFIX)
        }
      },
      toOptions: ({ prefix, level, flags }) =>
        present({
          prefix: prefix === '' ? undefined : prefix,
          level: level === USUAL_LEVEL ? undefined : LEVELS[level],
          ...Object.fromEntries(FLAG_NAMES.filter((name) => (flags & FLAGS[name]) !== 0).map((name) => [name, true]))
        })
    }),
    print: (options) => {
      const { prefix, level = 'warning' } = options
      return [
        ...(prefix === undefined ? [] : ['--log-prefix', prefix]),
        ...(level === 'warning' ? [] : ['--log-level', `${LEVELS.indexOf(level)}`]),
        ...FLAG_NAMES.filter((name) => options[name] === true).map((name) => FLAG_OPTIONS[name])
      ]
    },
    quoted: ['--log-prefix'],
    draft: () => ({}),
    options: {
      '--log-level': levelOption,
      '--log-prefix': valueOption('prefix', textWord(MAX_PREFIX)),
      '--log-tcp-sequence': flagOption('tcpSequence'),
      '--log-tcp-options': flagOption('tcpOptions'),
      '--log-ip-options': flagOption('ipOptions'),
      '--log-uid': flagOption('uid'),
      '--log-macdecode': flagOption('macDecode')
    },
    finish: (draft) => draft
  })
] as const
