import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import ts from 'typescript'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { examplesOf, pages, withoutUsing } from '../../support/examples.js'
import { nft } from '../../support/namespace.js'
import { run } from '../../support/run.js'
import { listWithBoth } from '../../support/list-with-both.js'

/** What opens something in nf_tables of the kernel. */
const opening = /\bNftables\.open\(|mode: 'nftables'/
/** Of a script that writes nothing by itself: its kernel is a fake, or it only offers a function. */
const inert = /netplane\/testing|^export (async )?function /m

/** Those that write into nf_tables of the kernel. */
const examples = pages()
  .flatMap(examplesOf)
  .filter(({ text }) => opening.test(text) && !inert.test(text))

/** The one that shows a refusal leaves nothing. */
const refused = 'Refusals that say what is wrong'

/** What is run: without types, and without the tidying up at its end. */
function scriptOf(text: string): string {
  const options = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext }
  return ts.transpileModule(withoutUsing(text).replaceAll('cleanup: true', 'cleanup: false'), { compilerOptions: options }).outputText
}

// Inside the package its own name leads to it.
const folder = mkdtempSync(path.resolve(import.meta.dirname, '../../../build/example-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the examples of the documentation', () => {
  afterEach(async () => {
    await nft('flush', 'ruleset')
  })

  it.each(examples)('$file, $heading: both versions of nft list what it wrote', async ({ text, heading }) => {
    const script = path.join(folder, 'example.mjs')
    writeFileSync(script, scriptOf(text))
    await run(process.execPath, [script])
    const listings = await listWithBoth()
    if (heading === refused) return
    for (const listing of listings) expect(listing).toContain('table ')
  })

  it('are several', () => {
    expect(examples.length).toBeGreaterThan(4)
  })
})
