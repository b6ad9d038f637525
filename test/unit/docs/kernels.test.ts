import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { machines } from '../../../tools/lab/machines.mjs'

const root = path.resolve(import.meta.dirname, '../../..')
const page = readFileSync(path.join(root, 'docs/kernels.md'), 'utf8')

/** Rows of the table of features: version and file. */
const features = [...page.matchAll(/^\| (.*?) +\| (\d+\.\d+) +\| \[[^\]]*\]\(([^)]*)\) +\|$/gm)].map(([, feature, version, file]) => ({
  feature: feature!,
  version: version!,
  file: file!
}))

describe('docs/kernels.md', () => {
  it('names every machine of the lab', () => {
    expect(Object.keys(machines).filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  })

  it('has features in the order of their versions', () => {
    const order = features.map(({ version }) => version.split('.').map(Number)).map(([major, minor]) => major! * 1000 + minor!)
    expect(order.length).toBeGreaterThan(10)
    expect(order).toEqual([...order].sort((a, b) => a - b))
  })

  it.each(features)('$feature: the sources say $version, too', ({ version, file }) => {
    const text = readFileSync(path.join(root, 'docs', file), 'utf8')
    expect(text.replaceAll(/\s+\*?\s*/g, ' ')).toMatch(new RegExp(`(?<![\\d.])${version.replace('.', '\\.')}(?!\\d)`))
  })
})
