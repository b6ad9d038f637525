/**
 * The target DSCP: the differentiated services field. net/netfilter/xt_DSCP.c, include/uapi/linux/netfilter/xt_DSCP.h, iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { extension } from '../extension.js'
import { struct, u8 } from '../layout.js'
import { codec } from './codec.js'
import { hex, note, requireNumber, type Draft } from './words.js'

/** What the field becomes. */
export interface DscpOptions {
  /** 0–63. */
  readonly dscp: number
}

/** Classes and their numbers, as IANA registers them. */
const CLASSES: Readonly<Record<string, number>> = {
  BE: 0,
  EF: 0x2e,
  ...Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`CS${index}`, 8 * index])),
  ...Object.fromEntries([1, 2, 3, 4].flatMap((group) => [1, 2, 3].map((drop) => [`AF${group}${drop}`, 8 * group + 2 * drop])))
}

const MAX = 63

/** Its one revision. */
export const DSCP = [
  extension<DscpOptions, Draft<DscpOptions>, 'DSCP'>({
    kind: 'target',
    name: 'DSCP',
    revision: 0,
    families: ['ip', 'ip6'],
    tables: ['mangle'],
    module: 'xt_DSCP',
    ...codec<DscpOptions, { readonly dscp: number }>({
      layout: struct(1, { dscp: u8(0) }),
      names: ['dscp'],
      toValues: ({ dscp }) => ({ dscp: requireInteger('dscp', dscp, 0, MAX) }),
      toOptions: (values) => values
    }),
    print: ({ dscp }) => ['--set-dscp', hex(dscp, 2)],
    draft: () => ({}),
    options: {
      '--set-dscp': { values: 1, read: (draft, [word = ''], place) => note(draft, 'dscp', requireNumber(word, 0, MAX, place), place) },
      '--set-dscp-class': {
        values: 1,
        read: (draft, [word = ''], place) => {
          const name = word.toUpperCase()
          const dscp = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined
          note(draft, 'dscp', dscp ?? place.fail(`a class: ${Object.keys(CLASSES).join(', ')}`, 0), place)
        }
      }
    },
    finish: ({ dscp }, _context, fail) => (dscp === undefined ? fail('--set-dscp or --set-dscp-class') : { dscp })
  })
] as const
