/**
 * What this machine says of itself in files.
 */
import { readFile } from 'node:fs/promises'
import { release } from 'node:os'
import { errnoName } from '../../core/errno.js'
import { namespaceOf, type InNetworkNamespace } from '../../core/options.js'
import { loadAddon } from '../../native/index.js'

/** Reads files. */
export interface System {
  /** The release of the kernel, as `uname -r` has it. */
  readonly kernelRelease: string
  /** The text of a file; undefined where it is not there or may not be read. */
  readonly readFile: (path: string) => Promise<string | undefined>
  /**
   * A setting of a network namespace, without white space around it.
   *
   * @param name Its file below `/proc/sys/net`: `ipv4/ip_forward`.
   * @returns Undefined where this kernel, or this namespace, has no such setting.
   */
  readSetting(place: InNetworkNamespace, name: string): Promise<string | undefined>
}

/** This machine. */
export const thisSystem: System = {
  kernelRelease: release(),
  readFile: async (path) => {
    try {
      return await readFile(path, 'utf8')
    } catch {
      // What cannot be read is not known; the finding says so.
      return undefined
    }
  },
  readSetting: async (place, name) => {
    const netns = namespaceOf(place)
    const outcome = await loadAddon().readSystemSetting({ ...(netns === undefined ? {} : { netns }), name })
    if (outcome.failure === undefined) return outcome.value.trim()
    const code = errnoName(outcome.failure.errno)
    if (['ENOENT', 'EACCES', 'EPERM'].includes(code)) return undefined
    throw new Error(`${code}: net.${name.replaceAll('/', '.')} cannot be read`)
  }
}
