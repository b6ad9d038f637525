import { opendirSync, statSync, watch, type FSWatcher } from 'node:fs'

/** Editors and `kubectl` write a file in several steps: wait for quiet, but not for ever. */
const QUIET_MS = 50
/** A folder that takes another's place does not notify who watches the other one. */
const IDENTITY_MS = 1000
/** File systems without notifications (network mounts) are looked at anyway. */
const RESCAN_MS = 10_000

/** What tells a folder from another one of the same name; undefined where there is none. */
function identityOf(folder: string): string | undefined {
  const found = statSync(folder, { bigint: true, throwIfNoEntry: false })
  // The number of a folder that is gone is soon that of another one.
  return found === undefined ? undefined : `${found.dev} ${found.ino} ${found.birthtimeNs}`
}

/**
 * Told when something in a folder may have changed: the names that were noticed, none where it is only time to look at what does not notify, and nothing where it may be anything: another
 * folder has taken its name, or a link leads to another one.
 */
export type FolderListener = (names?: ReadonlySet<string>) => void

/** Tells what may have changed in a folder. */
export class FolderWatch {
  readonly #folder: string
  readonly #changed: FolderListener
  readonly #failed: (error: Error) => void
  readonly #timers: readonly NodeJS.Timeout[]
  #watcher: FSWatcher | undefined
  #watched: string | undefined
  #hasFailed = false
  #quiet: NodeJS.Timeout | undefined
  /** What was noticed; undefined: something without a name. */
  #noticed: Set<string> | undefined = new Set()

  /**
   * @param failed Told once when the folder cannot be watched, because too many are (`EMFILE`, `ENOSPC`), for example. It is tried again, and the folder is looked at every 10 s meanwhile.
   * @throws The folder cannot be read.
   */
  constructor(folder: string, changed: FolderListener, failed: (error: Error) => void) {
    opendirSync(folder).closeSync()
    this.#folder = folder
    this.#changed = changed
    this.#failed = failed
    this.#follow()
    this.#timers = [setInterval(() => this.#follow() && changed(), IDENTITY_MS), setInterval(() => changed(new Set()), RESCAN_MS)]
  }

  close(): void {
    this.#watcher?.close()
    for (const timer of this.#timers) clearInterval(timer)
    clearTimeout(this.#quiet)
  }

  /** Watches what has the folder's name now. Returns whether that is another folder, or none any more. */
  #follow(): boolean {
    try {
      const identity = identityOf(this.#folder)
      if (identity === this.#watched) return false
      this.#watcher?.close()
      this.#watched = undefined
      if (identity === undefined) return true
      this.#watcher = watch(this.#folder, (_event, name) => this.#notice(name)).on('error', (error) => this.#fail(error))
      this.#watched = identity
      this.#hasFailed = false
      return true
    } catch (error) {
      this.#fail(error as Error)
      return false
    }
  }

  #notice(name: string | null): void {
    if (name === null) this.#noticed = undefined
    else this.#noticed?.add(name)
    this.#quiet ??= setTimeout(() => {
      const names = this.#noticed
      this.#quiet = undefined
      this.#noticed = new Set()
      this.#changed(names)
    }, QUIET_MS)
  }

  #fail(error: Error): void {
    this.#watched = undefined
    if (!this.#hasFailed) this.#failed(error)
    this.#hasFailed = true
  }
}
