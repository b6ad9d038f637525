/**
 * The target TOS: bits of the field for the type of service (IPv4) or the traffic class (IPv6). net/netfilter/xt_DSCP.c, include/uapi/linux/netfilter/xt_DSCP.h,
 * iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { extension, type OptionReader } from '../extension.js'
import { struct, u8 } from '../layout.js'
import { codec } from './codec.js'
import { readInteger } from '../words.js'
import { hex, note, requireNumber, type Draft } from './words.js'

/** The field becomes `(old & ~mask) ^ value`. */
export interface TosOptions {
  /** 0–255. */
  readonly value: number
  /** 0–255. Default: all bits. */
  readonly mask?: number
}

/** IPTOS_* of include/uapi/linux/ip.h, by the words of iptables in lower case; they leave two bits as they are. */
const NAMES: Readonly<Record<string, number>> = {
  'minimize-delay': 16,
  'maximize-throughput': 8,
  'maximize-reliability': 4,
  'minimize-cost': 2,
  'normal-service': 0
}
const NAME_MASK = 0x3f

const ALLOWED = `a number from 0 to 255, a number and a mask, or one of ${Object.keys(NAMES).join(', ')}`

function readTos(word: string): Required<TosOptions> | undefined {
  const named = Object.hasOwn(NAMES, word.toLowerCase()) ? NAMES[word.toLowerCase()] : undefined
  if (named !== undefined) return { value: named, mask: NAME_MASK }
  const [value, mask = 0xff, ...more] = word.split('/').map((part) => readInteger(part, 0, 0xff) ?? Number.NaN)
  return value === undefined || Number.isNaN(value + mask) || more.length > 0 ? undefined : { value, mask }
}

/** An option with a number of which a value and a mask are made. */
function bitsOption(toTos: (number: number) => Required<TosOptions>): OptionReader<Draft<TosOptions>> {
  return {
    values: 1,
    read: (draft, [word = ''], place) => {
      const { value, mask } = toTos(requireNumber(word, 0, 0xff, place))
      note(draft, 'value', value, place)
      draft.mask = mask
    }
  }
}

/** The revision that kernels have: the first one was removed in Linux 3.2. */
export const TOS = [
  extension<TosOptions, Draft<TosOptions>, 'TOS'>({
    kind: 'target',
    name: 'TOS',
    revision: 1,
    families: ['ip', 'ip6'],
    tables: ['mangle'],
    module: 'xt_DSCP',
    ...codec<TosOptions, { readonly value: number; readonly mask: number }>({
      layout: struct(2, { value: u8(0), mask: u8(1) }),
      names: ['value', 'mask'],
      toValues: ({ value, mask = 0xff }) => ({
        value: requireInteger('value', value, 0, 0xff),
        mask: requireInteger('mask', mask, 0, 0xff)
      }),
      toOptions: (values) => values
    }),
    print: ({ value, mask = 0xff }) => ['--set-tos', `${hex(value, 2)}/${hex(mask, 2)}`],
    draft: () => ({}),
    options: {
      '--set-tos': {
        values: 1,
        read: (draft, [word = ''], place) => {
          const { value, mask } = readTos(word) ?? place.fail(ALLOWED, 0)
          note(draft, 'value', value, place)
          draft.mask = mask
        }
      },
      '--and-tos': bitsOption((number) => ({ value: 0, mask: ~number & 0xff })),
      '--or-tos': bitsOption((number) => ({ value: number, mask: number })),
      '--xor-tos': bitsOption((number) => ({ value: number, mask: 0 }))
    },
    finish: ({ value, ...mask }, _context, fail) =>
      value === undefined ? fail('one of --set-tos, --and-tos, --or-tos, --xor-tos') : { value, ...mask }
  })
] as const
