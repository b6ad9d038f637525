import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { inspect } from 'node:util'
import ts from 'typescript'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { examplesOf, pages, type Example } from '../../support/examples.js'

const root = path.resolve(import.meta.dirname, '../../..')
// Inside the repository, so that the package's name leads to its sources.
mkdirSync(path.join(root, 'build'), { recursive: true })
const folder = mkdtempSync(path.join(root, 'build/docs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function write(examples: readonly Example[]): string[] {
  return examples.map(({ file, text }, index) => {
    const script = path.join(folder, `${path.basename(file, '.md')}-${index}.ts`)
    writeFileSync(script, text)
    return script
  })
}

/** What the compiler says of scripts, with the repository's options. */
function problemsOf(scripts: readonly string[]): string[] {
  const file = path.join(root, 'tsconfig.json')
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(file, (name) => ts.sys.readFile(name)).config, ts.sys, root)
  const program = ts.createProgram(scripts, options)
  const found = scripts.flatMap((script) => ts.getPreEmitDiagnostics(program, program.getSourceFile(script)))
  return found.map(
    ({ file: place, messageText }) => `${path.basename(place?.fileName ?? '')}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  )
}

/** What a script prints. */
async function outputOf(script: string): Promise<string> {
  const lines: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
    lines.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '))
  })
  onTestFinished(() => log.mockRestore())
  await import(script)
  return lines.map((line) => `${line}\n`).join('')
}

/** All that are TypeScript, each in a file. */
const typed = pages()
  .flatMap(examplesOf)
  .filter(({ language }) => language === 'ts')
const scripts = write(typed)

/** Those that say what they print and need no kernel. */
const printing = typed
  .map((example, index) => ({ ...example, script: scripts[index]! }))
  .filter(({ output, text }) => output !== undefined && (text.includes("from 'netplane/testing'") || !/\b(open|openPlane)\(/.test(text)))

describe('the scripts of the documentation', () => {
  it('have no errors of types', () => {
    expect(typed.length).toBeGreaterThan(10)
    expect(problemsOf(scripts)).toEqual([])
  }, 120_000)

  it('are all looked at: those of docs import the package', () => {
    const unseen = pages()
      .slice(1)
      .flatMap((file) => {
        const text = readFileSync(path.join(root, file), 'utf8')
        const blocks = [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, block]) => block!)
        const seen = new Set(examplesOf(file).map((example) => example.text))
        return blocks.filter((block) => !seen.has(block)).map((block) => `${file}: ${block.split('\n', 1)[0]!}`)
      })
    expect(unseen).toEqual([])
  })

  it.each(printing)(
    '$file, $heading: prints what it says',
    async ({ output, script }) => {
      expect(await outputOf(script)).toBe(output)
    },
    // The first one reads the sources, too.
    60_000
  )

  it('of docs/testing.md all say what they print', () => {
    expect(examplesOf('docs/testing.md').filter(({ output }) => output === undefined)).toEqual([])
  })
})
