/**
 * The settings of a network namespace that IPVS needs to serve as the model says. docs/ipvs-plane.md explains each.
 */
import type { Ipvs, IpvsTimeouts } from '../../../ipvs/index.js'
import type { SystemSettings } from '../../core/system-settings.js'
import { keepsToLink } from '../announced.js'

/** What helps where a setting is missing or cannot be written. */
export const SETTINGS_HINT =
  'the ipvs plane needs it: write it yourself where /proc/sys is read-only (net.ipv4.vs.conntrack needs CONFIG_IP_VS_NFCT)'

/** One number that the kernel keeps. */
export interface Setting {
  /** By which it is noted what it was before: never another one's. 1–65535. */
  readonly id: number
  /** As people write it. */
  readonly name: string
  readonly wanted: number
  /** Whether a value does what is wanted; absent: only that which is wanted. */
  readonly isEnough?: ((value: number) => boolean) | undefined
  /** @throws {NetlinkError} */
  read(): Promise<number>
  /** @throws {NetlinkError} */
  write(value: number): Promise<void>
}

/** What decides which settings are wanted. */
export interface WantedSettings {
  readonly strictArp: boolean
  readonly timeouts: Partial<IpvsTimeouts> | undefined
}

interface FileSetting {
  readonly id: number
  readonly file: string
  readonly wanted: (kernel: KernelVersion) => number
  readonly isWanted?: (options: WantedSettings) => boolean
  readonly isEnough?: (value: number) => boolean
}

/** Major and minor number of a release of Linux. */
export interface KernelVersion {
  readonly major: number
  readonly minor: number
}

/** The version in `uname -r`: `6.1.0-18-amd64`. */
export function versionOf(release: string): KernelVersion {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? []
  return { major: Number(major), minor: Number(minor) }
}

const isOlder = ({ major, minor }: KernelVersion, than: KernelVersion): boolean =>
  major < than.major || (major === than.major && minor < than.minor)

/** From then on a connection that reuses a port gets another endpoint at once where connections are tracked; before, its first packet was dropped (ip_vs_in, f0a5e4d7a594). */
const REUSES_WELL: KernelVersion = { major: 5, minor: 9 }

/** Those below /proc/sys/net. An id is never given to another one: it may stand in a kernel. */
const FILES: readonly FileSetting[] = [
  // Packets of IPVS have no connection without it, and nothing can be masqueraded.
  { id: 1, file: 'ipv4/vs/conntrack', wanted: () => 1 },
  // Packets of a connection whose endpoint is gone end it: its client can connect anew at once.
  { id: 2, file: 'ipv4/vs/expire_nodest_conn', wanted: () => 1 },
  // Clients with affinity to an endpoint that takes nothing new are balanced again.
  { id: 3, file: 'ipv4/vs/expire_quiescent_template', wanted: () => 1 },
  { id: 4, file: 'ipv4/vs/conn_reuse_mode', wanted: (kernel) => (isOlder(kernel, REUSES_WELL) ? 0 : 1) },
  // Answers of endpoints on other hosts pass this node.
  { id: 5, file: 'ipv4/ip_forward', wanted: () => 1 },
  // Addresses of the dummy device are answered for on no other link (1, 2: only on the link that has the address; 8: for none at all).
  { id: 6, file: 'ipv4/conf/all/arp_ignore', wanted: () => 1, isWanted: ({ strictArp }) => strictArp, isEnough: keepsToLink },
  { id: 7, file: 'ipv4/conf/all/arp_announce', wanted: () => 2, isWanted: ({ strictArp }) => strictArp }
]

/** The names of time-outs, with the ids of their settings. */
const TIMEOUTS: Readonly<Record<keyof IpvsTimeouts, number>> = { tcpSeconds: 16, tcpFinSeconds: 17, udpSeconds: 18 }

/** Where settings are read and written. */
export interface SettingsPlace {
  readonly files: SystemSettings
  readonly ipvs: Pick<Ipvs, 'readTimeouts' | 'writeTimeouts'>
  readonly kernel: KernelVersion
}

function fileSetting({ id, file, wanted, isEnough }: FileSetting, { files, kernel }: SettingsPlace): Setting {
  return {
    id,
    name: `net.${file.replaceAll('/', '.')}`,
    wanted: wanted(kernel),
    isEnough,
    read: async () => Number(await files.read(file)),
    write: (value) => files.write(file, String(value))
  }
}

function timeoutSetting(name: keyof IpvsTimeouts, wanted: number, { ipvs }: SettingsPlace): Setting {
  return {
    id: TIMEOUTS[name],
    name: `time-out ${name} of IPVS`,
    wanted,
    read: async () => (await ipvs.readTimeouts())[name],
    write: (value) => ipvs.writeTimeouts({ [name]: value })
  }
}

/** A setting that may be wanted, or not. */
export interface PossibleSetting {
  readonly setting: Setting
  readonly isWanted: boolean
}

/** Every setting there is: those that are not wanted may have been before. */
export function possibleSettings(options: WantedSettings, place: SettingsPlace): PossibleSetting[] {
  const files = FILES.map((file) => ({ setting: fileSetting(file, place), isWanted: file.isWanted?.(options) ?? true }))
  const timeouts = (Object.keys(TIMEOUTS) as (keyof IpvsTimeouts)[]).map((name) => {
    const seconds = options.timeouts?.[name]
    return { setting: timeoutSetting(name, seconds ?? 0, place), isWanted: seconds !== undefined }
  })
  return [...files, ...timeouts]
}
