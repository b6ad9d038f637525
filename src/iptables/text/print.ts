/**
 * Rules as lines, word by word as iptables-save prints them.
 */
import type { ExtensionContext } from '../extensions/extension.js'
import { invertible, splitInvertible, type Invertible } from '../extensions/invertible.js'
import { extensionOfWord, wordOf, type ExtensionKind } from '../extensions/registry.js'
import { protocolText } from '../protocols.js'
import { formatMasked, type MaskedAddress } from '../rule/addresses.js'
import { formOf, type IptablesContext } from '../rule/convert.js'
import type { GivenExtension } from '../rule/extensions.js'
import type { RuleForm } from '../rule/form.js'
import type { IptablesCounters, IptablesRule, IptablesTarget } from '../rule/model.js'
import { ANY_SET } from '../rule/sets.js'
import { askedProtocol } from '../rule/write.js'
import { quoteWords } from './quote.js'

/** How rules are printed. */
export interface PrintOptions extends IptablesContext {
  /** Whether the counters are printed before the rule: `[1:60] -A …`. Default false. */
  readonly counters?: boolean | undefined
}

function option(letter: string, given: Invertible<string> | undefined): string[] {
  if (given === undefined) return []
  const { value, isInverted } = splitInvertible(given)
  return [...(isInverted ? ['!'] : []), letter, value]
}

function address(given: Invertible<MaskedAddress> | undefined): Invertible<string> | undefined {
  if (given === undefined) return undefined
  const { value, isInverted } = splitInvertible(given)
  return invertible(formatMasked(value), isInverted)
}

function protocol(given: Invertible<number> | undefined): Invertible<string> | undefined {
  if (given === undefined) return undefined
  const { value, isInverted } = splitInvertible(given)
  return invertible(protocolText(value), isInverted)
}

/** A structure that there are no words for: it cannot be read by iptables, but nothing of it is lost. */
function opaqueWords({ opaque }: GivenExtension): string[] {
  const { revision, info } = opaque as { readonly revision: number; readonly info: Uint8Array }
  return ['--opaque', `${revision}:${Buffer.from(info).toString('hex')}`]
}

function extensionWords(kind: ExtensionKind, given: GivenExtension, context: ExtensionContext): string[] {
  const name = given[kind] as string
  const known = given.opaque === undefined ? extensionOfWord(kind, context.family, name) : undefined
  if (known === undefined) return [name, ...opaqueWords(given)]
  return [wordOf(known), ...quoteWords(known.print(given, context), known.quoted ?? [])]
}

function targetWords(target: IptablesTarget | undefined, context: ExtensionContext): string[] {
  if (target === undefined) return []
  if (typeof target === 'string') return ['-j', target]
  if ('jump' in target) return ['-j', target.jump]
  if ('goto' in target) return ['-g', target.goto]
  return ['-j', ...extensionWords('target', target as unknown as GivenExtension, context)]
}

/** Counters as iptables-save prints them. */
export function countersText({ packets, bytes }: IptablesCounters): string {
  return `[${packets}:${bytes}]`
}

/** The words of a rule, without its chain. */
function ruleWords({ matches = [], target }: IptablesRule, form: RuleForm, context: IptablesContext): string[] {
  const { fragment } = form
  const within: ExtensionContext = { ...context, protocol: askedProtocol(form.protocol) }
  const link = (given: Invertible<string> | undefined): Invertible<string> | undefined => (given === '+' ? undefined : given)
  return [
    ...option('-s', address(form.source)),
    ...option('-d', address(form.destination)),
    ...option('-i', link(form.inInterface)),
    ...option('-o', link(form.outInterface)),
    ...option('-p', protocol(form.protocol)),
    ...(fragment === undefined ? [] : fragment ? ['-f'] : ['!', '-f']),
    ...matches.flatMap((match) => ['-m', ...extensionWords('match', match as unknown as GivenExtension, within)]),
    ...targetWords(target, within)
  ]
}

/**
 * A rule as a line of iptables-save, with `-A CHAIN` before it where the rule names its chain. Matches and targets without words are printed as `--opaque REVISION:BYTES`, which
 * {@link parseRule} reads and iptables does not.
 *
 * @throws {ValidationError} The rule is malformed.
 */
export function printRule(rule: IptablesRule, options: PrintOptions): string {
  const { counters: isCounted = false, ...context } = options
  const form = formOf(rule, { ...context, sets: context.sets ?? ANY_SET })
  const words = [...(rule.chain === undefined ? [] : ['-A', rule.chain]), ...ruleWords(rule, form, context)]
  return `${isCounted ? `${countersText(form.counters)} ` : ''}${words.join(' ')}`
}
