/**
 * The target TCPMSS: the largest segment that connections of TCP agree on. net/netfilter/xt_TCPMSS.c, include/uapi/linux/netfilter/xt_TCPMSS.h, iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { IPPROTO } from '../../../core/protocols.js'
import type { IptablesFamily } from '../../types.js'
import { extension } from '../extension.js'
import { struct, u16 } from '../layout.js'
import { codec } from './codec.js'
import { note, requireNumber, type Draft } from './words.js'

/** The rule must ask for the protocol tcp, and should for packets with the flag SYN, which alone have the option. */
export interface TcpmssOptions {
  /**
   * Bytes of a segment, 0–65515 for IPv4 and 0–65495 for IPv6; or `clamp-to-pmtu`: as many as the path takes, at most; in the chains FORWARD, OUTPUT and POSTROUTING
   * only, and those that they alone call.
   */
  readonly mss: number | 'clamp-to-pmtu'
}

/** XT_TCPMSS_CLAMP_PMTU. */
const CLAMP = 0xffff

function revision(family: IptablesFamily, headerBytes: number) {
  const max = 0xffff - headerBytes
  return extension<TcpmssOptions, Draft<TcpmssOptions>, 'TCPMSS'>({
    kind: 'target',
    name: 'TCPMSS',
    revision: 0,
    families: [family],
    protocols: [IPPROTO.tcp],
    module: 'xt_TCPMSS',
    ...codec<TcpmssOptions, { readonly mss: number }>({
      layout: struct(2, { mss: u16(0) }),
      names: ['mss'],
      toValues: ({ mss }) => ({ mss: mss === 'clamp-to-pmtu' ? CLAMP : requireInteger('mss', mss, 0, max) }),
      toOptions: ({ mss }) => ({ mss: mss === CLAMP ? 'clamp-to-pmtu' : mss })
    }),
    print: ({ mss }) => (mss === 'clamp-to-pmtu' ? ['--clamp-mss-to-pmtu'] : ['--set-mss', `${mss}`]),
    draft: () => ({}),
    options: {
      '--set-mss': { values: 1, read: (draft, [word = ''], place) => note(draft, 'mss', requireNumber(word, 0, max, place), place) },
      '--clamp-mss-to-pmtu': { values: 0, read: (draft, _values, place) => note(draft, 'mss', 'clamp-to-pmtu', place) }
    },
    finish: ({ mss }, _context, fail) => (mss === undefined ? fail('--set-mss or --clamp-mss-to-pmtu') : { mss })
  })
}

/** One revision; the families differ in the largest segment. */
export const TCPMSS = [revision('ip', 20), revision('ip6', 40)] as const
