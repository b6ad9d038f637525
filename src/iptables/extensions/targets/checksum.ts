/**
 * The target CHECKSUM: the checksum is made here, not by the network card. net/netfilter/xt_CHECKSUM.c, include/uapi/linux/netfilter/xt_CHECKSUM.h, iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { extension } from '../extension.js'
import { struct, u8 } from '../layout.js'
import { codec } from './codec.js'
import { flagOption } from '../words.js'

/** What is done with the checksum. */
export interface ChecksumOptions {
  /** It is filled in. The kernel knows nothing else to do. */
  readonly fill: true
}

/** XT_CHECKSUM_OP_FILL. */
const FILL = 1

/** Its one revision. */
export const CHECKSUM = [
  extension<ChecksumOptions, { fill?: boolean }, 'CHECKSUM'>({
    kind: 'target',
    name: 'CHECKSUM',
    revision: 0,
    families: ['ip', 'ip6'],
    tables: ['mangle'],
    module: 'xt_CHECKSUM',
    ...codec<ChecksumOptions, { readonly operation: number }>({
      layout: struct(1, { operation: u8(0) }),
      names: ['fill'],
      toValues: ({ fill }) => {
        if ((fill as unknown) !== true) throw new ValidationError('fill', fill, 'true')
        return { operation: FILL }
      },
      toOptions: () => ({ fill: true })
    }),
    print: () => ['--checksum-fill'],
    draft: () => ({}),
    options: { '--checksum-fill': flagOption('fill') },
    finish: ({ fill }, _context, fail) => (fill === true ? { fill } : fail('--checksum-fill'))
  })
] as const
