import { constants } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describeObject, ObjectChoice } from './choice.js'
import { parseManifests, type ParseManifests } from './parse.js'
import type { FolderContent, ManifestProblem, Manifests } from './types.js'
import type { KubernetesObject } from '../kubernetes/types.js'

/** Text of a regular file. Of a FIFO or a device no end may come: opening one must not wait, and reading it is not tried. */
async function readText(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is no regular file')
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

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
  readonly #parse: ParseManifests
  /** The objects of each file, as last known. */
  #known: ReadonlyMap<string, readonly KubernetesObject[]> = new Map()
  /** What was read last of each file: one that did not change is not parsed again. */
  #parsed = new Map<string, { readonly text: string; readonly manifests: Manifests }>()

  /** @param parse Parses a file; what it throws is a problem of the file. */
  constructor(folder: string, parse: ParseManifests = parseManifests) {
    this.#folder = folder
    this.#parse = parse
  }

  /** @throws The folder cannot be read: then nothing is known, and nothing should be concluded from it. */
  async read(): Promise<FolderContent> {
    const names = (await readdir(this.#folder)).filter((name) => /^[^.].*\.(ya?ml|json)$/s.test(name)).sort()
    const known = new Map<string, readonly KubernetesObject[]>()
    const choice = new ObjectChoice()
    const problems: ManifestProblem[] = []
    const outdated: string[] = []
    for (const name of names) {
      const parsed = await this.#readFile(name)
      if (parsed === undefined) continue
      const kept = parsed.problems.length === 0 ? [] : this.#missing(name, parsed.objects)
      known.set(name, [...parsed.objects, ...kept])
      choice.add(name, parsed.objects, kept)
      problems.push(...parsed.problems)
      if (kept.length > 0 || parsed.problems.some(({ document }) => document === 0)) outdated.push(name)
    }
    this.#known = known
    for (const name of this.#parsed.keys()) if (!known.has(name)) this.#parsed.delete(name)
    return { objects: choice.objects, problems: [...problems, ...choice.problems], outdated }
  }

  /** Undefined where the file is gone, also when it went between listing and reading. */
  async #readFile(name: string): Promise<Manifests | undefined> {
    const path = join(this.#folder, name)
    try {
      const text = await readText(path)
      const last = this.#parsed.get(name)
      const manifests = last?.text === text ? last.manifests : await this.#parse(name, text)
      this.#parsed.set(name, { text, manifests })
      return manifests
    } catch (error) {
      if (await isGone(path)) return undefined
      return { objects: [], problems: [{ file: name, document: 0, reason: (error as Error).message }] }
    }
  }

  #missing(name: string, objects: readonly KubernetesObject[]): KubernetesObject[] {
    const shown = new Set(objects.map(describeObject))
    return (this.#known.get(name) ?? []).filter((object) => !shown.has(describeObject(object)))
  }
}
