import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { stringify } from 'yaml'
import type { Netplane } from '../frame/netplane.js'
import type { Place } from '../frame/row.js'
import { exampleProxy, startDaemon } from './daemon.js'
import { clusterNode, serviceObject, sliceObject, spareAddress, type ClusterSize } from './large-cluster.js'
import { memoryOf } from './process.js'
import { measureDaemon, usualPace, type Figures, type Pace, type Source } from './session.js'

/** A Service and its slice, as `kubectl get -o yaml` prints them, in one file. */
const manifestOf = (size: ClusterSize, number: number, first?: string): string =>
  `${stringify(serviceObject(number))}---\n${stringify(sliceObject(size, number, first))}`

/** A folder with a file for each Service. Files are replaced, not written over, so that none is read half. */
class Folder implements Source {
  readonly size: ClusterSize
  readonly #path: string
  #moves = 0

  constructor(folder: string, size: ClusterSize) {
    this.#path = folder
    this.size = size
    for (let service = 0; service < size.services; service += 1) this.#write(service, manifestOf(size, service))
  }

  #write(service: number, text: string): void {
    const file = path.join(this.#path, `s${service}.yaml`)
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }

  move(service: number): ReturnType<Source['move']> {
    const address = spareAddress(this.size, this.#moves++)
    const text = manifestOf(this.size, service, address)
    return { address, write: () => Promise.resolve(this.#write(service, text)) }
  }
}

/** What a session on a folder needs. */
interface FolderTask {
  /** The repository. */
  readonly root: string
  readonly size: ClusterSize
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-bench-folder-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const proxyOf = (root: string, folder: string) => exampleProxy(root, 'nftables', ['--manifests', folder, '--node-name', clusterNode])

/** Measures the example proxy on a folder. */
export async function measureFolder(netplane: Netplane, node: Place, { root, size }: FolderTask, pace: Pace = usualPace): Promise<Figures> {
  return await inFolder((folder) => measureDaemon(netplane, node, proxyOf(root, folder), new Folder(folder, size), pace))
}

/** Memory that a large file takes. */
export interface FileMemory {
  readonly fileMiB: number
  /** What the process takes at most beyond one with an empty folder. */
  readonly growthMiB: number
}

/** Measures the memory of the example proxy with all Services in one file of YAML, beside that with an empty folder. */
export async function measureFile(node: Place, { root, size }: FolderTask): Promise<FileMemory> {
  return await inFolder(async (folder) => {
    const peakOf = async (name: string): Promise<number> => {
      const { program } = await startDaemon(node, proxyOf(root, path.join(folder, name)), usualPace.timeoutMs)
      const { peakMiB } = await memoryOf(program.pid)
      await program.stop('SIGKILL')
      return peakMiB
    }
    mkdirSync(path.join(folder, 'empty'))
    mkdirSync(path.join(folder, 'full'))
    const file = path.join(folder, 'full', 'all.yaml')
    writeFileSync(file, Array.from({ length: size.services }, (_, service) => manifestOf(size, service)).join('---\n'))
    const empty = await peakOf('empty')
    return { fileMiB: statSync(file).size / 2 ** 20, growthMiB: (await peakOf('full')) - empty }
  })
}
