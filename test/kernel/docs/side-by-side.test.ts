import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import ts from 'typescript'
import { afterAll, describe, expect, it } from 'vitest'
import { examplesOf, withoutUsing } from '../../support/examples.js'
import { savedLines } from '../../support/iptables.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'

const root = path.resolve(import.meta.dirname, '../../..')
// Inside the package its own name leads to it.
const folder = mkdtempSync(path.join(root, 'build/side-by-side-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The first block of a language on a page: what the other tool is told. */
function theirs(page: string, language: string): string {
  const text = readFileSync(path.join(root, page), 'utf8')
  return new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'm').exec(text)![1]!
}

/** The script beside it, on the kernel in place of the fake. */
function ours(page: string): string {
  const text = examplesOf(page)[0]!
    .text.replace(/^import .* from 'netplane\/testing'\n/m, '')
    .replace(/^const kernel = new FakeNftablesKernel\(\)\n/m, '')
    .replace('await kernel.open()', 'await Nftables.open()')
    .replace('{ kernel: new FakeNftablesKernel() }', '')
  const complete = text.includes('Nftables.open()') ? `import { Nftables } from 'netplane'\n${text}` : text
  const options = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext }
  return ts.transpileModule(withoutUsing(complete), { compilerOptions: options }).outputText
}

async function runOurs(namespace: TestNamespace, page: string): Promise<string> {
  const script = path.join(folder, `${path.basename(page, '.md')}.mjs`)
  writeFileSync(script, ours(page))
  return await namespace.run(process.execPath, [script])
}

describe('what the pages show side by side', () => {
  it('docs/from-nft.md: both leave the same ruleset', async () => {
    const page = 'docs/from-nft.md'
    const [one, other] = [await makeNamespace(), await makeNamespace()]
    await one.nftScript(theirs(page, 'text'))
    expect(await runOurs(other, page)).toBe(examplesOf(page)[0]!.output)
    const ruleset = await one.nft('list', 'ruleset')
    expect(ruleset).toContain('@blocked')
    expect(await other.nft('list', 'ruleset')).toBe(ruleset)
  })

  it('docs/from-iptables.md: both leave the same rules', async () => {
    const page = 'docs/from-iptables.md'
    const [one, other] = [await makeNamespace(), await makeNamespace()]
    await one.run('sh', ['-ec', theirs(page, 'sh').replaceAll(/^iptables/gm, 'iptables-nft')])
    await runOurs(other, page)
    const lines = await savedLines(one, 'ip')
    expect(lines.some((line) => line.startsWith('-A WEB'))).toBe(true)
    expect(await savedLines(other, 'ip')).toEqual(lines)
  })
})
