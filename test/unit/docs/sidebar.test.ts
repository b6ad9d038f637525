import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { sidebar } from '../../../tools/site/sidebar.mjs'
import { pages } from '../../support/examples.js'

const root = path.resolve(import.meta.dirname, '../../..')
const files = sidebar.flatMap(({ items }) => items).map(({ link }) => (link === '/' ? 'README.md' : `${link.slice(1)}.md`))

describe('the sidebar of the site', () => {
  it('has every page of the documentation', () => {
    expect(pages().filter((page) => !files.includes(page))).toEqual([])
  })

  it('has no page that is not there, and none twice', () => {
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([])
    expect(new Set(files).size).toBe(files.length)
  })
})
