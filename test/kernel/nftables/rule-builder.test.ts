import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Nftables, type Family, type ListedElements, type Ruleset } from '../../../src/index.js'
import type { Expression } from '../../../src/nftables.js'
import { rowAt } from '../../../src/nftables/columns.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { isInLab } from '../../support/lab.js'
import { nft, nftScript } from '../../support/namespace.js'
import { run } from '../../support/run.js'
import { actions } from './rules/actions.js'
import { conditions } from './rules/conditions.js'
import { golden } from './rules/golden.js'
import type { Row } from './rules/row.js'
import { setsOf } from './rules/sets.js'

// Every rule is written twice: by nft from its text into the table `theirs`, by the builder into `ours`. What the kernel then holds must be the same, and nft must
// print the text again.
/** Kernels for machines in a cloud leave out `reject` on ingress, which came with Linux 5.12. */
const hasIngressReject = !isInLab || spawnSync('modprobe', ['--dry-run', '--quiet', 'nft_reject_netdev']).status === 0
/** Elements for all other keys came with Linux 5.13. */
const isHere = ({ family, text }: Row): boolean =>
  !(isOlderThan('5.13') && text.includes('* :')) && (hasIngressReject || family !== 'netdev' || !text.includes('reject'))

const rows: readonly Row[] = [...conditions, ...actions, ...golden].filter(isHere)
const families: readonly Family[] = ['inet', 'ip', 'ip6', 'arp', 'bridge', 'netdev']
const tables = ['theirs', 'ours'] as const

const chainOf = (row: Row): string => `r${rows.indexOf(row)}`

/** The rows of a set; hash sets list them in an order of their own. */
function sortedRows(listed: ListedElements): unknown[] {
  const rows = listed.chunks.flatMap((columns) => Array.from({ length: columns.rows }, (_, index) => rowAt(columns, index)))
  return rows.sort((left, right) => Buffer.compare(left.key, right.key) || right.flags - left.flags)
}

/** The rules of a listing by their chains, with the sets that belong to them in place of their names. */
function read(ruleset: Ruleset, table: string): Map<string, unknown> {
  const anonymous = new Map(
    ruleset.elements
      .filter(({ set }) => set.table === table && set.name.startsWith('__'))
      .map((listed) => {
        const { set } = listed
        const declared: Record<string, unknown> = { ...set }
        for (const field of ['handle', 'name', 'table', 'raw']) Reflect.deleteProperty(declared, field)
        return [`${set.family} ${set.name}`, { declared, rows: sortedRows(listed) }] as const
      })
  )
  const expand = (family: Family, expression: Expression): unknown =>
    (expression.type === 'lookup' || expression.type === 'objref') && anonymous.has(`${family} ${expression.set}`)
      ? { ...expression, set: anonymous.get(`${family} ${expression.set}`) }
      : expression
  return new Map(
    ruleset.rules
      .filter((rule) => rule.table === table)
      .map((rule) => [
        `${rule.family} ${rule.chain}`,
        { expressions: rule.expressions.map((expression) => expand(rule.family, expression)), userdata: rule.userdata }
      ])
  )
}

/** The rules as nft prints them, by chain, on one line each. */
function printed(listing: string): Map<string, string> {
  const found = new Map<string, string>()
  let chain: string | undefined
  for (const line of listing.split('\n')) {
    const opened = /^\tchain (\w+) \{$/.exec(line)
    if (opened !== null) chain = opened[1]
    else if (line === '\t}') chain = undefined
    else if (chain !== undefined) found.set(chain, `${found.get(chain) ?? ''} ${line.trim()}`.trim())
  }
  return found
}

/** What rules give to connections. */
const OBJECTS = `ct helper ftp {
  type "ftp" protocol tcp
}
ct timeout short {
  protocol tcp
  policy = { established : 100 }
}
quota many {
  1 mbytes
}
limit slow {
  rate 1/second
}
synproxy proxy {
  mss 1460
  wscale 7
}
`

// nft prints times of day in the time zone that it runs in.
process.env['TZ'] = 'UTC'

let theirs: Map<string, unknown>
let ours: Map<string, unknown>
const texts = new Map<string, string>()
const bytecode = new Map<string, string>()

async function prepare(client: Nftables): Promise<void> {
  const tx = client.transaction()
  for (const family of families) {
    for (const table of tables) {
      tx.add.table({ family, name: table })
      tx.add.chain({ family, table, name: 'web' })
      tx.add.counter({ family, table, name: 'hits' })
      for (const set of setsOf(family, table)) tx.add.set(set)
      for (const row of rows) if (row.family === family) tx.add.chain({ family, table, name: chainOf(row) })
    }
  }
  await tx.commit()
}

beforeAll(async () => {
  await run('ip', ['link', 'set', 'lo', 'up'])
  await using client = await Nftables.open()
  await prepare(client)
  for (const table of tables) await nftScript(`table inet ${table} {\n${OBJECTS}}\n`)
  await nftScript(rows.map((row) => `add rule ${row.family} theirs ${chainOf(row)} ${row.text}\n`).join(''))
  const tx = client.transaction()
  for (const row of rows) tx.add.rule({ family: row.family, table: 'ours', chain: chainOf(row), statements: row.statements })
  await tx.commit()
  const ruleset = await client.list({ elements: true })
  theirs = read(ruleset, 'theirs')
  ours = read(ruleset, 'ours')
  for (const family of families) {
    for (const [chain, text] of printed(await nft('list', 'table', family, 'ours'))) texts.set(`${family} ${chain}`, text)
    for (const table of tables) bytecode.set(`${family} ${table}`, await nft('--debug=netlink', 'list', 'table', family, table))
  }
}, 60_000)

afterAll(async () => {
  await using client = await Nftables.open()
  const tx = client.transaction()
  for (const family of families) for (const name of tables) tx.delete.table({ family, name })
  await tx.commit()
})

describe.each(rows.map((row) => [`${row.family}: ${row.text}`, row] as const))('%s', (_, row) => {
  const key = `${row.family} ${chainOf(row)}`

  it('is held by the kernel as nft would have it', () => {
    expect(ours.get(key)).toBeDefined()
    expect(ours.get(key)).toEqual(theirs.get(key))
  })

  it('is printed by nft as it was meant', () => {
    expect(texts.get(key)).toBe(row.prints ?? row.text)
  })
})

it.each(families)('family %s: libnftnl decodes the same bytecode', (family) => {
  const anonymize = (text: string): string[] => {
    const lines = text
      .replaceAll(/__(set|map|objmap)\d+/g, '__$1')
      .replaceAll(/\b(ours|theirs)\b/g, 'table')
      // The handle, which some kernels count otherwise.
      .replaceAll(/^(\w+ table r\d+) \d+$/gm, '$1')
      .split('\n')
    // Elements of sets are compared above; hash sets list them in an order of their own.
    return lines.filter((line) => !line.startsWith('\telement'))
  }
  expect(anonymize(bytecode.get(`${family} ours`)!)).toEqual(anonymize(bytecode.get(`${family} theirs`)!))
})

it('covers at least 200 rules, and 120 of the families of tests that nft has', () => {
  expect(rows.length).toBeGreaterThan(200)
  expect(golden.length).toBeGreaterThan(120)
  expect(new Set(golden.map(({ family }) => family))).toEqual(new Set(families))
})
