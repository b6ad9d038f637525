import { watch, type FSWatcher } from 'node:fs'

/** Editors and `kubectl` write a file in several steps: wait for quiet, but not for ever. */
const QUIET_MS = 50
/** File systems without notifications (network mounts) are looked at anyway. */
const RESCAN_MS = 10_000

/** Calls `changed` when something in the folder may have changed. */
export class FolderWatch {
  readonly #watcher: FSWatcher
  readonly #rescan: NodeJS.Timeout
  #quiet: NodeJS.Timeout | undefined

  constructor(folder: string, changed: () => void, failed: (error: Error) => void) {
    this.#watcher = watch(folder, () => {
      this.#quiet ??= setTimeout(() => {
        this.#quiet = undefined
        changed()
      }, QUIET_MS)
    })
    this.#watcher.on('error', failed)
    this.#rescan = setInterval(changed, RESCAN_MS)
  }

  close(): void {
    this.#watcher.close()
    clearInterval(this.#rescan)
    clearTimeout(this.#quiet)
  }
}
