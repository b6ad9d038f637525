/**
 * The target CONNSECMARK: security marks go from packets to connections and back. net/netfilter/xt_CONNSECMARK.c, include/uapi/linux/netfilter/xt_CONNSECMARK.h,
 * iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { extension, type OptionReader } from '../extension.js'
import { struct, u8 } from '../layout.js'
import { codec } from './codec.js'
import { note, type Draft } from './words.js'

/** Which way the mark goes. */
export interface ConnsecmarkOptions {
  /** `save`: from the packet to its connection; `restore`: from the connection to the packet. */
  readonly mode: 'save' | 'restore'
}

/** CONNSECMARK_SAVE and CONNSECMARK_RESTORE, less 1. */
const MODES = ['save', 'restore'] as const

function modeOption(mode: ConnsecmarkOptions['mode']): OptionReader<Draft<ConnsecmarkOptions>> {
  return { values: 0, read: (draft, _values, place) => note(draft, 'mode', mode, place) }
}

/** Its one revision. */
export const CONNSECMARK = [
  extension<ConnsecmarkOptions, Draft<ConnsecmarkOptions>, 'CONNSECMARK'>({
    kind: 'target',
    name: 'CONNSECMARK',
    revision: 0,
    families: ['ip', 'ip6'],
    tables: ['mangle', 'security'],
    module: 'xt_CONNSECMARK',
    ...codec<ConnsecmarkOptions, { readonly mode: number }>({
      layout: struct(1, { mode: u8(0) }),
      names: ['mode'],
      toValues: ({ mode }) => {
        if (!MODES.includes(mode)) throw new ValidationError('mode', mode, MODES.join(', '))
        return { mode: MODES.indexOf(mode) + 1 }
      },
      toOptions: (values) => {
        const mode = MODES[values.mode - 1]
        return mode && { mode }
      }
    }),
    print: ({ mode }) => [`--${mode}`],
    draft: () => ({}),
    options: { '--save': modeOption('save'), '--restore': modeOption('restore') },
    finish: ({ mode }, _context, fail) => (mode === undefined ? fail('--save or --restore') : { mode })
  })
] as const
