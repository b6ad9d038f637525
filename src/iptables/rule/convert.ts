/**
 * Rules in the caller's words, to and from the form that expressions are made of.
 */
import { isText, requireFields, requireKnown } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { ExtensionContext, SetNames } from '../extensions/extension.js'
import { invertible, splitInvertible, type Invertible } from '../extensions/invertible.js'
import { protocolText, requireProtocol } from '../protocols.js'
import type { IptablesFamily, IptablesTableName } from '../types.js'
import { formatMasked, maskLength, requireMasked, type MaskedAddress } from './addresses.js'
import { decodeExtension, encodeExtension, MAX_NAME_BYTES, type GivenExtension } from './extensions.js'
import { NO_COUNTERS, type RuleForm } from './form.js'
import {
  VERDICTS,
  type IptablesCounters,
  type IptablesMatch,
  type IptablesRule,
  type IptablesTarget,
  type IptablesVerdict
} from './model.js'
import { askedProtocol } from './write.js'

/** Where a rule stands. */
export interface IptablesContext {
  readonly family: IptablesFamily
  /** Absent: not known, as for a line that is read alone: what stands in the wrong table is not noticed then. */
  readonly table?: IptablesTableName | undefined
  /** Names of sets of ipset. Absent: a set that is listed is shown by its index. */
  readonly sets?: SetNames | undefined
}

const FIELDS = [
  'chain',
  'inInterface',
  'outInterface',
  'source',
  'destination',
  'protocol',
  'fragment',
  'matches',
  'target',
  'counters',
  // Of listed rules, which can be written again.
  'handle',
  'foreign'
]

/** IFNAMSIZ without the NUL. */
const MAX_LINK_BYTES = 15

const MAX_COUNTER = 2n ** 64n - 1n

/** The value of a field that may be inverted, checked. */
function convert<From, To>(
  path: string,
  given: Invertible<From> | undefined,
  check: (path: string, value: unknown) => To
): Invertible<To> | undefined {
  if (given === undefined) return undefined
  const { value, isInverted } = splitInvertible(given)
  return invertible(check(isInverted ? `${path}.not` : path, value), isInverted)
}

function requireLink(path: string, value: unknown): string {
  if (isText(value, MAX_LINK_BYTES) && value !== '') return value
  throw new ValidationError(path, value, `the name of a link, or its begin and +, of 1 to ${MAX_LINK_BYTES} bytes`)
}

function requireCount(path: string, value: unknown): bigint {
  if (typeof value === 'bigint' && value >= 0n && value <= MAX_COUNTER) return value
  throw new ValidationError(path, value, 'a bigint from 0n to 2n ** 64n - 1n')
}

/** Counters, checked. @throws {ValidationError} */
export function requireCounters(path: string, value: unknown): IptablesCounters {
  if (value === undefined) return NO_COUNTERS
  const { packets, bytes } = requireFields(path, value, '{ packets, bytes }')
  return { packets: requireCount(`${path}.packets`, packets), bytes: requireCount(`${path}.bytes`, bytes) }
}

/** The name of a chain. @throws {ValidationError} It is none that iptables takes. */
export function requireChainName(path: string, value: unknown): string {
  if (isText(value, MAX_NAME_BYTES) && value !== '' && !/^[-!]|\s/.test(value)) return value
  throw new ValidationError(path, value, `the name of a chain: 1 to ${MAX_NAME_BYTES} bytes without blanks, the first not - or !`)
}

function addressForm(path: string, given: IptablesRule['source'], { family }: IptablesContext): RuleForm['source'] {
  const form = convert<string, MaskedAddress>(path, given, (at, value) => requireMasked(at, value, family))
  if (form === undefined) return undefined
  const { value, isInverted } = splitInvertible(form)
  if (maskLength(value.mask) !== 0) return form
  if (isInverted) throw new ValidationError(path, given, 'addresses that some packet has')
  return undefined
}

function targetForm(target: IptablesTarget | undefined, context: ExtensionContext): RuleForm['target'] {
  if (target === undefined) return undefined
  if (typeof target === 'string') {
    if (VERDICTS.includes(target)) return target
    throw new ValidationError('target', target, `${VERDICTS.join(', ')}, { jump }, { goto } or { target }`)
  }
  const fields = requireFields('target', target, 'a verdict, { jump }, { goto } or { target }')
  if ('jump' in fields) return { jump: requireChainName('target.jump', fields['jump']) }
  if ('goto' in fields) return { goto: requireChainName('target.goto', fields['goto']) }
  return encodeExtension('target', 'target', fields, context)
}

