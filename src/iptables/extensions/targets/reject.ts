/**
 * The target REJECT: the packet is dropped, and its sender told. net/ipv4/netfilter/ipt_REJECT.c, net/ipv6/netfilter/ip6t_REJECT.c, ipt_REJECT.h and ip6t_REJECT.h of
 * include/uapi/linux, iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { IPPROTO } from '../../../core/protocols.js'
import type { IptablesFamily } from '../../types.js'
import { extension } from '../extension.js'
import { struct, u32 } from '../layout.js'
import { codec } from './codec.js'
import { note, type Draft } from './words.js'

/** What the sender is told, by the words of iptables: the number of the structure, and a shorter word. */
type Answers = Readonly<Record<string, readonly [number: number, alias: string]>>

/** IPT_ICMP_* and IPT_TCP_RESET. */
const IP = {
  'icmp-net-unreachable': [0, 'net-unreach'],
  'icmp-host-unreachable': [1, 'host-unreach'],
  'icmp-proto-unreachable': [2, 'proto-unreach'],
  'icmp-port-unreachable': [3, 'port-unreach'],
  'icmp-net-prohibited': [5, 'net-prohib'],
  'icmp-host-prohibited': [6, 'host-prohib'],
  'tcp-reset': [7, 'tcp-rst'],
  'icmp-admin-prohibited': [8, 'admin-prohib']
} as const satisfies Answers

/** IP6T_ICMP6_* and IP6T_TCP_RESET. */
const IP6 = {
  'icmp6-no-route': [0, 'no-route'],
  'icmp6-adm-prohibited': [1, 'adm-prohibited'],
  'icmp6-addr-unreachable': [3, 'addr-unreach'],
  'icmp6-port-unreachable': [4, 'port-unreach'],
  'tcp-reset': [6, 'tcp-reset'],
  'icmp6-policy-fail': [7, 'policy-fail'],
  'icmp6-reject-route': [8, 'reject-route']
} as const satisfies Answers

/** What senders of IPv4 packets are told. */
export type RejectWith = keyof typeof IP
/** What senders of IPv6 packets are told. */
export type RejectWith6 = keyof typeof IP6

/** What the sender is told. */
export interface RejectOptions {
  /** Default: that the port is unreachable. Of IPv4 or IPv6 as the rule is. `tcp-reset`: the rule must ask for the protocol tcp. */
  readonly with?: RejectWith | RejectWith6
}

function revision(family: IptablesFamily, module: string, answers: Answers, usual: RejectWith | RejectWith6) {
  const names = Object.keys(answers) as (RejectWith | RejectWith6)[]
  return extension<RejectOptions, Draft<RejectOptions>, 'REJECT'>({
    kind: 'target',
    name: 'REJECT',
    revision: 0,
    families: [family],
    tables: ['filter'],
    module,
    ...codec<RejectOptions, { readonly with: number }>({
      layout: struct(4, { with: u32(0) }),
      names: ['with'],
      check: (options, { protocol }) => {
        if (options.with === 'tcp-reset' && protocol !== IPPROTO.tcp)
          throw new ValidationError('with', options.with, 'tcp-reset only where the rule asks for the protocol tcp')
      },
      toValues: ({ with: answer = usual }) => {
        const found = Object.hasOwn(answers, answer) ? answers[answer] : undefined
        if (found === undefined) throw new ValidationError('with', answer, names.join(', '))
        return { with: found[0] }
      },
      toOptions: (values) => {
        const name = names.find((each) => answers[each]![0] === values.with)
        return name && { with: name }
      }
    }),
    print: ({ with: answer = usual }) => ['--reject-with', answer],
    draft: () => ({}),
    options: {
      '--reject-with': {
        values: 1,
        read: (draft, [word = ''], place) => {
          const name = word === '' ? undefined : names.find((each) => beginsWith([each, answers[each]![1]], word.toLowerCase()))
          note(draft, 'with', name ?? place.fail(names.join(', '), 0), place)
        }
      }
    },
    finish: ({ with: answer = usual }, { protocol }, fail) => {
      if (answer === 'tcp-reset' && protocol !== IPPROTO.tcp) return fail('tcp-reset only where the rule asks for the protocol tcp')
      return { with: answer }
    }
  })
}

/** iptables takes the first answer that begins with the word. */
function beginsWith(names: readonly string[], word: string): boolean {
  return names.some((name) => name.startsWith(word))
}

/** One revision, of which each family has its own answers. */
export const REJECT = [
  revision('ip', 'ipt_REJECT', IP, 'icmp-port-unreachable'),
  revision('ip6', 'ip6t_REJECT', IP6, 'icmp6-port-unreachable')
] as const
