/**
 * The target TPROXY: packets go to a socket of this machine as they are. net/netfilter/xt_TPROXY.c, include/uapi/linux/netfilter/xt_TPROXY.h, iptables-extensions(8).
 */
import { familyOf, requireAddress } from '../../../core/address.js'
import { requireInteger } from '../../../core/checks.js'
import { IPPROTO } from '../../../core/protocols.js'
import { ADDRESS, addressText } from '../addresses.js'
import { extension } from '../extension.js'
import { be16, bytes, struct, u32, type Struct } from '../layout.js'
import { MARK_WORD, markOf, requireMark, type MarkMatch } from '../marks.js'
import { MAX_PORT } from '../ranges.js'
import { integerWord, valueOption } from '../words.js'
import { codec } from './codec.js'
import { hex, type Draft } from './words.js'

/** Which socket; the rule must ask for the protocol tcp or udp. */
export interface TproxyOptions {
  /** Its port, 0–65535; 0: the one that the packet goes to. */
  readonly port: number
  /** Its address, of the rule's family. Default: any, the address of the interface that the packet came by. */
  readonly address?: string
  /** The packet's mark becomes it; with a mask, `(old & ~mask) ^ value`. Default: the mark stays as it is. */
  readonly mark?: MarkMatch
}

interface Values {
  readonly mask: number
  readonly mark: number
  readonly address: Uint8Array
  readonly port: number
}

/** All bits stay as they are. */
const NO_MARK: MarkMatch = { value: 0, mask: 0 }

function revision(number: number, families: readonly ('ip' | 'ip6')[], layout: Struct<Values>) {
  return extension<TproxyOptions, Draft<TproxyOptions>, 'TPROXY'>({
    kind: 'target',
    name: 'TPROXY',
    revision: number,
    families,
    tables: ['mangle'],
    protocols: [IPPROTO.tcp, IPPROTO.udp],
    module: 'xt_TPROXY',
    ...codec<TproxyOptions, Values>({
      layout,
      names: ['port', 'address', 'mark'],
      toValues: ({ port, address, mark = NO_MARK }, { family }) => {
        const { value, mask } = requireMark('mark', mark)
        return {
          mask,
          mark: value,
          address: address === undefined ? undefined : requireAddress('address', address, family),
          port: requireInteger('port', port, 0, MAX_PORT)
        }
      },
      toOptions: ({ mask, mark, address, port }, { family }) => ({
        port,
        ...(address.every((byte) => byte === 0) ? {} : { address: addressText(address, family) }),
        ...(mask === 0 && mark === 0 ? {} : { mark: markOf(mark, mask) })
      })
    }),
    print: ({ port, address, mark = NO_MARK }, { family }) => {
      const { value, mask } = requireMark('mark', mark)
      const shown = ADDRESS.print(address ?? (family === 'ip' ? '0.0.0.0' : '::'))
      return ['--on-port', `${port}`, '--on-ip', shown, '--tproxy-mark', `${hex(value)}/${hex(mask)}`]
    },
    draft: () => ({}),
    options: {
      '--on-port': valueOption('port', integerWord(0, MAX_PORT)),
      '--on-ip': valueOption('address', ADDRESS),
      '--tproxy-mark': valueOption('mark', MARK_WORD)
    },
    finish: ({ port, ...others }, { family }, fail) => {
      if (port === undefined) return fail('--on-port')
      const { address } = others
      if (address !== undefined && familyOf(address) !== family)
        return fail(`--on-ip with an address of ${family === 'ip' ? 'IPv4' : 'IPv6'}`)
      return { port, ...others }
    }
  })
}

/** Its revisions; iptables 1.8.9 writes the last one. */
export const TPROXY = [
  revision(0, ['ip'], struct(16, { mask: u32(0), mark: u32(4), address: bytes(8, 4), port: be16(12) })),
  revision(1, ['ip', 'ip6'], struct(28, { mask: u32(0), mark: u32(4), address: bytes(8, 16), port: be16(24) }))
] as const
