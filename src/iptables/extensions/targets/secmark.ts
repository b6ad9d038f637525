/**
 * The target SECMARK: the security mark of packets, by a context of SELinux. net/netfilter/xt_SECMARK.c, include/uapi/linux/netfilter/xt_SECMARK.h,
 * iptables-extensions(8).
 */
import { extension } from '../extension.js'
import { struct, text, u8, type Struct } from '../layout.js'
import { requireName } from '../names.js'
import { textWord, valueOption } from '../words.js'
import { codec } from './codec.js'
import type { Draft } from './words.js'

/** Which mark. */
export interface SecmarkOptions {
  /** `system_u:object_r:firewalld_exec_t:s0`; 1–255 bytes. The policy that the kernel has loaded must know it. */
  readonly context: string
}

const MAX_CONTEXT = 255

/** SECMARK_MODE_SEL: the only kind of marks. */
const SELINUX = 1

interface Values {
  readonly mode: number
  readonly context: string
}

/** @param secid Where the kernel keeps the number of the mark. */
function revision(number: number, layout: Struct<Values>, secid: number) {
  return extension<SecmarkOptions, Draft<SecmarkOptions>, 'SECMARK'>({
    kind: 'target',
    name: 'SECMARK',
    revision: number,
    families: ['ip', 'ip6'],
    tables: ['mangle', 'security'],
    module: 'xt_SECMARK',
    kernelBytes: [[secid, 4]],
    ...codec<SecmarkOptions, Values>({
      layout,
      names: ['context'],
      toValues: ({ context }) => ({ mode: SELINUX, context: requireName('context', context, MAX_CONTEXT) }),
      toOptions: ({ context }) => ({ context })
    }),
    print: ({ context }) => ['--selctx', context],
    draft: () => ({}),
    options: { '--selctx': valueOption('context', textWord(MAX_CONTEXT)) },
    finish: ({ context }, _context, fail) => (context === undefined ? fail('--selctx') : { context })
  })
}

/** Its revisions; the second came with Linux 5.13. iptables writes the last one that the kernel has. */
export const SECMARK = [
  revision(0, struct(264, { mode: u8(0), context: text(8, MAX_CONTEXT + 1) }), 4),
  revision(1, struct(264, { mode: u8(0), context: text(1, MAX_CONTEXT + 1) }), 260)
] as const
