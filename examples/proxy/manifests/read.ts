import { lstat, readdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { describeObject, ObjectChoice } from './choice.js'
import { ManifestFile } from './file.js'
import { parserAtOnce, type PieceParser } from './parse.js'
import type { FolderContent, ManifestProblem, Manifests } from './types.js'
import type { KubernetesObject } from '../kubernetes/types.js'

/** What has a name: a link itself, not what it leads to. Where nobody can tell, a file, whose reading says why. */
async function kindOf(path: string): Promise<'file' | 'other' | 'gone'> {
  try {
    return (await lstat(path)).isFile() ? 'file' : 'other'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'file'
  }
}

const hasEnding = (name: string): boolean => /^[^.].*\.(ya?ml|json)$/s.test(name)

/** A file as it was seen last. */
interface SeenFile {
  readonly file: ManifestFile
  readonly content: Manifests
  /** Objects that it held before, for as long as it has a problem. */
  readonly kept: readonly KubernetesObject[]
  /** Whether it may change unnoticed, or was not read. */
  readonly isRestless: boolean
}

const isUnread = ({ problems }: Manifests): boolean => problems.some(({ document }) => document === 0)

/** What the kernel tells of changes by whomever (`f_type` of statfs(2), linux/magic.h): ext4, XFS, Btrfs, tmpfs, overlayfs, F2FS. Servers of a network tell of none. */
const NOTIFYING: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010])
/** Files that are read at the same time: reading one is waiting for the most part. */
const AT_ONCE = 32
/** As many times as long as it takes to look at all files is waited before they are looked at again without need. */
const REST = 1000
/** The longest wait: who looks at many files for the first time parses them, too. */
const MAX_REST_MS = 300_000

/**
 * A folder of manifests: all its `.yaml`, `.yml` and `.json` files, in the order of their names.
 *
 * What cannot be read or understood says nothing about what should be. While a file has a problem, every object that it held before and shows no more is kept: it may be
 * the very one that cannot be understood. Only a file whose name is gone takes its objects with it.
 */
export class ManifestFolder {
  readonly #folder: string
  readonly #openParser: () => PieceParser
  readonly #only: string | undefined
  #files: ReadonlyMap<string, SeenFile> = new Map()
  /** Links and folders in the folder: what files are links to may be behind them. */
  #ways: ReadonlySet<string> = new Set()
  /** When all files are looked at again, on the clock of `performance.now()`. */
  #wholeAt = 0

  /**
   * @param openParser Gives what parses the files of one reading; where that throws, it is a problem of the file.
   * @param only The one file that counts, whatever its name ends with. Where it is gone, the folder cannot be read.
   */
  constructor(folder: string, openParser: () => PieceParser = () => parserAtOnce, only?: string) {
    this.#only = only
    this.#folder = folder
    this.#openParser = openParser
  }

  /**
   * @param changed Names that may have changed. Of the other files only those are looked at that may change unnoticed: links, and those that could not be read. Absent: all files are looked at, and also
   *   where it is time to do so.
   * @throws The folder cannot be read: then nothing is known, and nothing should be concluded from it.
   */
  async read(changed?: ReadonlySet<string>): Promise<FolderContent> {
    const parser = this.#openParser()
    try {
      return changed === undefined || performance.now() >= this.#wholeAt || (await this.#mayBeAnything(changed))
        ? await this.#readWhole(parser)
        : await this.#readSome(changed, parser)
    } catch (error) {
      this.#wholeAt = 0
      throw error
    } finally {
      parser.close()
    }
  }

