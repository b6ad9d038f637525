/**
 * Settings of a network namespace that a plane needs: files below /proc/sys/net.
 */
import { NetlinkError } from '../../core/errors.js'
import { loadAddon, type NativeFailure, type NativeNamespace } from '../../native/index.js'

/** Reads and writes settings by the names of their files: `ipv4/vs/conntrack`. */
export interface SystemSettings {
  /** Without white space around it. @throws {NetlinkError} `ENOENT`: this kernel has no such setting. */
  read(name: string): Promise<string>
  /** @throws {NetlinkError} `EROFS`, `EACCES`: it may not be written here. */
  write(name: string, value: string): Promise<void>
}

/** The settings of the kernel, in a network namespace; undefined: the process's own. @param hint Says what to do where a setting is missing or may not be written. */
export function kernelSettings(netns: NativeNamespace | undefined, hint: string): SystemSettings {
  const addon = loadAddon()
  const place = netns === undefined ? {} : { netns }
  const error = (name: string, { errno }: NativeFailure): NetlinkError =>
    new NetlinkError({ errno, operation: 'plane.sync', subject: `setting net.${name.replaceAll('/', '.')}`, hint })
  return {
    read: async (name) => {
      const outcome = await addon.readSystemSetting({ ...place, name })
      if (outcome.failure !== undefined) throw error(name, outcome.failure)
      return outcome.value.trim()
    },
    write: async (name, value) => {
      const { failure } = await addon.writeSystemSetting({ ...place, name, value: `${value}\n` })
      if (failure !== undefined) throw error(name, failure)
    }
  }
}

/** Settings beside a fake kernel: all are 0 until they are written. */
export function fakeSettings(): SystemSettings {
  const values = new Map<string, string>()
  return {
    read: (name) => Promise.resolve(values.get(name) ?? '0'),
    write: (name, value) => Promise.resolve(void values.set(name, value))
  }
}
