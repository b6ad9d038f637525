/**
 * `mark` and `connmark`: the mark of the packet and that of its connection. Source: include/uapi/linux/netfilter/xt_mark.h and xt_connmark.h, iptables-extensions(8).
 */
import { invertible, splitInvertible, type Invertible } from '../invertible.js'
import { struct, u32, u8 } from '../layout.js'
import { MARK_WORD, markOf, requireMark, type MarkMatch } from '../marks.js'
import { invertibleOption, printOption } from '../words.js'
import { match, type Drafted, type MatchDefinition } from './match.js'

/** Options of the matches `mark` and `connmark`. */
export interface MarkOptions {
  readonly mark: Invertible<MarkMatch>
}

const INFO = struct(12, { value: u32(0), mask: u32(4), isInverted: u8(8) })

const common: Omit<MatchDefinition<string, MarkOptions, Drafted<MarkOptions>>, 'name' | 'module'> = {
  revision: 1,
  families: ['ip', 'ip6'],
  size: INFO.size,
  fields: ['mark'],
  encode: ({ mark }) => {
    const { value, isInverted } = splitInvertible(mark)
    return INFO.write({ ...requireMark('mark', value), isInverted: Number(isInverted) })
  },
  decode: (info) => {
    const read = INFO.read(info)
    return read && { mark: invertible(markOf(read.value, read.mask), read.isInverted !== 0) }
  },
  print: ({ mark }) => printOption('--mark', mark, MARK_WORD),
  draft: () => ({}),
  options: { '--mark': invertibleOption('mark', MARK_WORD) },
  finish: ({ mark }, _, fail) => ({ mark: mark ?? fail('--mark') })
}

/** The match of the packet's mark; iptables-nft writes it as native expressions. */
export const MARK_1 = match<'mark', MarkOptions>({ ...common, name: 'mark', module: 'xt_mark' })

/** The match of the connection's mark. */
export const CONNMARK_1 = match<'connmark', MarkOptions>({ ...common, name: 'connmark', module: 'xt_connmark' })
