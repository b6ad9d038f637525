/**
 * The syntax of a file: YAML 1.2, of which JSON is a part.
 */
import { Composer, Document, isAlias, isNode, isScalar, Parser, visit, type CST, type LineCounter } from 'yaml'

/** Something that is no YAML, or YAML that is not taken. */
export interface SyntaxFault {
  /** In characters from the beginning of the file. */
  readonly offset: number
  readonly message: string
}

/** A file, and what is wrong with its syntax. */
export interface Composed {
  readonly document: Document
  readonly faults: readonly SyntaxFault[]
}

/** Objects and lists in each other; services have six. The parser of values calls itself for each. */
const MAX_DEPTH = 100

const MERGE_KEY = '<<'

/** Some of the file is nested too deeply. */
class TooDeep extends Error {
  readonly offset: number

  constructor(offset: number) {
    super(`the file is nested too deeply; allowed: ${MAX_DEPTH} objects and lists in each other`)
    this.offset = offset
  }
}

/** Looks at all tokens, without calling itself. @throws {TooDeep} Some are nested too deeply. */
function eachToken(top: CST.Token, look: (token: CST.Token) => void): void {
  const waiting: (readonly [token: CST.Token, depth: number])[] = [[top, 0]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [token, depth] = next
    if (depth > MAX_DEPTH) throw new TooDeep(token.offset)
    look(token)
    if (token.type === 'document' && token.value !== undefined) waiting.push([token.value, depth])
    if (!('items' in token)) continue
    for (const { key, value } of token.items) for (const child of [key, value]) if (child) waiting.push([child, depth + 1])
  }
}

/** The comma behind which an object or a list ends: YAML takes it, and JSON does not. */
function trailingComma(token: CST.Token): SyntaxFault[] {
  const last = token.type === 'flow-collection' ? token.items.at(-1) : undefined
  if (last === undefined || last.key !== undefined || last.value !== undefined || last.sep !== undefined) return []
  const comma = last.start.find(({ type }) => type === 'comma')
  return comma === undefined ? [] : [{ offset: comma.offset, message: 'a comma stands behind the last entry, which JSON does not allow' }]
}

function* shallowTokens(text: string, lines: LineCounter, look: (token: CST.Token) => void): Generator<CST.Token> {
  for (const token of new Parser(lines.addNewLine).parse(text)) {
    eachToken(token, look)
    yield token
  }
}

/** Merge keys are of YAML 1.1: in 1.2 they are fields like others, and none that there is. */
function mergeKeys(document: Document): SyntaxFault[] {
  const faults: SyntaxFault[] = []
  visit(document, {
    Pair: (_, { key }) => {
      if (!isScalar(key) || key.value !== MERGE_KEY) return
      faults.push({ offset: key.range?.[0] ?? 0, message: `merge keys (\`${MERGE_KEY}\`) are not taken: write the fields themselves` })
    }
  })
  return faults
}

/** Aliases whose anchor is not before them. */
function unknownAliases(document: Document): SyntaxFault[] {
  const faults: SyntaxFault[] = []
  const anchors = new Set<string>()
  visit(document, (_, node) => {
    if (isAlias(node)) {
      if (anchors.has(node.source)) return
      faults.push({ offset: node.range?.[0] ?? 0, message: `alias *${node.source} is unknown: no anchor &${node.source} is before it` })
    } else if (isNode(node) && node.anchor !== undefined) anchors.add(node.anchor)
  })
  return faults
}

/** Looks for what values cannot be made of; only where the text can have it, for files may be long. */
function faultsOfNodes(document: Document, text: string): SyntaxFault[] {
  return [...(text.includes('*') ? unknownAliases(document) : []), ...(text.includes(MERGE_KEY) ? mergeKeys(document) : [])]
}

/** What follows the first line of a message of the parser is an excerpt of the file. */
function firstLine(message: string): string {
  return message.split('\n', 1)[0]!.replace(/ at line \d+, column \d+:?$/, '')
}

/** Whether a text is to be JSON, by the name of its file or by its beginning. */
function isJsonText(file: string, text: string): boolean {
  return file.endsWith('.json') || /^\s*\{/.test(text)
}

/** Reads the first document of a text. @param file What it is called. @param lines Is told where lines begin. */
export function composeDocument(file: string, text: string, lines: LineCounter): Composed {
  const composer = new Composer()
  const commas: SyntaxFault[] = []
  const isJson = isJsonText(file, text)
  const look = (token: CST.Token): void => {
    if (isJson) commas.push(...trailingComma(token))
  }
  try {
    const [document, second] = composer.compose(shallowTokens(text, lines, look), true, text.length)
    const told = [...document!.errors, ...document!.warnings].map(({ pos, message }) => ({ offset: pos[0], message: firstLine(message) }))
    const faults = told.length > 0 ? told : commas.sort((left, right) => left.offset - right.offset)
    if (second !== undefined) faults.push({ offset: second.range[0], message: 'the file has several documents; one is taken' })
    return { document: document!, faults: faults.length > 0 ? faults : faultsOfNodes(document!, text) }
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error
    return { document: new Document(), faults: [error] }
  }
}
