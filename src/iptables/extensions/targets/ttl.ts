/**
 * The targets TTL (IPv4) and HL (IPv6): how many hops the packet has left. net/netfilter/xt_HL.c, ipt_TTL.h and ip6t_HL.h of include/uapi/linux, iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import type { IptablesFamily } from '../../types.js'
import { extension, type OptionReader } from '../extension.js'
import { struct, u8 } from '../layout.js'
import { codec } from './codec.js'
import { note, requireNumber, type Draft } from './words.js'

/** What becomes of the number of hops. */
export interface HopsTargetOptions {
  readonly mode: 'set' | 'increment' | 'decrement'
  /** 0–255 for `set`, else 1–255. */
  readonly value: number
}

/** IPT_TTL_* and IP6T_HL_*. */
const MODES = ['set', 'increment', 'decrement'] as const

/** The last words of the options. */
const WORDS = { set: 'set', increment: 'inc', decrement: 'dec' } as const

function leastOf(mode: HopsTargetOptions['mode']): number {
  return mode === 'set' ? 0 : 1
}

function revision<const Name extends 'TTL' | 'HL'>(name: Name, family: IptablesFamily) {
  const prefix = `--${name.toLowerCase()}`
  const reader = (mode: HopsTargetOptions['mode']): OptionReader<Draft<HopsTargetOptions>> => ({
    values: 1,
    read: (draft, [word = ''], place) => {
      note(draft, 'value', requireNumber(word, leastOf(mode), 0xff, place), place)
      draft.mode = mode
    }
  })
  return extension<HopsTargetOptions, Draft<HopsTargetOptions>, Name>({
    kind: 'target',
    name,
    revision: 0,
    families: [family],
    tables: ['mangle'],
    module: 'xt_HL',
    ...codec<HopsTargetOptions, { readonly mode: number; readonly value: number }>({
      layout: struct(2, { mode: u8(0), value: u8(1) }),
      names: ['mode', 'value'],
      toValues: ({ mode, value }) => {
        if (!MODES.includes(mode)) throw new ValidationError('mode', mode, MODES.join(', '))
        return { mode: MODES.indexOf(mode), value: requireInteger('value', value, leastOf(mode), 0xff) }
      },
      toOptions: ({ mode, value }) => {
        const named = MODES[mode]
        return named && { mode: named, value }
      }
    }),
    print: ({ mode, value }) => [`${prefix}-${WORDS[mode]}`, `${value}`],
    draft: () => ({}),
    options: Object.fromEntries(MODES.map((mode) => [`${prefix}-${WORDS[mode]}`, reader(mode)])),
    finish: ({ mode, value }, _context, fail) =>
      mode === undefined || value === undefined
        ? fail(`one of ${MODES.map((each) => `${prefix}-${WORDS[each]}`).join(', ')}`)
        : { mode, value }
  })
}

/** Its one revision, of IPv4. */
export const TTL = [revision('TTL', 'ip')] as const

/** Its one revision, of IPv6. */
export const HL = [revision('HL', 'ip6')] as const
