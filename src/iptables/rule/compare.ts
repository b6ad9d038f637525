/**
 * Whether two rules are the same: by what the kernel holds of them, without the counters.
 */
import type { Slices } from '../../core/slices.js'
import type { ExtensionContext } from '../extensions/extension.js'
import type { OpaqueExtension } from '../types.js'
import { formOf, ruleOf, type IptablesContext } from './convert.js'
import { comparableInfo } from './extensions.js'
import type { RuleForm } from './form.js'
import { readExpressions } from './read.js'
import { askedProtocol, writeForm } from './write.js'

function structureKey(kind: 'match' | 'target', structure: OpaqueExtension, context: ExtensionContext): readonly unknown[] {
  return [structure.name, structure.revision, Buffer.from(comparableInfo(kind, structure, context)).toString('base64')]
}

/** What is the same for rules whose structures are the same, byte for byte, aside from what only the kernel fills. */
function quickKey(form: RuleForm, context: IptablesContext): string {
  const within: ExtensionContext = { ...context, protocol: askedProtocol(form.protocol) }
  const { target } = form
  const key = [
    form.inInterface ?? null,
    form.outInterface ?? null,
    form.source ?? null,
    form.destination ?? null,
    form.protocol ?? null,
    form.fragment ?? null,
    form.matches.map((match) => structureKey('match', match, within)),
    typeof target === 'object' && 'info' in target ? structureKey('target', target, within) : (target ?? null)
  ]
  return JSON.stringify(key)
}

/** What is the same for rules that say the same, whatever revision their structures have. */
function slowKey(form: RuleForm, context: IptablesContext): string {
  return quickKey(formOf(ruleOf(form, context), context), context)
}

/** The keys of a rule, made when they are asked for. */
export class RuleKeys {
  readonly #form: RuleForm
  readonly #context: IptablesContext
  #quick: string | undefined
  #slow: string | undefined

  /** @param form As it was read of the kernel, or {@link asRead}. */
  constructor(form: RuleForm, context: IptablesContext) {
    this.#form = form
    this.#context = context
  }

  get quick(): string {
    return (this.#quick ??= quickKey(this.#form, this.#context))
  }

  get slow(): string {
    return (this.#slow ??= slowKey(this.#form, this.#context))
  }
}

/** The keys of rules that are compared more than once, by what holds the rules. */
export class KnownKeys<Holder> {
  readonly #known = new Map<Holder, RuleKeys | undefined>()
  readonly #formOf: (holder: Holder) => RuleForm | undefined
  readonly #context: IptablesContext

  /** @param formOf As {@link RuleKeys} takes it; undefined: the rule is none of iptables. */
  constructor(formOf: (holder: Holder) => RuleForm | undefined, context: IptablesContext) {
    this.#formOf = formOf
    this.#context = context
  }

  /** Undefined: the rule is none of iptables. */
  of(holder: Holder): RuleKeys | undefined {
    if (!this.#known.has(holder)) {
      const form = this.#formOf(holder)
      this.#known.set(holder, form && new RuleKeys(form, this.#context))
    }
    return this.#known.get(holder)
  }
}

/** A rule as it is read once it is written: what the kernel cannot tell apart is not told apart. */
export function asRead(form: RuleForm, context: IptablesContext): RuleForm {
  return readExpressions(writeForm(form, context.family).expressions, context.family).form ?? form
}

/** Rules between two looks at the time: what is made of a single one takes up to a tenth of a millisecond. */
const RULES_BETWEEN_LOOKS = 16

/** The first index that something holds for; -1: there is none. */
async function firstIndex(count: number, holds: (index: number) => boolean, slices: Slices): Promise<number> {
  for (let index = 0; index < count; index++) {
    if (index % RULES_BETWEEN_LOOKS === 0 && slices.isOver) await slices.turn()
    if (holds(index)) return index
  }
  return -1
}

/**
 * The first of several rules that is like a given one; -1: there is none.
 *
 * @param keysOf As of {@link KnownKeys}: it is asked for the same rule again.
 */
export async function findAlike<Holder>(
  wanted: RuleForm,
  rules: readonly Holder[],
  keysOf: (holder: Holder) => RuleKeys | undefined,
  context: IptablesContext,
  slices: Slices
): Promise<number> {
  const keys = new RuleKeys(asRead(wanted, context), context)
  const quick = await firstIndex(rules.length, (index) => keysOf(rules[index]!)?.quick === keys.quick, slices)
  // Programs fill some bytes that say nothing, and older ones write other revisions.
  return quick >= 0 ? quick : await firstIndex(rules.length, (index) => keysOf(rules[index]!)?.slow === keys.slow, slices)
}
