/**
 * `state`: the older words for `conntrack --ctstate`. Since iptables 1.4.17 it is written as the kernel's match `conntrack` with a flag by which it is shown as `state` again.
 * Source: include/uapi/linux/netfilter/xt_state.h and xt_conntrack.h, iptables-extensions(8).
 */
import { ValidationError } from '../../../core/errors.js'
import { bitNames, type OneOrMore } from '../bits.js'
import type { ExtensionContext } from '../extension.js'
import { invertible, splitInvertible, type Invertible } from '../invertible.js'
import { struct, u32 } from '../layout.js'
import { invertibleOption, printOption } from '../words.js'
import { CONNECTION_STATES, CONNTRACK_INFO_3, STATE_ALIAS, type ConnectionState } from './conntrack.js'
import { match, type Drafted } from './match.js'

/** States that `state` knows: those of connections that are not translated too. */
export type PacketState = Exclude<ConnectionState, 'SNAT' | 'DNAT'>

/** Options of the match `state`. */
export interface StateOptions {
  readonly state: Invertible<OneOrMore<PacketState>>
}

/** XT_CONNTRACK_STATE. */
const STATE = 1

const STATES = bitNames<PacketState>({ INVALID: 1, NEW: 8, RELATED: 4, ESTABLISHED: 2, UNTRACKED: 0x100 }, { mayBeShort: true })

/** Bits of the match of revision 0; its inversion is all other bits. */
const OLD_STATES = bitNames<PacketState>({ INVALID: 1, NEW: 8, RELATED: 4, ESTABLISHED: 2, UNTRACKED: 0x40 })
const OLD = struct(4, { states: u32(0) })

const common = {
  families: ['ip', 'ip6'],
  fields: ['state'],
  draft: (): Drafted<StateOptions> => ({}),
  options: { '--state': invertibleOption('state', STATES) },
  finish: ({ state }: Drafted<StateOptions>, _: ExtensionContext, fail: (allowed: string) => never): StateOptions => ({
    state: state ?? fail('--state')
  })
} as const

/** As it is written: `conntrack` of revision 3. */
export const STATE_AS_CONNTRACK = {
  ...match<'conntrack', StateOptions>({
    ...common,
    name: 'conntrack',
    revision: 3,
    module: 'xt_conntrack',
    size: CONNTRACK_INFO_3.size,
    encode: ({ state }) => {
      const { value, isInverted } = splitInvertible(state)
      const mask = STATES.require('state', value)
      if (mask === 0) throw new ValidationError('state', state, STATES.allowed)
      return CONNTRACK_INFO_3.write({ state: mask, asked: STATE | STATE_ALIAS, inverted: isInverted ? STATE : 0 })
    },
    decode: (info) => {
      const read = CONNTRACK_INFO_3.read(info)
      const states = read?.asked === (STATE | STATE_ALIAS) ? CONNECTION_STATES.namesOf(read.state) : undefined
      return read && states && { state: invertible(states as OneOrMore<PacketState>, (read.inverted & STATE) !== 0) }
    },
    print: ({ state }) => printOption('--state', state, STATES)
  }),
  alias: 'state'
} as const

/** The match of its own, of revision 0, which iptables-save shows without an inversion: as all states but those. */
export const STATE_0 = match<'state', StateOptions>({
  ...common,
  name: 'state',
  revision: 0,
  module: 'xt_state',
  size: OLD.size,
  encode: ({ state }) => {
    const { value, isInverted } = splitInvertible(state)
    const mask = OLD_STATES.require('state', value)
    return OLD.write({ states: isInverted ? ~mask >>> 0 : mask })
  },
  decode: (info) => {
    const read = OLD.read(info)
    if (read === undefined) return undefined
    const direct = OLD_STATES.namesOf(read.states)
    const inverted = OLD_STATES.namesOf(~read.states)
    return direct ? { state: direct } : inverted && { state: { not: inverted } }
  },
  print: ({ state }) => {
    const { value, isInverted } = splitInvertible(state)
    const mask = OLD_STATES.require('state', value)
    const all = OLD_STATES.require('state', ['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED'])
    return ['--state', OLD_STATES.print(OLD_STATES.namesOf(isInverted ? all & ~mask : mask) ?? [])]
  }
})
