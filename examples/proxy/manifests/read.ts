import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describeObject, ObjectChoice } from './choice.js'
import { ManifestFile } from './file.js'
import { parserAtOnce, type PieceParser } from './parse.js'
import type { FolderContent, ManifestProblem, Manifests } from './types.js'
import type { KubernetesObject } from '../kubernetes/types.js'

/** True where the folder has no such name any more, not even as a link to nowhere. */
async function isGone(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => false,
    (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT'
  )
}

/**
 * A folder of manifests: all its `.yaml`, `.yml` and `.json` files, in the order of their names.
 *
 * What cannot be read or understood says nothing about what should be. While a file has a problem, every object that it held before and shows no more is kept: it may be
 * the very one that cannot be understood. Only a file whose name is gone takes its objects with it.
 */
export class ManifestFolder {
  readonly #folder: string
  readonly #openParser: () => PieceParser
  /** The objects of each file, as last known. */
  #known: ReadonlyMap<string, readonly KubernetesObject[]> = new Map()
  #files: ReadonlyMap<string, ManifestFile> = new Map()

  /** @param openParser Gives what parses the files of one reading; where that throws, it is a problem of the file. */
  constructor(folder: string, openParser: () => PieceParser = () => parserAtOnce) {
    this.#folder = folder
    this.#openParser = openParser
  }

  /** @throws The folder cannot be read: then nothing is known, and nothing should be concluded from it. */
  async read(): Promise<FolderContent> {
    const parser = this.#openParser()
    try {
      return await this.#readFiles(parser)
    } finally {
      parser.close()
    }
  }

  async #readFiles(parser: PieceParser): Promise<FolderContent> {
    const names = (await readdir(this.#folder)).filter((name) => /^[^.].*\.(ya?ml|json)$/s.test(name)).sort()
    const known = new Map<string, readonly KubernetesObject[]>()
    const files = new Map<string, ManifestFile>()
    const choice = new ObjectChoice()
    const problems: ManifestProblem[] = []
    const outdated: string[] = []
    for (const name of names) {
      const file = this.#files.get(name) ?? new ManifestFile(join(this.#folder, name))
      const parsed = await this.#readFile(name, file, parser)
      if (parsed === undefined) continue
      files.set(name, file)
      const kept = parsed.problems.length === 0 ? [] : this.#missing(name, parsed.objects)
      known.set(name, [...parsed.objects, ...kept])
      choice.add(name, parsed.objects, kept)
      problems.push(...parsed.problems)
      if (kept.length > 0 || parsed.problems.some(({ document }) => document === 0)) outdated.push(name)
    }
    this.#known = known
    this.#files = files
    return { objects: choice.objects, problems: [...problems, ...choice.problems], outdated }
  }

  /** Undefined where the file is gone, also when it went between listing and reading. */
  async #readFile(name: string, file: ManifestFile, parser: PieceParser): Promise<Manifests | undefined> {
    try {
      return await file.read(parser)
    } catch (error) {
      if (await isGone(join(this.#folder, name))) return undefined
      return { objects: [], problems: [{ file: name, document: 0, reason: (error as Error).message }] }
    }
  }

  #missing(name: string, objects: readonly KubernetesObject[]): KubernetesObject[] {
    const shown = new Set(objects.map(describeObject))
    return (this.#known.get(name) ?? []).filter((object) => !shown.has(describeObject(object)))
  }
}
