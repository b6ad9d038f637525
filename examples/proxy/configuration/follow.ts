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
  /** Stops; without `how` the options say whether the rules stay. */
  stop(how?: { readonly cleanup: boolean }): Promise<void>
}

/** What is done for a proxy that follows its configuration. */
export interface FollowActions {
  /** Reads the command line and the file anew. @throws {ConfigurationError} Something is wrong. */
  readonly read: () => Command
  /** Starts a proxy. It adopts what an earlier one left in the kernel. @param opened Told of the proxy as soon as it can be stopped, while it starts. */
  readonly start: (options: ProxyOptions, opened: (proxy: RunningProxy) => void) => Promise<RunningProxy>
  /** Removes what the options' mode has in the kernel. */
  readonly cleanUp: (options: ProxyOptions) => Promise<void>
}

const RETRY_MS = 1000

/** Where services are in the kernel: another place holds nothing of the one before. */
function placeOf({ plane, name, netns }: ProxyOptions): string {
  return JSON.stringify([plane.mode, name, netns])
}

/**
 * Runs a proxy by a file of configuration, and follows that file: a valid change opens the plane anew, which adopts the rules that stay in the kernel meanwhile. A file that is not valid changes nothing.
 */
export class ConfigurationFollower {
  readonly #actions: FollowActions
  readonly #log: Logger
  #options: ProxyOptions
  #proxy: RunningProxy | undefined
  #watch: FolderWatch | undefined
  #text: string | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #retry: NodeJS.Timeout | undefined
  #isStopping = false
  /** Places that have rules of an earlier configuration. */
  readonly #left = new Map<string, ProxyOptions>()

  constructor(command: Command, actions: FollowActions, log: Logger) {
    this.#options = command.options
    this.#actions = actions
    this.#log = log
    this.#tell(command.warnings)
  }

  /** Starts the proxy, and follows the file. @throws The proxy cannot be started. */
  async start(file: string | undefined): Promise<void> {
    if (file !== undefined) this.#text = readConfigurationText(file)
    const starting = this.#begin(this.#options)
    this.#turn = starting.catch(() => undefined)
    await starting
    if (file === undefined || this.#isStopping) return
    // The folder, because a ConfigMap is a link to a folder that is replaced.
    this.#watch = new FolderWatch(
      dirname(file),
      () => this.#look(file),
      (error) => this.#log.error({ err: error }, `watching ${basename(file)} failed`)
    )
  }

  /** Stops following, and the proxy. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#watch?.close()
    const open = this.#proxy
    // What starts is stopped at once, and not first when it has started.
    await open?.stop()
    await this.#turn
    clearTimeout(this.#retry)
    if (this.#proxy !== open) await this.#proxy?.stop()
  }

  async #begin(options: ProxyOptions): Promise<RunningProxy> {
    try {
      const proxy = await this.#actions.start(options, (opened) => {
        this.#proxy = opened
      })
      this.#proxy = proxy
      return proxy
    } catch (error) {
      this.#proxy = undefined
      throw error
    }
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
    if (this.#proxy !== undefined || this.#isStopping) return
    // No proxy runs, and the rules in the kernel serve alone: a proxy must come back.
    this.#text = undefined
    this.#retry = setTimeout(() => this.#look(file), RETRY_MS)
  }

  async #follow(file: string): Promise<void> {
    if (this.#isStopping) return
    const text = readConfigurationText(file)
    if (text === this.#text) return
    // Each text is told once.
    this.#text = text
    const command = this.#actions.read()
    this.#tell(command.warnings)
    if (this.#proxy !== undefined && JSON.stringify(command.options) === JSON.stringify(this.#options)) return
    await this.#change(command.options)
  }

  async #change(next: ProxyOptions): Promise<void> {
    const last = this.#options
    await this.#proxy?.stop({ cleanup: false })
    this.#proxy = undefined
    if (this.#isStopping) return
    let proxy: RunningProxy
    try {
      proxy = await this.#begin(next)
    } catch (error) {
      this.#log.error({ err: error }, 'the new configuration cannot be had, and the last one stays')
      await this.#goBack(last)
      return
    }
    this.#options = next
    this.#log.info({ mode: next.plane.mode }, 'follows the new configuration')
    this.#left.set(placeOf(last), last)
    void this.#cleanUpLeft(proxy)
  }

  async #goBack(last: ProxyOptions): Promise<void> {
    if (!this.#isStopping) await this.#begin(last)
  }

  /** Removes what is in other places, once the new one serves: no client waits in between. */
  async #cleanUpLeft(proxy: RunningProxy): Promise<void> {
    await proxy.synced
    for (const [place, left] of this.#left) {
      if (this.#isStopping || this.#proxy !== proxy) return
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
