/**
 * The packed package on every platform and every line of Node.
 */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lines, nodeIn, provideNode, provideRoot, rooted } from '../../tools/prebuild/roots.mjs'
import { binaryOf, targets } from '../../tools/prebuild/targets.mjs'
import { inNamespace } from '../run/namespace.mjs'
import { installPacked, LISTS_ITS_TABLE, type Installed } from '../support/installed.js'
import { run } from '../support/run.js'

let installed: Installed
beforeAll(async () => {
  installed = await installPacked()
})
afterAll(() => installed.remove())

/** Prints the names of all links, where the emulator passes on rtnetlink alone. */
const LISTS_LINKS = `
  const route = await Route.open()
  console.log(JSON.stringify((await route.listLinks()).map(({ name }) => name)))
  await route.close()
`

/** Prints what the kernel says, and then by which binary. */
const script = (asks: string): string => `
import { readFileSync } from 'node:fs'
import { Nftables, Route } from 'netplane'
${asks}
console.log(/prebuilds.*[.]node$/m.exec(readFileSync('/proc/self/maps', 'utf8'))[0])
`

test('the tarball has the binaries of all platforms', () => {
  expect(installed.files).toEqual(expect.arrayContaining(Object.keys(targets).map(binaryOf)))
})

describe.each(lines)('Node %d', (line) => {
  test('loads the binary for glibc, and lists a table', async () => {
    const node = await provideNode(line)
    expect(await run(node, ['--version'])).toMatch(new RegExp(`^v${line}\\.`))
    const printed = await installed.scriptInNamespace('glibc.mjs', script(LISTS_ITS_TABLE), node)
    expect(printed).toBe(`["packed"]\n${binaryOf(`linux-${process.arch}`)}\n`)
  })
})

describe.each(rooted)('a root of %s', (target) => {
  test('loads the binary for it, and speaks with the kernel', async () => {
    const root = await provideRoot(target)
    for (const name of ['proc', 'package']) mkdirSync(path.join(root, name), { recursive: true })
    const isEmulated = target.endsWith('arm64') !== (process.arch === 'arm64')
    const file = await installed.write(`${target}.mjs`, script(isEmulated ? LISTS_LINKS : LISTS_ITS_TABLE))
    const mounts = `mount -t proc proc '${root}/proc' && mount --bind '${installed.folder}' '${root}/package'`
    const inRoot = `${mounts} && cd / && exec chroot '${root}' ${nodeIn(root).join(' ')} '/package/${path.basename(file)}'`
    const [command, ...args] = inNamespace(['sh', '-c', inRoot])
    expect(await run(command!, args, { timeoutMs: 120_000 })).toBe(`["${isEmulated ? 'lo' : 'packed'}"]\n${binaryOf(target)}\n`)
  })
})
