import { readdirSync, readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../../..')
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

/** The codes that a table of the page has rows for. */
const rows = [...read('docs/errors.md').matchAll(/^\| `(E[A-Z_]+)`/gm)].map(([, code]) => code!)

const sources = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => read(`src/${file}`))

/** The errnos that documentation comments say are thrown. */
function thrown(): Set<string> {
  const comments = sources.flatMap((text) => [...text.matchAll(/\/\*\*[^]*?\*\//g)].map(([comment]) => comment))
  const parts = comments.flatMap((comment) => [...comment.matchAll(/@throws[^]*?(?=@|\*\/)/g)].map(([part]) => part))
  return new Set(parts.flatMap((part) => [...part.matchAll(/`(E[A-Z]{3,})`/g)].map(([, code]) => code!)))
}

const isErrno = (code: string): boolean => code in os.constants.errno

/** The codes of the type NetplaneErrorCode. */
function own(): string[] {
  const [, type] = /export type NetplaneErrorCode =([^]*?)\n\n/.exec(read('src/core/errors.ts'))!
  return [...type!.matchAll(/'(\w+)'/g)].map(([, code]) => code!)
}

describe('docs/errors.md', () => {
  it('has a row for every code of netplane, and no other', () => {
    expect(own().length).toBeGreaterThan(5)
    expect(rows.filter((code) => code.startsWith('ERR_')).sort()).toEqual(own().sort())
  })

  it('has a row for every errno that the documentation of a call names', () => {
    const codes = thrown()
    expect(codes.size).toBeGreaterThan(15)
    expect([...codes].filter((code) => !rows.includes(code))).toEqual([])
  })

  it('has a row for every errno that the sources have a hint for', () => {
    const hinted = sources.flatMap((text) => [...text.matchAll(/^ {2,}(E[A-Z]{3,}): ['`\w]/gm)])
    const listed = sources.flatMap((text) =>
      [...text.matchAll(/codes: \[([^\]]*)\]/g)].flatMap(([, codes]) => codes!.match(/E[A-Z]{3,}/g)!)
    )
    const codes = new Set([...hinted.flatMap(([, code]) => code ?? []), ...listed])
    expect(codes.size).toBeGreaterThan(10)
    expect([...codes].filter((code) => isErrno(code) && !rows.includes(code))).toEqual([])
  })

  it('has no row for an errno that the sources never mention', () => {
    const text = sources.join('\n')
    expect(rows.filter((code) => !text.includes(code))).toEqual([])
  })

  it('has the codes in alphabetical order, each once', () => {
    const errnos = rows.filter((code) => !code.startsWith('ERR_'))
    expect(errnos).toEqual([...new Set(errnos)].sort())
  })
})
