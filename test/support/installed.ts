import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { inNamespace } from '../run/namespace.mjs'
import { run } from './run.js'

const root = path.resolve(import.meta.dirname, '../..')

/** A folder in which the packed package is the only one installed. */
export interface Installed {
  readonly folder: string
  /** What is in the tarball, sorted. */
  readonly files: readonly string[]
  /** Writes a script there and runs it; resolves with what it prints, rejects unless it exits with 0. `flags` are those of node. */
  script(name: string, text: string, flags?: readonly string[]): Promise<string>
  /** The same in a fresh network namespace, by another Node where one is named. */
  scriptInNamespace(name: string, text: string, node?: string): Promise<string>
  /** Writes a file there. @returns Its path. */
  write(name: string, text: string): Promise<string>
  remove(): Promise<void>
}

/** What a script does that has `Nftables`: it adds a table, and prints the names of all there are. */
export const LISTS_ITS_TABLE = `
  const nft = await Nftables.open()
  const tx = nft.transaction()
  tx.add.table({ family: 'inet', name: 'packed' })
  await tx.commit()
  console.log(JSON.stringify((await nft.listTables()).map((table) => table.name)))
  await nft.close()
`

interface Tarball {
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}

/** Packs a package as it would be published, and installs it in a folder without network and without scripts. @returns What is in the tarball. */
export async function packAndInstall(source: string, folder: string): Promise<Tarball> {
  const json = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: source })
  const [tarball] = JSON.parse(json) as [Tarball]
  const install = ['install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', path.join(folder, tarball.filename)]
  await run('npm', install, { cwd: folder, timeoutMs: 60_000 })
  return tarball
}

/** Packs the package and installs it in a new folder. */
export async function installPacked(): Promise<Installed> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'netplane-pack-'))
  await writeFile(path.join(folder, 'package.json'), '{ "private": true }')
  const tarball = await packAndInstall(root, folder)
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(path.join(folder, name), text)
    return path.join(folder, name)
  }
  return {
    folder,
    files: tarball.files.map((file) => file.path).sort(),
    script: async (name, text, flags = []) => await run(process.execPath, [...flags, await write(name, text)], { cwd: folder }),
    scriptInNamespace: async (name, text, node = process.execPath) => {
      const [command, ...args] = inNamespace([node, await write(name, text)])
      return await run(command!, args, { cwd: folder })
    },
    write,
    remove: () => rm(folder, { recursive: true, force: true })
  }
}
