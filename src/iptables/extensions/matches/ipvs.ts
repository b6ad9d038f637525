/**
 * `ipvs`: the virtual service that a packet's connection belongs to. Source: include/uapi/linux/netfilter/xt_ipvs.h, include/uapi/linux/ip_vs.h, iptables-extensions(8).
 */
import { requireInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { inetAddress, MASKED_ADDRESS, maskedText, requireMasked } from '../addresses.js'
import { askedBits, askedFrom, present, requireAsked, valueOf } from '../flags.js'
import { splitInvertible, type Invertible } from '../invertible.js'
import { be16, struct, u8 } from '../layout.js'
import { PROTOCOL, protocolOf, requireProtocol, type MatchedProtocol } from '../protocol.js'
import { MAX_PORT } from '../ranges.js'
import { integerWord, invertibleFlag, invertibleOption, oneOfWord, printFlag, printOption, valueOption } from '../words.js'
import { match } from './match.js'

/** How IPVS sends packets on: by routing, in a tunnel, with translated addresses. */
export type IpvsMethod = 'GATE' | 'IPIP' | 'MASQ'

/** Options of the match `ipvs`, at least one. */
export interface IpvsOptions {
  /** The packet belongs to a connection of IPVS; the other options imply it, and it is shown only where it stands alone. */
  readonly ipvs?: Invertible<true>
  /** Protocol of the virtual service. */
  readonly protocol?: Invertible<MatchedProtocol>
  /** Address of the virtual service; it may have /LENGTH or /MASK. */
  readonly address?: Invertible<string>
  /** Port of the virtual service. */
  readonly port?: Invertible<number>
  /** Direction of the packet. */
  readonly direction?: 'ORIGINAL' | 'REPLY'
  readonly method?: Invertible<IpvsMethod>
  /** Port of the connection that controls this one, such as 21 of FTP. */
  readonly controlPort?: Invertible<number>
}

const IPVS = 1
const DIRECTION = 1 << 4
const ASKED = { ipvs: IPVS, protocol: 1 << 1, address: 1 << 2, port: 1 << 3, method: 1 << 5, controlPort: 1 << 6 } as const

/** IP_VS_CONN_F_*: the method of a connection. */
const METHODS: Readonly<Record<IpvsMethod, number>> = { MASQ: 0, IPIP: 2, GATE: 3 }
const METHOD_NAMES = Object.keys(METHODS) as IpvsMethod[]

const INFO = struct(40, {
  address: inetAddress(0),
  mask: inetAddress(16),
  port: be16(32),
  protocol: u8(34),
  method: u8(35),
  controlPort: be16(36),
  inverted: u8(38),
  asked: u8(39)
})

const PORT = integerWord(0, MAX_PORT)
const METHOD = oneOfWord(METHOD_NAMES)
const DIRECTION_WORD = oneOfWord(['ORIGINAL', 'REPLY'] as const)

function requireMethod(method: IpvsMethod): number {
  if (!Object.hasOwn(METHODS, method)) throw new ValidationError('method', method, METHOD.allowed)
  return METHODS[method]
}

/** The match. */
export const IPVS_0 = match<'ipvs', IpvsOptions>({
  name: 'ipvs',
  revision: 0,
  families: ['ip', 'ip6'],
  module: 'xt_ipvs',
  size: INFO.size,
  fields: ['ipvs', 'protocol', 'address', 'port', 'direction', 'method', 'controlPort'],
  encode: (options, { family }) => {
    const { direction } = options
    if (direction !== undefined && DIRECTION_WORD.read(direction) !== direction)
      throw new ValidationError('direction', direction, DIRECTION_WORD.allowed)
    requireAsked('ipvs', options.ipvs)
    const bits = askedBits(ASKED, options)
    const asked = bits.asked | (direction === undefined ? 0 : DIRECTION)
    if (asked === 0) throw new ValidationError('ipvs', undefined, 'at least one option of ipvs')
    if ((bits.inverted & IPVS) !== 0 && asked !== IPVS) throw new ValidationError('ipvs', options.ipvs, 'nothing else beside { not: true }')
    const masked = valueOf(options.address, (address) => requireMasked('address', address, family))
    return INFO.write({
      address: masked?.address,
      mask: masked?.mask,
      port: valueOf(options.port, (port) => requireInteger('port', port, 0, MAX_PORT)),
      protocol: valueOf(options.protocol, (protocol) => requireProtocol('protocol', protocol)),
      method: valueOf(options.method, requireMethod),
      controlPort: valueOf(options.controlPort, (port) => requireInteger('controlPort', port, 0, MAX_PORT)),
      inverted: bits.inverted | (direction === 'REPLY' ? DIRECTION : 0),
      asked: asked | IPVS
    })
  },
  decode: (info, { family }) => {
    const read = INFO.read(info)
    if (read === undefined) return undefined
    const asked = askedFrom(read.asked, read.inverted)
    const isReply = (read.inverted & DIRECTION) !== 0
    return present<IpvsOptions>({
      ipvs: read.asked === IPVS ? asked(IPVS, true as const) : undefined,
      protocol: asked(ASKED.protocol, protocolOf(read.protocol)),
      address: asked(ASKED.address, maskedText(read.address, read.mask, family)),
      port: asked(ASKED.port, read.port),
      direction: (read.asked & DIRECTION) === 0 ? undefined : isReply ? 'REPLY' : 'ORIGINAL',
      method: asked(
        ASKED.method,
        METHOD_NAMES.find((name) => METHODS[name] === read.method)
      ),
      controlPort: asked(ASKED.controlPort, read.controlPort)
    })
  },
  print: ({ ipvs, ...options }) => [
    ...(Object.keys(options).some((name) => name !== 'match') ? [] : printFlag('--ipvs', ipvs)),
    ...printOption('--vproto', options.protocol, PROTOCOL),
    ...printOption('--vaddr', options.address, MASKED_ADDRESS),
    ...printOption('--vport', options.port, PORT),
    ...printOption('--vdir', options.direction, DIRECTION_WORD),
    ...printOption('--vmethod', options.method, METHOD),
    ...printOption('--vportctl', options.controlPort, PORT)
  ],
  draft: () => ({}),
  options: {
    '--ipvs': invertibleFlag('ipvs'),
    '--vproto': invertibleOption('protocol', PROTOCOL),
    '--vaddr': invertibleOption('address', MASKED_ADDRESS),
    '--vport': invertibleOption('port', PORT),
    '--vdir': valueOption('direction', DIRECTION_WORD),
    '--vmethod': invertibleOption('method', METHOD),
    '--vportctl': invertibleOption('controlPort', PORT)
  },
  finish: (draft, _, fail) => {
    const names = Object.keys(draft)
    if (names.length === 0) fail('at least one option of ipvs')
    if (draft.ipvs !== undefined && splitInvertible(draft.ipvs).isInverted && names.length > 1) fail('nothing else beside ! --ipvs')
    return draft
  }
})
