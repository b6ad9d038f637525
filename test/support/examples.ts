import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '../..')

/** A script of the documentation, and the heading that it stands under. */
export interface Example {
  readonly file: string
  readonly language: string
  readonly heading: string
  readonly text: string
  /** What it prints: the block of text that follows it, where one does. */
  readonly output: string | undefined
}

/** The scripts of README.md and of the pages in docs: blocks of `js`, and blocks of `ts` that import the package. */
export function examplesOf(file: string): Example[] {
  const text = readFileSync(path.join(root, file), 'utf8')
  const headings = [...text.matchAll(/^#+ (.*)$/gm)]
  const blocks = text.matchAll(/^```(js|ts)\n([^]*?)^```$(?:\n\n```text\n([^]*?)^```$)?/gm)
  return [...blocks]
    .map((match) => ({
      language: match[1]!,
      file,
      text: match[2]!,
      output: match[3],
      heading: headings.filter(({ index }) => index < match.index).at(-1)?.[1] ?? file
    }))
    .filter(({ language, text: script }) => language === 'js' || /from 'netplane(\/\w+)?'/.test(script))
}

/** The files of the documentation. */
export function pages(): string[] {
  const docs = readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'))
  return ['README.md', ...docs.sort().map((name) => `docs/${name}`)]
}

/** `await using` as Node 20 can read it; the examples have one such block each, which ends with the script. */
export function withoutUsing(text: string): string {
  const names = [...text.matchAll(/^await using (\w+) =/gm)].map((match) => match[1]!)
  const closing = names.reverse().map((name) => `await ${name}[Symbol.asyncDispose]()\n`)
  return text.replaceAll(/^await using /gm, 'const ') + closing.join('')
}
