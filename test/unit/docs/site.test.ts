import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { problemsOf } from '../../../tools/site/links.mjs'
import { collectPages } from '../../../tools/site/source.mjs'

const root = path.resolve(import.meta.dirname, '../../..')
const folder = mkdtempSync(path.join(tmpdir(), 'netplane-site-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the pages of the site', () => {
  const files = collectPages(root, folder)
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'))

  it('are those of the repository that links lead to from README.md and docs', () => {
    expect(files).toEqual(expect.arrayContaining(['README.md', 'docs/ipvs.md', 'examples/load-balancer.ts', 'examples/demo', 'LICENSE']))
    expect(pages).toEqual(expect.arrayContaining(['index.md', 'docs/ipvs.md', 'examples/load-balancer.ts.md', 'examples/demo/index.md']))
    expect(pages).toHaveLength(files.filter((file) => !file.endsWith('.svg')).length)
  })

  it('have links to each other', () => {
    expect(pages.flatMap((page) => problemsOf(folder, page))).toEqual([])
  })

  it('have the whole text of what they stand for', () => {
    const page = readFileSync(path.join(folder, 'examples/load-balancer.ts.md'), 'utf8')
    expect(page).toContain(readFileSync(path.join(root, 'examples/load-balancer.ts'), 'utf8').trimEnd())
  })
})
