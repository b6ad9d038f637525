import { basename, dirname } from 'node:path'
import type { Logger } from 'pino'
import { FolderWatch } from '../manifests/watch.js'
import type { ProxyOptions } from '../options.js'
import type { Command } from './command.js'
import { ConfigurationError, type Fault } from './faults.js'
import { readConfigurationText } from './file.js'

/** A proxy that runs. */
export interface RunningProxy {
  /** When the kernel first holds what should be. */
  readonly synced: Promise<void>
  /** Whether its plane can go on by these options: then nothing that it serves ends. */
  mayHandOver(next: ProxyOptions): boolean
  /** Tells it why the configuration that was to follow cannot be had; undefined: its own one is what is wanted. */
  refuse(error: Error | undefined): void
  /** Stops; without `how` the options say whether the rules stay. */
  stop(how?: { readonly cleanup: boolean }): Promise<void>
}

/** What a start needs to know, and whom it tells. */
export interface StartHooks<Proxy> {
  /** Told of the proxy as soon as it can be stopped, while it starts. */
  readonly opened: (proxy: Proxy) => void
  /** Told when what the options mean has changed, such as the prefixes of pods of this node: the proxy is opened anew. */
  readonly outdated: () => void
  /** Aborted when the proxy is to stop, whatever its start waits for. */
  readonly signal: AbortSignal
  /** The proxy whose plane goes on by the new options. It runs on where the start fails before `opened` was called. */
  readonly predecessor: Proxy | undefined
  /** Whether nothing has run before: then there is nothing to go back to, and a start may take its time. */
  readonly isFirst: boolean
}

/** Starts a proxy. It adopts what an earlier one left in the kernel. */
export type Start<Proxy> = (options: ProxyOptions, hooks: StartHooks<Proxy>) => Promise<Proxy>

/** What is done for a proxy that follows its configuration. */
export interface FollowActions<Proxy extends RunningProxy> {
  /** Reads the command line and the file anew. @throws {ConfigurationError} Something is wrong. */
  readonly read: () => Command
  readonly start: Start<Proxy>
  /** Removes what the options' mode has in the kernel. */
  readonly cleanUp: (options: ProxyOptions) => Promise<void>
}

const RETRY_MS = 1000

/** Where services are in the kernel: another place holds nothing of the one before. */
function placeOf({ plane, name, netns }: ProxyOptions): string {
  return JSON.stringify([plane.mode, name, netns])
}

/**
 * Runs a proxy by a file of configuration, and follows that file. A valid change of the mode lets the plane go on in another one; any other valid change opens the plane anew, which adopts the rules that stay in the kernel meanwhile.
 * A file that is not valid changes nothing.
 */
export class ConfigurationFollower<Proxy extends RunningProxy = RunningProxy> {
  readonly #actions: FollowActions<Proxy>
  readonly #log: Logger
  #options: ProxyOptions
  #proxy: Proxy | undefined
  #watch: FolderWatch | undefined
  #text: string | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #retry: NodeJS.Timeout | undefined
  readonly #stopping = new AbortController()
  /** Places that have rules of an earlier configuration. */
  readonly #left = new Map<string, ProxyOptions>()
  #cleaning: Promise<void> = Promise.resolve()

  constructor(command: Command, actions: FollowActions<Proxy>, log: Logger) {
    this.#options = command.options
    this.#text = command.text
    this.#actions = actions
    this.#log = log
    this.#tell(command.warnings)
  }

