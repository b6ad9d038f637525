import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { machines } from '../../../tools/lab/machines.mjs'
import { filesOfSuites, leftOut, notInContainer } from '../../run/suites.mjs'

const root = path.resolve(import.meta.dirname, '../../..')
const files = filesOfSuites(root)
const NEWEST_NFT = 'the newest nft'

it('every test file that changes a kernel is in one suite, and every suite has a file', () => {
  expect([...files].filter(([, of]) => of.length === 0).map(([{ name }]) => name)).toEqual([])
  const all = [...files.values()].flat()
  expect(new Set(all).size).toBe(all.length)
})

it('a file belongs to the suite that names it most exactly', () => {
  const suiteOf = (file: string): string | undefined => [...files].find(([, of]) => of.includes(file))?.[0].name
  expect(suiteOf('test/kernel/ipvs/client.test.ts')).toBe('ipvs')
  expect(suiteOf('test/kernel/ipvs/sync.test.ts')).toBe('ipvs sync')
  expect(suiteOf('test/kernel/examples/proxy.test.ts')).toBe('plane')
  expect(suiteOf('test/kernel/examples/proxy-ipvs.test.ts')).toBe('proxy with ipvs')
})

it('what every suite requires is had by a kernel of the lab, or by the stage `listing`', () => {
  const lacking = (requires: readonly string[]): boolean =>
    Object.values(machines).every(({ lacks }) => requires.some((feature) => feature in lacks))
  const nowhere = [...files.keys()].filter(({ requires }) => !requires.includes(NEWEST_NFT) && lacking(requires))
  expect(nowhere).toEqual([])
})

it('the files of the stage `listing` are the ones that are called so', () => {
  const named = [...files.values()].flat().filter((file) => file.endsWith('/listing.test.ts'))
  expect([...files].filter(([{ requires }]) => requires.includes(NEWEST_NFT)).flatMap(([, of]) => of)).toEqual(named)
})

it('a kernel without IPVS leaves out what requires it, with the reason, and no contract', () => {
  const left = leftOut(files, { ipvs: 'no IPVS' })
  expect(left.get('no IPVS')).toContain('test/kernel/ipvs/client.test.ts')
  expect(left.get('no IPVS')).not.toContain('test/contract/ipvs.test.ts')
  expect([...leftOut(files, {}).values()].flat()).toEqual([
    'test/kernel/nftables/listing.test.ts',
    'test/kernel/nftables/rules/listing.test.ts',
    'test/kernel/plane/nftables/listing.test.ts'
  ])
})

it('a container runs files of every client', () => {
  const left = notInContainer(files)
  expect(left).toContain('test/contract/behaviour/behaviour.test.ts')
  const rest = [...files.values()].flat().filter((file) => !left.includes(file))
  for (const client of ['nftables', 'conntrack', 'iptables', 'route', 'plane/nftables'])
    expect(rest.filter((file) => file.startsWith(`test/kernel/${client}/`))).not.toEqual([])
})

it('the folders of test/unit mirror those of src; the rest are tests of examples, tools, bench and the runner', () => {
  const folders = readdirSync(path.join(root, 'test/unit'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.relative(path.join(root, 'test/unit'), path.join(entry.parentPath, entry.name)))
  const mirrored = (folder: string): boolean => ['src', '', 'test'].some((above) => existsSync(path.join(root, above, folder)))
  // Data of the tests beside them.
  expect(folders.filter((folder) => !mirrored(folder) && path.basename(folder) !== 'goldens')).toEqual([])
})
