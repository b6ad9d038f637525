/**
 * The packed package on every platform and every line of Node.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lines, nodeIn, provideNode, provideRoot, rooted } from '../../tools/prebuild/roots.mjs'
import { binaryOf, targets } from '../../tools/prebuild/targets.mjs'
import { inNamespace } from '../run/namespace.mjs'
import { installPacked, type Installed } from '../support/installed.js'
import { run } from '../support/run.js'

let installed: Installed
beforeAll(async () => {
  installed = await installPacked()
})
afterAll(() => installed.remove())

/** Prints what the kernel says by the binary, and which binary that is. */
const script = (client: string): string => `
import { readFileSync } from 'node:fs'
import { Nftables, Route } from 'netplane'
const ask = {
  async nftables() {
    const nft = await Nftables.open()
    const tx = nft.transaction()
    tx.add.table({ family: 'inet', name: 'packed' })
    await tx.commit()
    const names = (await nft.listTables()).map(({ name }) => name)
    await nft.close()
    return names
  },
  async route() {
    const route = await Route.open()
    const names = (await route.listLinks()).map(({ name }) => name)
    await route.close()
    return names
  }
}
const names = await ask.${client}()
const [binary] = /\\S+\\.node$/m.exec(readFileSync('/proc/self/maps', 'utf8'))
console.log(JSON.stringify({ names, binary: binary.split('/node_modules/netplane/')[1] }))
`

function write(client: 'nftables' | 'route'): string {
  const name = `${client}.mjs`
  writeFileSync(path.join(installed.folder, name), script(client))
  return name
}

test('the tarball has the binaries of all platforms', () => {
  expect(installed.files).toEqual(expect.arrayContaining(Object.keys(targets).map(binaryOf)))
})

describe.each(lines)('Node %d', (line) => {
  test('loads the binary for glibc, and lists a table', async () => {
    const node = await provideNode(line)
    expect(await run(node, ['--version'])).toMatch(new RegExp(`^v${line}\\.`))
    const [command, ...args] = inNamespace([node, path.join(installed.folder, write('nftables'))])
    expect(JSON.parse(await run(command!, args))).toEqual({ names: ['packed'], binary: binaryOf(`linux-${process.arch}`) })
  })
})

describe.each(rooted)('a root of %s', (target) => {
  test('loads the binary for it, and speaks with the kernel', async () => {
    const root = await provideRoot(target)
    for (const name of ['proc', 'package']) mkdirSync(path.join(root, name), { recursive: true })
    const isEmulated = target.endsWith('arm64') !== (process.arch === 'arm64')
    // The emulator passes on rtnetlink alone.
    const client = isEmulated ? 'route' : 'nftables'
    const mounts = `mount -t proc proc '${root}/proc' && mount --bind '${installed.folder}' '${root}/package'`
    const inRoot = `${mounts} && cd / && exec chroot '${root}' ${nodeIn(root).join(' ')} '/package/${write(client)}'`
    const [command, ...args] = inNamespace(['sh', '-c', inRoot])
    const printed: unknown = JSON.parse(await run(command!, args, { timeoutMs: 120_000 }))
    expect(printed).toEqual({ names: isEmulated ? ['lo'] : ['packed'], binary: binaryOf(target) })
  })
})
