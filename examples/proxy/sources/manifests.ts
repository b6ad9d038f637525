import { describeObject } from '../manifests/choice.js'
import type { FolderContent } from '../manifests/types.js'
import { FolderWatch } from '../manifests/watch.js'
import type { KubernetesObject } from '../kubernetes/types.js'
import type { ObjectChange, ObjectSource, SourceListener, SourceStatus } from './types.js'

/** Where manifests are. */
export interface ManifestReader {
  /** As `ManifestFolder` reads. @throws Nothing is known: what was read before stays. */
  read(changed?: ReadonlySet<string>): Promise<FolderContent>
  /** Nothing is read any more. */
  close?(): void
}

/** A folder of manifests, one file of it, or the standard input as a source: it is read when something in it changed, and what differs from the reading before is told. */
export class ManifestSource implements ObjectSource {
  readonly #path: string | undefined
  readonly #folder: ManifestReader
  #listener: SourceListener | undefined
  #watch: FolderWatch | undefined
  #content: FolderContent | undefined
  #objects: ReadonlyMap<string, KubernetesObject> = new Map()
  #error: Error | undefined
  #reading: Promise<void> | undefined
  /** What to look at: names, or all. */
  #due: Set<string> | 'all' | undefined
  #isClosed = false

  /** @param path The folder that is watched; undefined: none is, and manifests are read once. */
  constructor(path: string | undefined, folder: ManifestReader) {
    this.#path = path
    this.#folder = folder
  }

  get status(): SourceStatus {
    return {
      name: 'folder',
      hasSynced: this.#content !== undefined,
      knowsRanges: this.#content !== undefined,
      isUnderstood: this.#content?.problems.length === 0,
      problems: this.#content?.problems ?? [],
      outdated: this.#content?.outdated ?? [],
      error: this.#error,
      isNeeded: true,
      requests: []
    }
  }

  open(): void {
    if (this.#path === undefined) return
    this.#watch = new FolderWatch(
      this.#path,
      (names) => this.#changed(names),
      (error) => this.#listener?.failed(new Error(`watching the folder failed: ${error.message}`, { cause: error }))
    )
  }

  async start(listener: SourceListener): Promise<void> {
    this.#listener = listener
    this.#changed()
    await this.#reading
  }

  close(): Promise<void> {
    this.#isClosed = true
    this.#watch?.close()
    this.#folder.close?.()
    // A folder that is being read is of no use any more, and may take long.
    return Promise.resolve()
  }

  #changed(names?: ReadonlySet<string>): void {
    if (this.#listener === undefined) return
    this.#due = names === undefined || this.#due === 'all' ? 'all' : new Set([...(this.#due ?? []), ...names])
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
  }

  async #read(): Promise<void> {
    while (this.#due !== undefined) {
      const due = this.#due
      this.#due = undefined
      try {
        const content = await this.#folder.read(due === 'all' ? undefined : due)
        if (this.#isClosed) return
        this.#error = undefined
        this.#take(content)
      } catch (error) {
        if (this.#isClosed) return
        // What cannot be read says nothing about what should be: the last state stays.
        this.#error = error as Error
        this.#listener?.failed(new Error(`the folder cannot be read: ${(error as Error).message}`, { cause: error }))
      }
    }
  }

  /** Files that did not change keep their objects, so that these are compared by identity. */
  #take(content: FolderContent): void {
    const objects = new Map(content.objects.map((object) => [describeObject(object), object]))
    const changes: ObjectChange[] = []
    for (const key of this.#objects.keys()) if (!objects.has(key)) changes.push({ key, object: undefined })
    for (const [key, object] of objects) if (this.#objects.get(key) !== object) changes.push({ key, object })
    this.#content = content
    this.#objects = objects
    this.#listener?.told(changes)
  }
}