  #isManifest(name: string): boolean {
    return this.#only === undefined ? hasEnding(name) : name === this.#only
  }

  /** What there is to look at. @throws The folder cannot be read, or the only file is gone. */
  async #list(): Promise<{ readonly name: string; readonly isFile: boolean }[]> {
    if (this.#only === undefined) {
      const entries = await readdir(this.#folder, { withFileTypes: true })
      return entries.map((entry) => ({ name: entry.name, isFile: entry.isFile() }))
    }
    return [{ name: this.#only, isFile: (await lstat(join(this.#folder, this.#only))).isFile() }]
  }

  /** Whether a name other than that of a file of manifests may be a way to some. */
  async #mayBeAnything(changed: ReadonlySet<string>): Promise<boolean> {
    for (const name of changed) {
      if (this.#isManifest(name)) continue
      if (this.#ways.has(name) || (await kindOf(join(this.#folder, name))) === 'other') return true
    }
    return false
  }

  async #readWhole(parser: PieceParser): Promise<FolderContent> {
    const began = performance.now()
    const { type } = await statfs(this.#folder)
    const entries = await this.#list()
    const names = entries.filter(({ name }) => this.#isManifest(name)).sort((a, b) => (a.name < b.name ? -1 : 1))
    const files = new Map<string, SeenFile>()
    for (let from = 0; from < names.length; from += AT_ONCE) {
      const some = names.slice(from, from + AT_ONCE)
      const seen = await Promise.all(some.map((entry) => this.#look(entry.name, !entry.isFile, parser)))
      for (const [index, { name }] of some.entries()) if (seen[index] !== undefined) files.set(name, seen[index])
    }
    this.#ways = new Set(entries.filter(({ isFile }) => !isFile).map(({ name }) => name))
    const tookMs = performance.now() - began
    this.#wholeAt = NOTIFYING.has(type) ? performance.now() + Math.min(REST * tookMs, MAX_REST_MS) : 0
    return this.#take(files)
  }

  async #readSome(changed: ReadonlySet<string>, parser: PieceParser): Promise<FolderContent> {
    const added = [...changed].filter((name) => this.#isManifest(name) && !this.#files.has(name))
    const names = added.length === 0 ? this.#files.keys() : [...this.#files.keys(), ...added].sort()
    const files = new Map<string, SeenFile>()
    for (const name of names) {
      const before = this.#files.get(name)
      const isDue = before === undefined || before.isRestless || changed.has(name)
      const seen = isDue ? await this.#lookAgain(name, parser) : before
      if (seen !== undefined) files.set(name, seen)
    }
    return this.#take(files)
  }

  async #lookAgain(name: string, parser: PieceParser): Promise<SeenFile | undefined> {
    const kind = await kindOf(join(this.#folder, name))
    return kind === 'gone' ? undefined : await this.#look(name, kind === 'other', parser)
  }

  async #look(name: string, mayLead: boolean, parser: PieceParser): Promise<SeenFile | undefined> {
    const before = this.#files.get(name)
    const file = before?.file ?? new ManifestFile(join(this.#folder, name))
    const content = await this.#readFile(name, file, parser)
    if (content === undefined) return undefined
    const kept = before === undefined || content.problems.length === 0 ? [] : missing(before, content.objects)
    return { file, content, kept, isRestless: mayLead || isUnread(content) }
  }

  /** What files show together. */
  #take(files: ReadonlyMap<string, SeenFile>): FolderContent {
    // A folder without files has no objects; a file that is gone says nothing.
    if (this.#only !== undefined && files.size === 0) throw new Error(`there is no file ${join(this.#folder, this.#only)}`)
    const choice = new ObjectChoice()
    const problems: ManifestProblem[] = []
    const outdated: string[] = []
    for (const [name, { content, kept }] of files) {
      choice.add(name, content.objects, kept)
      problems.push(...content.problems)
      if (kept.length > 0 || isUnread(content)) outdated.push(name)
    }
    this.#files = files
    return { objects: choice.objects, problems: [...problems, ...choice.problems], outdated }
  }

  /** Undefined where the file is gone, also when it went between listing and reading. */
  async #readFile(name: string, file: ManifestFile, parser: PieceParser): Promise<Manifests | undefined> {
    try {
      return await file.read(parser)
    } catch (error) {
      if ((await kindOf(join(this.#folder, name))) === 'gone') return undefined
      return { objects: [], problems: [{ file: name, document: 0, reason: (error as Error).message }] }
    }
  }
}

function missing({ content, kept }: SeenFile, objects: readonly KubernetesObject[]): KubernetesObject[] {
  const shown = new Set(objects.map(describeObject))
  return [...content.objects, ...kept].filter((object) => !shown.has(describeObject(object)))
}
