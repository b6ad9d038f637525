/**
 * A rule while its expressions are read.
 */
import type { CompareExpression, CompareOperator } from '../../nftables/expressions.js'
import type { Invertible } from '../extensions/invertible.js'
import type { IptablesFamily, OpaqueExtension } from '../types.js'
import type { MaskedAddress } from './addresses.js'
import { NO_COUNTERS, type RuleForm } from './form.js'
import { ForeignRule, type Loaded } from './registers.js'
import { tcpLayout, udpLayout } from './structures.js'

/** Ports of a match `tcp` or `udp`, and what else it asks, until the rule is read to its end: expressions of one rule add to one match. */
export interface PortMatch {
  readonly name: 'tcp' | 'udp'
  sourcePorts: [number, number]
  destinationPorts: [number, number]
  inverted: number
  flagMask: number
  flags: number
}

/** What is known so far. */
export class Reading {
  readonly family: IptablesFamily
  inInterface: Invertible<string> | undefined
  outInterface: Invertible<string> | undefined
  source: Invertible<MaskedAddress> | undefined
  destination: Invertible<MaskedAddress> | undefined
  protocol: { readonly number: number; readonly isInverted: boolean } | undefined
  fragment: boolean | undefined
  target: RuleForm['target']
  counters = NO_COUNTERS
  readonly #matches: (OpaqueExtension | PortMatch)[] = []

  constructor(family: IptablesFamily) {
    this.family = family
  }

  /** Adds a match. */
  add(match: OpaqueExtension): void {
    this.#matches.push(match)
  }

  /** The match of ports, which is made when it is asked for first. @throws {ForeignRule} The rule asks for no protocol with ports. */
  ports(): PortMatch {
    const number = this.protocol?.isInverted === false ? this.protocol.number : undefined
    const name = number === 6 ? 'tcp' : number === 17 ? 'udp' : undefined
    if (name === undefined) throw new ForeignRule('bytes of a transport header without a protocol that iptables reads there')
    const found = this.#matches.find((match): match is PortMatch => 'flagMask' in match)
    if (found !== undefined) return found
    const made: PortMatch = { name, sourcePorts: [0, 0xffff], destinationPorts: [0, 0xffff], inverted: 0, flagMask: 0, flags: 0 }
    this.#matches.push(made)
    return made
  }

  /** Sets the target. @throws {ForeignRule} There is one already. */
  setTarget(target: RuleForm['target']): void {
    if (this.target !== undefined) throw new ForeignRule('more than one target')
    this.target = target
  }

  /** The rule. */
  finish(): RuleForm {
    const { inInterface, outInterface, source, destination, fragment, target, counters } = this
    const protocol = this.protocol?.isInverted === true ? { not: this.protocol.number } : this.protocol?.number
    const matches = this.#matches.map((match) => ('flagMask' in match ? portMatch(match) : match))
    return { inInterface, outInterface, source, destination, protocol, fragment, matches, target, counters }
  }
}

function portMatch(match: PortMatch): OpaqueExtension {
  const { name } = match
  return { name, revision: 0, info: name === 'tcp' ? tcpLayout.write(match) : udpLayout.write(match) }
}

/** What a comparison compares. */
export interface Comparison {
  readonly loaded: Loaded
  readonly op: CompareOperator
  readonly data: Uint8Array
}

/** Puts an expression and its register together. */
export function comparison(loaded: Loaded, { op, data }: CompareExpression): Comparison {
  return { loaded, op, data }
}

/** Whether a comparison is for all but a value. @throws {ForeignRule} It is for another order than equality. */
export function isInverted({ op }: Comparison, what: string): boolean {
  if (op === 'eq') return false
  if (op === 'neq') return true
  throw new ForeignRule(`${what} compared by ${op}`)
}