  /** Starts the proxy, and follows the file. @throws The proxy cannot be started. */
  async start(file: string | undefined): Promise<void> {
    const starting = this.#begin(this.#options, undefined, true)
    this.#turn = starting.catch(() => undefined)
    try {
      await starting
    } catch (error) {
      if (error === this.#stopping.signal.reason) return
      throw error
    }
    if (file === undefined || this.#isStopping()) return
    // The folder, because a ConfigMap is a link to a folder that is replaced.
    this.#watch = new FolderWatch(
      dirname(file),
      () => this.#look(file),
      (error) => this.#log.error({ err: error }, `watching ${basename(file)} failed`)
    )
    // What changed since it was read, nobody has told.
    this.#look(file)
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted
  }

  /** Stops following, and the proxy. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#watch?.close()
    const open = this.#proxy
    // What starts is stopped at once, and not first when it has started.
    await open?.stop()
    await this.#turn
    clearTimeout(this.#retry)
    if (this.#proxy !== open) await this.#proxy?.stop()
  }

  async #begin(options: ProxyOptions, predecessor?: Proxy, isFirst = false): Promise<Proxy> {
    try {
      let own: Proxy | undefined
      const opened = (proxy: Proxy): void => {
        own = this.#proxy = proxy
      }
      const { signal } = this.#stopping
      const proxy = await this.#actions.start(options, { opened, outdated: () => this.#openAnew(own), signal, predecessor, isFirst })
      this.#proxy = proxy
      return proxy
    } catch (error) {
      // Where none was opened, the predecessor runs on.
      if (this.#proxy !== predecessor) this.#proxy = undefined
      throw error
    }
  }

  /** @param outdated The proxy that says so: one that is gone already has no say. */
  #openAnew(outdated: Proxy | undefined): void {
    this.#turn = this.#turn
      .then(async () => {
        if (this.#proxy === outdated && !this.#isStopping()) await this.#change(this.#options)
      })
      .catch((error: unknown) => {
        this.#log.error({ err: error }, 'the proxy cannot be opened anew')
        this.#comeBack(() => this.#openAnew(undefined))
      })
  }

  /** Tries again where no proxy runs: the rules in the kernel serve alone, and nothing follows the services. */
  #comeBack(attempt: () => void): void {
    if (this.#proxy !== undefined || this.#isStopping()) return
    clearTimeout(this.#retry)
    this.#retry = setTimeout(attempt, RETRY_MS)
  }

  #tell(faults: readonly Fault[]): void {
    for (const { severity, ...fault } of faults) {
      if (severity === 'warning') this.#log.warn(fault, 'configuration')
      else this.#log.error(fault, 'configuration')
    }
  }

  #look(file: string): void {
    this.#turn = this.#turn.then(() => this.#follow(file)).catch((error: unknown) => this.#fail(error, file))
  }

  /** What went wrong is told, and the proxy stays as it is. */
  #fail(error: unknown, file: string): void {
    if (error instanceof ConfigurationError) this.#tell(error.faults)
    else this.#log.error({ err: error }, 'the configuration cannot be followed')
    // A file that is not valid meanwhile leaves the last configuration.
    if (error instanceof ConfigurationError) return this.#comeBack(() => this.#openAnew(undefined))
    if (this.#proxy === undefined) this.#text = undefined
    this.#comeBack(() => this.#look(file))
  }

  async #follow(file: string): Promise<void> {
    if (this.#isStopping()) return
    const text = readConfigurationText(file)
    if (text === this.#text) return
    // Each text is told once.
    this.#text = text
    const command = this.#actions.read()
    this.#tell(command.warnings)
    if (this.#proxy !== undefined && JSON.stringify(command.options) === JSON.stringify(this.#options)) return this.#proxy.refuse(undefined)
    await this.#change(command.options)
  }

  async #change(next: ProxyOptions): Promise<void> {
    const last = this.#options
    const predecessor = this.#proxy?.mayHandOver(next) === true ? this.#proxy : undefined
    if (predecessor === undefined) await this.#end()
    // The place that the plane goes to may be one that is being cleaned up.
    else await this.#cleaning
    if (this.#isStopping()) return
    let proxy: Proxy
    try {
      proxy = await this.#begin(next, predecessor)
    } catch (error) {
      if (this.#isStopping()) return
      this.#log.error({ err: error }, 'the new configuration cannot be had, and the last one stays')
      await this.#goBack(last, predecessor === undefined ? undefined : next)
      this.#proxy?.refuse(error as Error)
      return
    }
    this.#options = next
    this.#log.info({ mode: next.plane.mode }, 'follows the new configuration')
    if (predecessor === undefined) this.#left.set(placeOf(last), last)
    this.#cleaning = this.#cleanUpLeft(proxy)
  }

  /** Ends the proxy that is to be opened anew. */
  async #end(): Promise<void> {
    try {
      await this.#proxy?.stop({ cleanup: false })
    } finally {
      // One that could not be stopped well does not run any more, either.
      this.#proxy = undefined
    }
  }

  /** @param reached Where the plane had gone when the new proxy failed: what it has there goes when the last configuration serves again. */
  async #goBack(last: ProxyOptions, reached: ProxyOptions | undefined): Promise<void> {
    if (this.#proxy !== undefined) return
    if (reached !== undefined) this.#left.set(placeOf(reached), reached)
    const proxy = await this.#begin(last)
    this.#cleaning = this.#cleanUpLeft(proxy)
  }

  /** Removes what is in other places, once the new one serves: no client waits in between. */
  async #cleanUpLeft(proxy: Proxy): Promise<void> {
    await proxy.synced
    for (const [place, left] of this.#left) {
      if (this.#isStopping() || this.#proxy !== proxy) return
      this.#left.delete(place)
      if (place === placeOf(this.#options)) continue
      try {
        await this.#actions.cleanUp(left)
        this.#log.info({ mode: left.plane.mode }, 'the rules of the last configuration are gone')
      } catch (error) {
        this.#log.error({ err: error, mode: left.plane.mode }, 'the rules of the last configuration stay')
      }
    }
  }
}
