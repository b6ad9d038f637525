/**
 * `icmp` and `icmp6`: types and codes. Source: include/uapi/linux/netfilter_ipv4/ip_tables.h (struct ipt_icmp) and netfilter_ipv6/ip6_tables.h (struct ip6t_icmp),
 * iptables-extensions(8).
 */
import { IPPROTO } from '../../../core/protocols.js'
import { invertible, splitInvertible, type Invertible } from '../invertible.js'
import { struct, u8 } from '../layout.js'
import { invertibleOption, printOption, type Word } from '../words.js'
import { ICMP_NAMES, icmpTypes, ICMPV6_NAMES, type IcmpType, type IcmpTypes } from './icmp-types.js'
import { match, type Drafted, type MatchDefinition } from './match.js'

/** Options of the match `icmp`. */
export interface IcmpOptions {
  /** `echo-request`, `8` or `[3, 4]`. */
  readonly type: Invertible<IcmpType<keyof typeof ICMP_NAMES>>
}

/** Options of the match `icmp6`. */
export interface Icmp6Options {
  /** `packet-too-big`, `2` or `[1, 4]`. */
  readonly type: Invertible<IcmpType<keyof typeof ICMPV6_NAMES>>
}

interface TypeOptions<Name extends string> {
  readonly type: Invertible<IcmpType<Name>>
}

const INFO = struct(4, { type: u8(0), first: u8(1), last: u8(2), isInverted: u8(3) })

const ICMP_TYPES = icmpTypes(ICMP_NAMES)
const ICMPV6_TYPES = icmpTypes(ICMPV6_NAMES)

/** What stands for every type has a word of its own. */
const PRINTED: Pick<Word<IcmpType<keyof typeof ICMP_NAMES>>, 'print'> = {
  print: (type) => (ICMP_TYPES.require('type', type).join() === ICMP_NAMES.any.join() ? 'any' : ICMP_TYPES.print(type))
}

type Common<Name extends string> = Omit<
  MatchDefinition<string, TypeOptions<Name>, Drafted<TypeOptions<Name>>>,
  'name' | 'families' | 'protocols' | 'fields'
>

function typeMatch<Name extends string>(
  option: string,
  types: IcmpTypes<Name>,
  printed: Pick<Word<IcmpType<Name>>, 'print'>
): Common<Name> {
  return {
    revision: 0,
    module: 'xt_tcpudp',
    size: INFO.size,
    encode: (options) => {
      const { value, isInverted } = splitInvertible(options.type)
      const [type, first, last] = types.require('type', value)
      return INFO.write({ type, first, last, isInverted: Number(isInverted) })
    },
    decode: (info) => {
      const read = INFO.read(info)
      const type = read && types.typeOf([read.type, read.first, read.last])
      return type === undefined ? undefined : { type: invertible(type, read?.isInverted !== 0) }
    },
    print: ({ type }) => printOption(option, type, printed),
    draft: () => ({}),
    options: { [option]: invertibleOption('type', types) },
    finish: ({ type }, _, fail) => ({ type: type ?? fail(option) })
  }
}

/** The match of IPv4; before Linux 6.4 it was in ip_tables. */
export const ICMP_0 = match<'icmp', IcmpOptions>({
  ...typeMatch('--icmp-type', ICMP_TYPES, PRINTED),
  name: 'icmp',
  families: ['ip'],
  protocols: [IPPROTO.icmp],
  fields: ['type']
})

/** The match of IPv6; before Linux 6.4 it was in ip6_tables. */
export const ICMP6_0 = match<'icmp6', Icmp6Options>({
  ...typeMatch('--icmpv6-type', ICMPV6_TYPES, ICMPV6_TYPES),
  name: 'icmp6',
  families: ['ip6'],
  protocols: [IPPROTO.icmpv6],
  fields: ['type']
})