function requireMatches(value: unknown): readonly GivenExtension[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new ValidationError('matches', value, 'a list of matches')
  return value.map((match, index) => requireFields(`matches[${index}]`, match, '{ match, … }'))
}

function requireFragment(value: unknown, { family }: IptablesContext): boolean | undefined {
  if (value === undefined || (typeof value === 'boolean' && family === 'ip')) return value
  throw new ValidationError('fragment', value, family === 'ip' ? 'true or false' : 'nothing in family ip6, which has the match frag')
}

/**
 * A rule as its expressions are made of it.
 *
 * @throws {ValidationError} A field is malformed, or a match or target cannot stand there.
 */
export function formOf(rule: IptablesRule, context: IptablesContext): RuleForm {
  const { foreign } = requireFields('rule', rule)
  requireKnown('', rule, FIELDS)
  // Nothing else is told of such a rule: without this it would be one for all packets.
  if (foreign !== undefined)
    throw new ValidationError('foreign', foreign, 'a rule that iptables knows: the others are told by their positions alone')
  const protocol = convert<string | number, number>('protocol', rule.protocol, requireProtocol)
  const within: ExtensionContext = { ...context, protocol: askedProtocol(protocol) }
  return {
    inInterface: convert('inInterface', rule.inInterface, requireLink),
    outInterface: convert('outInterface', rule.outInterface, requireLink),
    source: addressForm('source', rule.source, context),
    destination: addressForm('destination', rule.destination, context),
    protocol,
    fragment: requireFragment(rule.fragment, context),
    matches: requireMatches(rule.matches).map((match, index) => encodeExtension(`matches[${index}]`, 'match', match, within)),
    target: targetForm(rule.target, within),
    counters: requireCounters('counters', rule.counters)
  }
}

/** Base chains that packets meet before, and after, they have the other link. */
const WITHOUT_OUT: readonly string[] = ['PREROUTING', 'INPUT']
const WITHOUT_IN: readonly string[] = ['OUTPUT', 'POSTROUTING']

/** Refuses a rule that could never hold, as iptables does. @throws {ValidationError} */
export function requireLinksOf(chain: string, { inInterface, outInterface }: IptablesRule): void {
  if (outInterface !== undefined && WITHOUT_OUT.includes(chain))
    throw new ValidationError('outInterface', outInterface, `nothing in chain ${chain}, where packets do not leave`)
  if (inInterface !== undefined && WITHOUT_IN.includes(chain))
    throw new ValidationError('inInterface', inInterface, `nothing in chain ${chain}, where packets do not come in`)
}

/** Whether a text is a verdict. */
export function isVerdict(target: unknown): target is IptablesVerdict {
  return (VERDICTS as readonly unknown[]).includes(target)
}

function targetOf(target: NonNullable<RuleForm['target']>, context: ExtensionContext): IptablesTarget {
  if (typeof target === 'string' || 'jump' in target || 'goto' in target) return target
  return decodeExtension('target', target, context) as unknown as IptablesTarget
}

/** A rule in words, with what it does not ask for absent. */
export function ruleOf(form: RuleForm, context: IptablesContext): IptablesRule {
  const { inInterface, outInterface, fragment, target, counters } = form
  const within: ExtensionContext = { ...context, protocol: askedProtocol(form.protocol) }
  const address = (given: Invertible<MaskedAddress>): Invertible<string> => {
    const { value, isInverted } = splitInvertible(given)
    return invertible(formatMasked(value), isInverted)
  }
  const protocol = (given: Invertible<number>): Invertible<string> => {
    const { value, isInverted } = splitInvertible(given)
    return invertible(protocolText(value), isInverted)
  }
  return {
    ...(inInterface === undefined ? {} : { inInterface }),
    ...(outInterface === undefined ? {} : { outInterface }),
    ...(form.source === undefined ? {} : { source: address(form.source) }),
    ...(form.destination === undefined ? {} : { destination: address(form.destination) }),
    ...(form.protocol === undefined ? {} : { protocol: protocol(form.protocol) }),
    ...(fragment === undefined ? {} : { fragment }),
    matches: form.matches.map((match) => decodeExtension('match', match, within) as unknown as IptablesMatch),
    ...(target === undefined ? {} : { target: targetOf(target, within) }),
    counters
  }
}
