/**
 * Settings of the network namespace: they are set only where they must be, looked after, and put back.
 */
import type { NotedSettings, Notes } from './notes.js'
import type { PossibleSetting, Setting } from './table.js'

function isAsWanted({ wanted, isEnough }: Setting, value: number): boolean {
  return isEnough === undefined ? value === wanted : isEnough(value)
}

/** The settings that the plane needs. */
export class NodeSettings {
  readonly #settings: readonly PossibleSetting[]
  readonly #notes: Pick<NotedSettings, 'read' | 'write'>
  /** As far as this process knows them: somebody may have removed the table. */
  #noted: Notes = new Map()

  constructor(settings: readonly PossibleSetting[], notes: Pick<NotedSettings, 'read' | 'write'>) {
    this.#settings = settings
    this.#notes = notes
  }

  /** What is not as {@link NodeSettings.ensure} leaves it, in words. @throws {NetplaneError} */
  async faults(): Promise<string[]> {
    const noted = await this.#notes.read()
    const faults: string[] = []
    for (const { setting, isWanted } of this.#settings) {
      if (!isWanted) {
        if (noted.has(setting.id)) faults.push(`setting ${setting.name} is as the plane once needed it`)
        continue
      }
      const value = await setting.read()
      if (!isAsWanted(setting, value)) faults.push(`setting ${setting.name} is ${value}`)
      else if (this.#noted.has(setting.id) && !noted.has(setting.id)) faults.push(`the note of setting ${setting.name} is missing`)
    }
    return faults
  }

  /**
   * Makes all settings as they must be, and puts those back that need not be so any more.
   *
   * @returns The generation of the ruleset after a note of what was found; undefined: there was nothing new to note, or more was changed than that.
   * @throws {NetlinkError} `EROFS`, `EACCES`: one cannot be written. `ENOENT`: this kernel has none of its name.
   */
  async ensure(): Promise<number | undefined> {
    const stored = await this.#notes.read()
    const noted = new Map([...this.#noted, ...stored])
    const wrong: Setting[] = []
    const needless: Setting[] = []
    for (const { setting, isWanted } of this.#settings) {
      if (!isWanted) {
        if (noted.has(setting.id)) needless.push(setting)
        continue
      }
      const before = await setting.read()
      if (isAsWanted(setting, before)) continue
      wrong.push(setting)
      // Whoever changes it back meanwhile does not make that the value of before.
      noted.set(setting.id, { before: noted.get(setting.id)?.before ?? before, after: setting.wanted })
    }
    // A note stands before what it is about, and longer: whoever ends in between leaves nothing behind that nobody puts back.
    const generation = noted.size > stored.size || wrong.length > 0 ? await this.#notes.write(noted) : undefined
    this.#noted = noted
    for (const setting of wrong) await setting.write(setting.wanted)
    await this.#putBack(needless, noted)
    return needless.length === 0 ? generation : undefined
  }

  /** Puts all back that were changed, but for those that somebody has changed since. @throws {NetlinkError} */
  async putBack(): Promise<void> {
    const noted = new Map([...this.#noted, ...(await this.#notes.read())])
    await this.#putBack(
      this.#settings.flatMap(({ setting }) => (noted.has(setting.id) ? [setting] : [])),
      noted
    )
  }

  async #putBack(settings: readonly Setting[], noted: Notes): Promise<void> {
    if (settings.length === 0) return
    const left = new Map(noted)
    for (const setting of settings) {
      const { before, after } = noted.get(setting.id)!
      if ((await setting.read()) === after) await setting.write(before)
      left.delete(setting.id)
    }
    await this.#notes.write(left)
    this.#noted = left
  }
}
