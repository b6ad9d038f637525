/**
 * What netplane knows of one match or target of xtables: the structure that the kernel takes, and the words of the command line.
 */
import type { IptablesFamily, IptablesTableName } from '../types.js'

/** Names of the sets of ipset, in the namespace of the rules; structures have their indices. */
export interface SetNames {
  /** Undefined: there is no set of that name. */
  indexOf(name: string): number | undefined
  /** Undefined: there is no set of that index. */
  nameOf(index: number): string | undefined
}

/** The rule in which a match or target stands. */
export interface ExtensionContext {
  readonly family: IptablesFamily
  /** Absent: not known, as for a line that is read alone. */
  readonly table?: IptablesTableName | undefined
  /** The protocol that the rule asks for, a number; absent: none, or all but one. */
  readonly protocol?: number | undefined
  /** Absent: names of sets cannot be asked for; sets are given and shown by index then. */
  readonly sets?: SetNames | undefined
}

/** Where an option of a line stands, and how it is said what is wrong with it. */
export interface OptionPlace {
  /** Whether `!` stands before the option. */
  readonly isInverted: boolean
  /**
   * Ends the reading of the line.
   *
   * @param value Which of the option's values is meant, from 0 on; default: the option itself.
   */
  fail(allowed: string, value?: number): never
}

/** One option of the command line, such as `--to-destination`. */
export interface OptionReader<Draft> {
  /** How many words follow it: exactly so many, or at least and at most. */
  readonly values: number | readonly [least: number, most: number]
  /** Whether `!` may stand before it. */
  readonly isInvertible?: boolean
  /** Notes in the draft what it says. */
  readonly read: (draft: Draft, values: readonly string[], place: OptionPlace) => void
}

/**
 * One revision of a match or target.
 *
 * @typeParam Options What a caller gives, and what a listing shows.
 * @typeParam Draft What the options of a line are gathered in.
 * @typeParam Name Its name as a literal, by which the type of a rule tells matches apart.
 */
export interface Extension<Options extends object, Draft extends object = Options, Name extends string = string> {
  readonly kind: 'match' | 'target'
  /** The kernel's name, at most 28 bytes. */
  readonly name: Name
  /** The name on the command line where that is another one (`REJECT` of both families, `icmp6` as `icmpv6`). */
  readonly alias?: string
  readonly revision: number
  /** In which families it has this structure. */
  readonly families: readonly IptablesFamily[]
  /** In which tables the kernel takes it; absent: in all. */
  readonly tables?: readonly IptablesTableName[]
  /** Which protocols, numbers, a rule must ask for, so that the kernel takes it; absent: none. */
  readonly protocols?: readonly number[]
  /** The kernel's module, for what is said where it lacks. */
  readonly module: string
  /** Bytes of the structure, without the padding to a multiple of 8 (XT_ALIGN). */
  readonly size: number
  /** Bytes that only the kernel fills, or that it does not look at: they are not compared. */
  readonly kernelBytes?: readonly (readonly [offset: number, length: number])[]
  /**
   * Makes the structure, `size` bytes.
   *
   * @throws {ValidationError} Names the option, its value and what is allowed.
   */
  encode(options: Options, context: ExtensionContext): Uint8Array
  /** Reads the structure. Undefined where it says what the options cannot say: it stays opaque then. */
  decode(info: Uint8Array, context: ExtensionContext): Options | undefined
  /** Which sets of ipset the options name, each by its name or its index, so that they can be asked for before; absent: none. */
  setsOf?(options: Options): readonly (string | number)[]
  /** The words that `iptables-save` prints after `-m NAME` or `-j NAME`; texts are not quoted yet. */
  print(options: Options, context: ExtensionContext): string[]
  /**
   * Which options have a text that `iptables-save` prints between quotation marks unless it has nothing but letters and digits of ASCII, `-` and `_`. All other words
   * are printed as they are.
   */
  readonly quoted?: readonly string[]
  /** An empty draft. */
  draft(): Draft
  /** The options of the command line, by their names (`--dport`); other names of the same option share a reader. */
  readonly options: Readonly<Record<string, OptionReader<Draft>>>
  /** Makes options of a draft. @param fail Ends the reading where one is missing, or two exclude each other. */
  finish(draft: Draft, context: ExtensionContext, fail: (allowed: string) => never): Options
}

/** Keeps the types of an extension together: those of its options and of its draft. */
export function extension<Options extends object, Draft extends object = Options, const Name extends string = string>(
  given: Extension<Options, Draft, Name>
): Extension<Options, Draft, Name> {
  return given
}
