/**
 * One line of iptables: its command, its chain and its rule.
 */
import { isText } from '../../core/checks.js'
import type { IptablesContext } from '../rule/convert.js'
import { MAX_NAME_BYTES } from '../rule/extensions.js'
import { NO_COUNTERS } from '../rule/form.js'
import type { IptablesCounters, IptablesRule } from '../rule/model.js'
import { COMMANDS, OWN_OPTIONS, type LineCommand } from './options.js'
import type { Word } from './quote.js'
import { RuleLine } from './rule-line.js'
import { IptablesSyntaxError } from './syntax-error.js'
import { Words } from './words.js'

/** Where a line is read. */
export interface LineOptions extends IptablesContext {
  /** Its number in errors, from 1 on; default 1. */
  readonly line?: number | undefined
}

/** What a line says. */
export interface ReadLine {
  readonly command?: LineCommand | undefined
  readonly chain?: string | undefined
  readonly position?: number | undefined
  /** Of `renameChain` the new name, of `policy` the policy. */
  readonly argument?: Word | undefined
  /** More than one where the line names several addresses. */
  readonly rules: readonly IptablesRule[]
  /** Whether it asks anything of packets, or does anything with them. */
  readonly hasRule: boolean
}

const COUNTERS = /^\[([0-9]{1,20}):([0-9]{1,20})\]$/

/** Reads `[12:3456]`. Undefined where a text is none of it. */
export function parseCounters(text: string): IptablesCounters | undefined {
  const [, packets, bytes] = COUNTERS.exec(text) ?? []
  return packets === undefined || bytes === undefined ? undefined : { packets: BigInt(packets), bytes: BigInt(bytes) }
}

/** Commands after whose chain a position may or must stand. */
const POSITIONED: readonly LineCommand[] = ['insert', 'replace', 'delete', 'zero']
/** Commands that may come without a chain. */
const UNCHAINED: readonly LineCommand[] = ['flush', 'zero', 'deleteChain']
/** Commands whose chain a word follows. */
const ARGUMENTS: Partial<Record<LineCommand, string>> = { renameChain: 'the new name', policy: 'a policy' }

function readPosition(words: Words, command: LineCommand): number | undefined {
  const word = words.peek()
  if (!POSITIONED.includes(command) || word === undefined || !/^[0-9]{1,9}$/.test(word.text)) return undefined
  words.take()
  return Number(word.text) === 0 ? words.fail(word, 'a position, from 1 on') : Number(word.text)
}

interface ReadCommand extends Pick<ReadLine, 'command' | 'chain' | 'position' | 'argument'> {
  readonly command: LineCommand
}

function readCommand(words: Words, option: Word, command: LineCommand): ReadCommand {
  const chain = UNCHAINED.includes(command) ? words.takePlain() : words.takeValue(option, 'a chain')
  if (chain !== undefined && (chain.text === '' || !isText(chain.text, MAX_NAME_BYTES)))
    words.fail(chain, `the name of a chain, of 1 to ${MAX_NAME_BYTES} bytes`)
  const position = readPosition(words, command)
  const what = ARGUMENTS[command]
  const argument = what === undefined ? undefined : words.takeValue(option, what)
  return { command, chain: chain?.text, position, argument }
}

/** Splits `--option=value` and `-pudp`, as getopt_long reads them. */
function normalise(words: Words, word: Word): Word {
  const { text, column } = word
  const equals = text.indexOf('=')
  const at = text.startsWith('--') ? equals : OWN_OPTIONS.has(text.slice(0, 2)) || COMMANDS.has(text.slice(0, 2)) ? 2 : -1
  if (word.isQuoted || at < 0 || at >= text.length) return word
  const option = { text: text.slice(0, at), column, isQuoted: false }
  const begin = text[at] === '=' && text.startsWith('--') ? at + 1 : at
  words.split(option, { text: text.slice(begin), column: column + begin, isQuoted: false })
  return option
}

function takeCounters(words: Words): IptablesCounters | undefined {
  const word = words.peek()
  if (word?.text.startsWith('[') !== true) return undefined
  words.take()
  return parseCounters(word.text) ?? words.fail(word, '[PACKETS:BYTES]')
}

/** Reads a line. @throws {IptablesSyntaxError} */
export function readLine(text: string, { line = 1, ...context }: LineOptions): ReadLine {
  const words = new Words(text, line)
  const rule = new RuleLine(words, context, takeCounters(words) ?? NO_COUNTERS)
  let command: ReadCommand | undefined
  let hasRule = false
  for (let word = words.take(); word !== undefined; word = words.take()) {
    const inverting = word.text === '!' && !word.isQuoted ? word : undefined
    const taken = inverting === undefined ? word : words.takeValue(inverting, 'an option')
    const option = normalise(words, taken)
    const found = COMMANDS.get(option.text)
    if (found !== undefined && !option.isQuoted) {
      if (command !== undefined || inverting !== undefined) words.fail(option, 'one command, without !')
      command = readCommand(words, option, found)
    } else {
      if (option.isQuoted || !option.text.startsWith('-') || option.text === '-') words.fail(option, 'an option')
      rule.readOption(option, inverting)
      hasRule = true
    }
  }
  return { ...command, rules: rule.finish(), hasRule }
}

/**
 * Reads a rule as iptables-save prints it: `-A CHAIN …`, or without its chain; counters `[1:60]` may stand before it.
 *
 * Of each option the names that iptables has are read, but no other beginnings of them. Names of hosts, networks and services are not looked up.
 *
 * @throws {IptablesSyntaxError} A word is unknown, misplaced or malformed, or the line stands for several rules: one with several addresses, separated by commas.
 */
export function parseRule(text: string, options: LineOptions): IptablesRule {
  const { command, chain, rules } = readLine(text, options)
  const [rule, ...more] = rules
  const { line = 1 } = options
  if (command !== undefined && command !== 'append') throw new IptablesSyntaxError(line, 1, text, '-A or no command')
  if (rule === undefined || more.length > 0) throw new IptablesSyntaxError(line, 1, text, 'one source and one destination')
  return chain === undefined ? rule : { chain, ...rule }
}
