/**
 * `owner`: who made the socket that the packet leaves by. Source: include/uapi/linux/netfilter/xt_owner.h, iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { askedBits, askedFrom, flagBits, flagFrom, present, requireAsked, valueOf } from '../flags.js'
import type { Invertible } from '../invertible.js'
import { struct, u32, u8 } from '../layout.js'
import { rangeOf, rangeWord, requireRange, type NumberRange } from '../ranges.js'
import { flagOption, invertibleFlag, invertibleOption, printFlag, printOption, type Word } from '../words.js'
import { match, type Drafted } from './match.js'

/** Options of the match `owner`, at least one; the kernel takes it in the chains OUTPUT and POSTROUTING, and in chains that are reached from there. */
export interface OwnerOptions {
  /** Whether a socket is there at all. */
  readonly socketExists?: Invertible<true>
  /** Number of the user, or a range, in the user namespace of the rule's network namespace. */
  readonly user?: Invertible<NumberRange>
  /** Number of the group, or a range. */
  readonly group?: Invertible<NumberRange>
  /** Asks about the supplementary groups of the user too; with `group`, since Linux 5.3. */
  readonly supplementaryGroups?: boolean
}

const ASKED = { user: 1, group: 2, socketExists: 4 } as const
const SUPPLEMENTARY = { supplementaryGroups: 8 } as const

/** The greatest number of a user or group: -1 stands for none. */
const MAX_ID = 0xffff_fffe

const INFO = struct(20, { userMin: u32(0), userMax: u32(4), groupMin: u32(8), groupMax: u32(12), asked: u8(16), inverted: u8(17) })

const ID: Word<NumberRange> = {
  ...rangeWord({ max: MAX_ID, separator: '-', separators: /[-:]/ }),
  allowed: `a number from 0 to ${MAX_ID}, or a range FIRST-LAST; names are not looked up`
}

/** The match. */
export const OWNER_1 = match<'owner', OwnerOptions>({
  name: 'owner',
  revision: 1,
  families: ['ip', 'ip6'],
  module: 'xt_owner',
  size: INFO.size,
  fields: ['socketExists', 'user', 'group', 'supplementaryGroups'],
  encode: (options) => {
    const { asked, inverted } = askedBits(ASKED, options)
    if (asked === 0) throw new ValidationError('user', undefined, 'at least one of user, group and socketExists')
    requireAsked('socketExists', options.socketExists)
    const user = valueOf(options.user, (range) => requireRange('user', range, MAX_ID))
    const group = valueOf(options.group, (range) => requireRange('group', range, MAX_ID))
    const supplementary = flagBits(SUPPLEMENTARY, options)
    if (supplementary !== 0 && group === undefined) throw new ValidationError('supplementaryGroups', true, 'nothing without group')
    return INFO.write({
      userMin: user?.[0],
      userMax: user?.[1],
      groupMin: group?.[0],
      groupMax: group?.[1],
      asked: asked | supplementary,
      inverted
    })
  },
  decode: (info) => {
    const read = INFO.read(info)
    if (read === undefined) return undefined
    const asked = askedFrom(read.asked, read.inverted)
    return present<OwnerOptions>({
      socketExists: asked(ASKED.socketExists, true as const),
      user: asked(ASKED.user, rangeOf(read.userMin, read.userMax)),
      group: asked(ASKED.group, rangeOf(read.groupMin, read.groupMax)),
      supplementaryGroups: flagFrom(read.asked, SUPPLEMENTARY.supplementaryGroups)
    })
  },
  print: ({ socketExists, user, group, supplementaryGroups }) => [
    ...printFlag('--socket-exists', socketExists),
    ...printOption('--uid-owner', user, ID),
    ...printOption('--gid-owner', group, ID),
    ...printFlag('--suppl-groups', supplementaryGroups)
  ],
  draft: (): Drafted<OwnerOptions> => ({}),
  options: {
    '--uid-owner': invertibleOption('user', ID),
    '--gid-owner': invertibleOption('group', ID),
    '--socket-exists': invertibleFlag('socketExists'),
    '--suppl-groups': flagOption('supplementaryGroups')
  },
  finish: (draft, _, fail) => {
    if (draft.supplementaryGroups && draft.group === undefined) fail('--gid-owner beside --suppl-groups')
    return Object.keys(draft).length === 0 ? fail('--uid-owner, --gid-owner or --socket-exists') : draft
  }
})
