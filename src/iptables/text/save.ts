/**
 * Files of iptables-save: read, and printed.
 */
import { isText } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { IptablesContext } from '../rule/convert.js'
import { MAX_NAME_BYTES } from '../rule/extensions.js'
import type { IptablesRule } from '../rule/model.js'
import type { IptablesChain, IptablesTable } from '../state/types.js'
import { baseChain, isTableName, requireFamily } from '../tables.js'
import type { IptablesFamily, IptablesTableName } from '../types.js'
import { parseCounters, readLine, type ReadLine } from './line.js'
import type { LineCommand } from './options.js'
import { countersText, printRule } from './print.js'
import { splitWords, type Word } from './quote.js'
import type { SavedAction, SavedChain, SavedCommand, SavedTable } from './saved.js'
import { IptablesSyntaxError } from './syntax-error.js'

/** How a file is read. */
export interface ParseSaveOptions extends Pick<IptablesContext, 'sets'> {
  readonly family: IptablesFamily
}

/** A table while it is read. */
class OpenTable {
  readonly name: IptablesTableName
  readonly #chains: SavedChain[] = []
  readonly #commands: SavedCommand[] = []
  readonly #declared = new Set<string>()
  /** Chains that commands are about. */
  readonly #used = new Set<string>()

  constructor(name: IptablesTableName) {
    this.name = name
  }

