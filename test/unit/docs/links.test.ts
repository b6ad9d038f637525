import { readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { anchorsOf, linksOf, problemsOf, slug, withTargets } from '../../../tools/site/links.mjs'

const root = path.resolve(import.meta.dirname, '../../..')

/** All pages of the repository but the generated reports of types. */
function markdown(): string[] {
  const folders = ['docs', 'bench', 'src', 'examples', '.github']
  const under = folders.flatMap((folder) => {
    try {
      return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`)
    } catch {
      return []
    }
  })
  const top = readdirSync(root)
  return [...top, ...under].filter((name) => name.endsWith('.md') && !name.startsWith('docs/api/')).sort()
}

describe('links of the documentation', () => {
  it.each(markdown())('%s: leads where something is', (page) => {
    expect(problemsOf(root, page)).toEqual([])
  })

  it('finds files and headings that are not there', () => {
    const text = '# A page\n\n[one](nowhere.md), [two](#a-pages), [three](ipvs.md#nothing), [four](/README.md), [five](../../README.md)\n'
    expect(problemsOf(root, 'docs/page.md', text)).toEqual([
      'docs/page.md:3: no file nowhere.md',
      'docs/page.md:3: no heading #a-pages in docs/page.md',
      'docs/page.md:3: no heading #nothing in ipvs.md',
      'docs/page.md:3: /README.md is not relative',
      'docs/page.md:3: ../../README.md is outside of the repository'
    ])
    expect(problemsOf(root, 'docs/page.md', '# A page\n\n[one](../LICENSE#top) [two](#a-page) [three](../README.md#errors)\n')).toEqual([
      'docs/page.md:3: ../LICENSE has no headings: #top'
    ])
  })

  it('sees no links in code, and none to the web', () => {
    const text = '`[a](b.md)` ``[`c`](d.md)``\n\n```js\nx[0](e.md)\n```\n\n[f](https://example.org/g.md), ![h](i.svg), [`j`](k.md#l)\n'
    expect(linksOf(text).map(({ target, line }) => `${line} ${target}`)).toEqual(['7 i.svg', '7 k.md#l'])
    expect(withTargets(text, (target) => `x/${target}`)).toBe(
      text.replace('https:', 'x/https:').replace('i.svg', 'x/i.svg').replace('k.md', 'x/k.md')
    )
  })

  it('makes anchors of headings as GitHub does', () => {
    expect(slug('Ports of this node, at `127.0.0.1` (`loopbackNodePorts`)')).toBe('ports-of-this-node-at-127001-loopbacknodeports')
    expect([...anchorsOf('# A\n\n## B c\n\n```sh\n# no heading\n```\n\n## [B](x.md) c\n')]).toEqual(['a', 'b-c', 'b-c-1'])
  })
})
