/**
 * The target CLASSIFY: the class of traffic control that the packet goes to. net/netfilter/xt_CLASSIFY.c, include/uapi/linux/netfilter/xt_CLASSIFY.h,
 * iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { extension } from '../extension.js'
import { struct, u32 } from '../layout.js'
import { codec } from './codec.js'
import { note, type Draft } from './words.js'

/** The handle of a class, such as 1:10 in `tc`, whose numbers are hexadecimal. */
export interface ClassifyOptions {
  /** 0–65535. */
  readonly major: number
  /** 0–65535. */
  readonly minor: number
}

const HANDLE = /^(?:0[xX])?0*(?<major>[\da-fA-F]{1,4}):(?:0[xX])?0*(?<minor>[\da-fA-F]{1,4})$/

function readHandle(word: string): ClassifyOptions | undefined {
  const { major, minor } = HANDLE.exec(word)?.groups ?? {}
  return major === undefined || minor === undefined ? undefined : { major: Number.parseInt(major, 16), minor: Number.parseInt(minor, 16) }
}

function digits(value: number): string {
  return value.toString(16).padStart(4, '0')
}

/** Its one revision. */
export const CLASSIFY = [
  extension<ClassifyOptions, Draft<ClassifyOptions>, 'CLASSIFY'>({
    kind: 'target',
    name: 'CLASSIFY',
    revision: 0,
    families: ['ip', 'ip6'],
    module: 'xt_CLASSIFY',
    ...codec<ClassifyOptions, { readonly priority: number }>({
      layout: struct(4, { priority: u32(0) }),
      names: ['major', 'minor'],
      toValues: ({ major, minor }) => ({
        priority: requireInteger('major', major, 0, 0xffff) * 0x1_0000 + requireInteger('minor', minor, 0, 0xffff)
      }),
      toOptions: ({ priority }) => ({ major: priority >>> 16, minor: priority & 0xffff })
    }),
    print: ({ major, minor }) => ['--set-class', `${digits(major)}:${digits(minor)}`],
    draft: () => ({}),
    options: {
      '--set-class': {
        values: 1,
        read: (draft, [word = ''], place) => {
          const { major, minor } = readHandle(word) ?? place.fail('the handle of a class, in hexadecimal digits: 1:10', 0)
          note(draft, 'major', major, place)
          draft.minor = minor
        }
      }
    },
    finish: ({ major, minor }, _context, fail) => (major === undefined || minor === undefined ? fail('--set-class') : { major, minor })
  })
] as const