  get table(): SavedTable {
    return { name: this.name, chains: this.#chains, commands: this.#commands }
  }

  /** A chain of the user that is declared behind rules of it has none of these. */
  declare(chain: SavedChain): void {
    const { name, line } = chain
    const isBase = baseChain(this.name, name) !== undefined
    if (!isBase && this.#used.has(name)) this.#commands.push({ command: 'flush', chain: name, line })
    if (isBase || !this.#declared.has(name)) this.#chains.push(chain)
    this.#declared.add(name)
  }

  add(commands: readonly SavedCommand[]): void {
    for (const command of commands) {
      this.#commands.push(command)
      if (command.chain !== undefined) this.#used.add(command.chain)
    }
  }
}

/** Where in the file something stands. */
interface Place {
  readonly text: string
  readonly line: number
}

function fail({ line }: Place, word: Word | undefined, text: string, allowed: string): never {
  throw new IptablesSyntaxError(line, word?.column ?? 1, word?.text ?? text, allowed)
}

const POLICIES: Readonly<Record<string, SavedChain['policy'] | 'none'>> = { ACCEPT: 'ACCEPT', DROP: 'DROP', '-': 'none' }

function readChain(place: Place, table: IptablesTableName): SavedChain {
  const split = splitWords(place.text.slice(1))
  const words = typeof split === 'number' ? [] : split
  const [name, policyWord, counters, rest] = words.map((word) => ({ ...word, column: word.column + 1 }))
  if (name === undefined || policyWord === undefined || rest !== undefined)
    return fail(place, rest, place.text, ':CHAIN POLICY [PACKETS:BYTES]')
  if (!isText(name.text, MAX_NAME_BYTES)) fail(place, name, '', `the name of a chain, of 1 to ${MAX_NAME_BYTES} bytes`)
  const policy = POLICIES[policyWord.text]
  const isBase = baseChain(table, name.text) !== undefined
  if (policy === undefined || (!isBase && policy !== 'none')) fail(place, policyWord, '', isBase ? 'ACCEPT, DROP or -' : '-')
  const counted = parseCounters(counters?.text ?? '[0:0]') ?? fail(place, counters, '', '[PACKETS:BYTES]')
  return { name: name.text, ...(policy === 'none' ? {} : { policy }), counters: counted, line: place.line }
}

/** What is said of commands without a rule. */
function requireNoRule(place: Place, { hasRule }: ReadLine): void {
  if (hasRule) fail(place, undefined, place.text, 'nothing behind the chain')
}

function requireChain(place: Place, { chain }: ReadLine): string {
  return chain ?? fail(place, undefined, place.text, 'a chain')
}

type Maker = (read: ReadLine, place: Place) => SavedAction[]

function makeChain(read: ReadLine, place: Place): SavedAction[] {
  requireNoRule(place, read)
  return [{ command: 'newChain', chain: requireChain(place, read) }]
}

function removeChain(read: ReadLine, place: Place): SavedAction[] {
  requireNoRule(place, read)
  return [{ command: 'deleteChain', ...(read.chain === undefined ? {} : { chain: read.chain }) }]
}

function emptying(command: 'flush' | 'zero'): Maker {
  return (read, place) => {
    requireNoRule(place, read)
    const { chain, position } = read
    return [{ command, ...(chain === undefined ? {} : { chain }), ...(position === undefined ? {} : { position }) }]
  }
}

function readPolicy(read: ReadLine, place: Place): SavedAction[] {
  requireNoRule(place, read)
  const policy = read.argument?.text
  if (policy !== 'ACCEPT' && policy !== 'DROP') return fail(place, read.argument, place.text, 'ACCEPT or DROP')
  return [{ command: 'policy', chain: requireChain(place, read), policy }]
}

const MAKERS: Readonly<Record<LineCommand, Maker>> = {
  append: (read, place) => read.rules.map((rule) => ({ command: 'append', chain: requireChain(place, read), rule })),
  insert: (read, place) =>
    read.rules.map((rule) => ({ command: 'insert', chain: requireChain(place, read), rule, position: read.position ?? 1 })),
  replace: (read, place) => {
    const [rule, ...more] = read.rules
    const { position } = read
    if (position === undefined || rule === undefined || more.length > 0)
      return fail(place, undefined, place.text, 'a position, and one source and one destination')
    return [{ command: 'replace', chain: requireChain(place, read), rule, position }]
  },
  delete: (read, place) => {
    const chain = requireChain(place, read)
    if (read.position === undefined) return read.rules.map((which) => ({ command: 'delete', chain, which }))
    requireNoRule(place, read)
    return [{ command: 'delete', chain, which: read.position }]
  },
  flush: emptying('flush'),
  zero: emptying('zero'),
  newChain: makeChain,
  deleteChain: removeChain,
  renameChain: (read, place) => {
    requireNoRule(place, read)
    return [{ command: 'renameChain', chain: requireChain(place, read), to: read.argument?.text ?? '' }]
  },
  policy: readPolicy
}

function readCommand(place: Place, table: IptablesTableName, options: ParseSaveOptions): SavedCommand[] {
  const read = readLine(place.text, { ...options, table, line: place.line })
  if (read.command === undefined) return fail(place, undefined, place.text, 'a command such as -A')
  return MAKERS[read.command](read, place).map((action) => ({ ...action, line: place.line }))
}

function openTable(place: Place): OpenTable {
  const name = place.text.slice(1).trim()
  return isTableName(name) ? new OpenTable(name) : fail(place, undefined, place.text, '*TABLE, of a table of iptables')
}

/**
 * Reads a file of iptables-save: tables from `*NAME` to `COMMIT`, lines that begin with `#` are remarks. Beside `-A`, all commands of iptables-restore are read that change rules or
 * chains (`-I`, `-R`, `-D`, `-F`, `-Z`, `-N`, `-X`, `-E`, `-P`). A line with several addresses stands for several rules.
 *
 * @throws {IptablesSyntaxError} A line is malformed, with its number and the column.
 */
export function parseSave(text: string, options: ParseSaveOptions): readonly SavedTable[] {
  requireFamily('family', options.family)
  const tables: SavedTable[] = []
  let open: OpenTable | undefined
  const lines = text.split('\n')
  for (const [index, raw] of lines.entries()) {
    const place: Place = { text: raw.trimEnd(), line: index + 1 }
    if (place.text === '' || place.text.startsWith('#')) continue
    if (open === undefined) open = place.text.startsWith('*') ? openTable(place) : fail(place, undefined, place.text, '*TABLE before it')
    else if (place.text === 'COMMIT') {
      tables.push(open.table)
      open = undefined
    } else if (place.text.startsWith(':')) open.declare(readChain(place, open.name))
    else open.add(readCommand(place, open.name, options))
  }
  if (open !== undefined) fail({ text: '', line: lines.length }, undefined, '', `COMMIT of table ${open.name}`)
  return tables
}

/** How tables are printed. */
export interface PrintSaveOptions extends ParseSaveOptions {
  /** Whether rules are printed with their counters (`iptables-save -c`). Default false. */
  readonly counters?: boolean | undefined
}

function chainLine({ name, policy, counters }: SavedChain | IptablesChain): string {
  return `:${name} ${policy ?? '-'} ${countersText(counters)}`
}

function listedLines({ name, rules }: IptablesChain, print: (rule: IptablesRule) => string): string[] {
  return rules.map((rule, index) => {
    const { foreign } = rule
    if (foreign !== undefined) throw new ValidationError(`chain ${name}, rule ${index + 1}`, foreign, 'a rule that iptables knows')
    return print({ ...rule, chain: name })
  })
}

const LETTERS = {
  insert: '-I',
  replace: '-R',
  delete: '-D',
  flush: '-F',
  zero: '-Z',
  newChain: '-N',
  deleteChain: '-X',
  renameChain: '-E',
  policy: '-P'
}

function savedLine(command: SavedCommand, print: (rule: IptablesRule) => string): string {
  if (command.command === 'append') return print({ ...command.rule, chain: command.chain })
  const letter = LETTERS[command.command]
  const words = [letter, command.chain, 'position' in command ? command.position : undefined]
  if (command.command === 'renameChain') words.push(command.to)
  if (command.command === 'policy') words.push(command.policy)
  if (command.command === 'delete' && typeof command.which === 'number') words.push(command.which)
  const rule =
    'rule' in command ? command.rule : command.command === 'delete' && typeof command.which === 'object' ? command.which : undefined
  return [...words.filter((word) => word !== undefined), ...(rule === undefined ? [] : [print({ ...rule, chain: undefined })])].join(' ')
}

/**
 * Prints tables as iptables-save does, without its remarks: what {@link parseSave} read, or tables that were listed.
 *
 * @throws {ValidationError} A rule is malformed, or is none that iptables knows.
 */
export function printSave(tables: readonly (SavedTable | IptablesTable)[], options: PrintSaveOptions): string {
  const { family, counters, sets } = options
  requireFamily('family', family)
  return tables
    .map((table) => {
      const print = (rule: IptablesRule): string => printRule(rule, { family, table: table.name, counters, sets })
      const body =
        'commands' in table
          ? table.commands.map((command) => savedLine(command, print))
          : table.chains.flatMap((chain) => listedLines(chain, print))
      return [`*${table.name}`, ...table.chains.map(chainLine), ...body, 'COMMIT', ''].join('\n')
    })
    .join('')
}
