/**
 * The types of what crosses between TypeScript and C++ (`native/addon`), and the only file that loads the addon.
 * Nothing here is public. Fakes implement {@link NativeSocket} and friends, so all code above this line runs on either.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { UnsupportedError } from './errors.js'
import { VERSION } from './version.js'

/** Why a job as a whole failed; becomes an error class in the client that asked. `errno` is positive here. */
export interface NativeFailure {
  readonly errno: number
  /** What was being done: `socket(AF_NETLINK)`, `setns`, `commit`. */
  readonly operation: string
  readonly message: string
  /** The kernel may have applied what was sent although no proof arrived. */
  readonly outcomeUnknown: boolean
}

/** One operation that the kernel refused. */
export interface NativeItemError {
  readonly index: number
  readonly errno: number
  readonly message: string
  /** Field path inside the operation's object (`expressions[2].set`), or empty. */
  readonly field: string
  /** Row of the operation's columns at fault. */
  readonly row?: number
}

/** A value that does not fit its field, found before anything was sent. */
export interface NativeInvalid {
  /** Path of the field inside the value: `expressions[1].op`. */
  readonly path: string
  readonly value: unknown
  /** What would have been allowed, for people. */
  readonly allowed: string
}

export type NativeFamily = 'inet' | 'ip' | 'arp' | 'netdev' | 'bridge' | 'ip6'
export type NativeVerb = 'add' | 'create' | 'insert' | 'replace' | 'delete' | 'destroy' | 'flush'
export type NativeKind = 'table' | 'chain' | 'rule' | 'set' | 'object' | 'flowtable'

/** An object as a native attribute table describes it: plain data, names as in native/nftables/schema_*.cc. */
export type NativeRecord = { readonly [field: string]: unknown }

/** Columns by name (native/netlink/columns.h); every array has one entry a row. */
export interface NativeColumns {
  readonly rows: number
  readonly [column: string]: unknown
}

export interface NativeBatch {
  /** Queues one operation (copied at once). Returns what is wrong with the value, or undefined. */
  add(verb: NativeVerb, kind: NativeKind, family: NativeFamily | 'unspec', value: NativeRecord, echo: boolean): NativeInvalid | undefined
  /** Queues elements; the columns are copied at once. Without columns: all elements (flush). */
  addElements(verb: NativeVerb, family: NativeFamily, header: NativeRecord, columns: NativeColumns | undefined): NativeInvalid | undefined
  /** Commits off the main thread; a batch can be committed again (after a dry run, or a lost race of generations). */
  commit(options: { generation?: number; dryRun?: boolean; deadlineMs: number; record?: boolean }): Promise<NativeCommitResult>
}

export interface NativeCommitResult {
  readonly applied: boolean
  readonly generation: number
  readonly failure?: NativeFailure
  readonly errors: readonly NativeItemError[]
  readonly echoes: readonly { readonly index: number; readonly value: NativeRecord }[]
  readonly bytes: number
  readonly systemCalls: number
  /** The datagram sent, when asked to record. */
  readonly datagram?: Uint8Array
}

export interface NativeListRequest {
  readonly family?: NativeFamily | 'unspec'
  readonly table?: string
  readonly chain?: string
  readonly name?: string
  readonly tables?: boolean
  readonly chains?: boolean
  readonly rules?: boolean
  readonly sets?: boolean
  readonly objects?: boolean
  readonly flowtables?: boolean
  readonly elements?: boolean
  readonly reset?: boolean
  readonly deadlineMs: number
}

export interface NativeListed {
  readonly family: NativeFamily
  readonly value: NativeRecord
}

export interface NativeListedElements {
  readonly family: NativeFamily
  readonly table: string
  readonly set: string
  readonly chunks: readonly NativeColumns[]
}

/** The kinds of records in a listing. */
export type NativeListedKind = 'tables' | 'chains' | 'rules' | 'sets' | 'objects' | 'flowtables'

export interface NativeListing {
  readonly generation: number
  /** Records found, by kind; `elements` counts sets. */
  readonly counts: Readonly<Record<NativeListedKind | 'elements', number>>
  /** Records [from, from + count) of a kind, each at most once: taken a page at a time, a large ruleset does not hold the event loop. */
  take(kind: NativeListedKind, from: number, count: number): NativeListed[]
  /** The elements of sets [from, from + count), likewise. */
  takeElements(from: number, count: number): NativeListedElements[]
}

export type NativeOutcome<T> = { readonly failure: NativeFailure } | { readonly failure?: undefined; readonly value: T }

/** A netlink socket and the queue of jobs on it (one at a time; the caller keeps the order). */
export interface NativeSocket {
  readonly portId: number
  /** Closes the descriptor; resolves when that is done, or when there is nothing to do: the job in flight closes it when it ends. Idempotent. */
  close(): Promise<void>
  /** Bytes granted, for messages that explain what would be needed. */
  readonly maxSendBytes: number
}

export interface NativeNftablesSocket extends NativeSocket {
  beginBatch(): NativeBatch
  list(request: NativeListRequest): Promise<NativeOutcome<NativeListing>>
  getElements(request: {
    family: NativeFamily
    table: string
    set: string
    keys: NativeColumns
    deadlineMs: number
  }): Promise<NativeOutcome<NativeListedElements>>
  /** `{ id, processId, processName }` of NFT_MSG_GETGEN. */
  generation(deadlineMs: number): Promise<NativeOutcome<NativeRecord>>
}

/** One decoded multicast message, or several element messages of one set and direction merged. */
export interface NativeEvent {
  /** `newtable`, `deltable` … `newgen`, as the kernel's message names in lower case. */
  readonly type: string
  readonly family: NativeFamily | 'unspec'
  /** Port id of the socket that caused it; 0 is the kernel itself. */
  readonly portId: number
  readonly sequence: number
  readonly value: NativeRecord
  readonly elements?: NativeColumns
}

/** What a monitor hands over in one turn of the event loop, in order; `'lost'` stands where events are missing. */
export type NativeEventBatch = readonly (NativeEvent | 'lost')[]

export interface NativeMonitor {
  readonly portId: number
  /** Stops reading: events queue in the kernel, and are lost there when its buffer is full. */
  pause(): void
  resume(): void
  /** Keeps the process alive or not. */
  ref(): void
  unref(): void
  close(): void
}

export interface NativeOpenOptions {
  /** Path of a network namespace; absent: the process's own. */
  readonly netns?: string
  readonly sendBufferBytes?: number
  readonly receiveBufferBytes?: number
  readonly deadlineMs: number
}

export type NativeMonitorCallback = (events: NativeEventBatch, failure: NativeFailure | undefined) => void

export interface NativeMonitorOptions {
  readonly netns?: string
  readonly receiveBufferBytes?: number
  readonly deadlineMs: number
}

/** A link by its index, or by its name (up to 127 bytes). */
export type NativeLinkReference = number | string

/** struct ifinfomsg and the attributes of native/route/schemas.cc (`link`). */
export interface NativeLink {
  readonly index: number
  readonly hardwareType: number
  /** IFF_* bits. */
  readonly flags: number
  readonly value: NativeRecord
}

export interface NativeLinkChange {
  readonly verb: 'create' | 'set' | 'delete'
  readonly link: NativeLinkReference
  /** IFF_* bits to change, and what to. */
  readonly changeMask: number
  readonly flags: number
  /** `mtu`, `info` …; empty for delete. */
  readonly value: NativeRecord
  readonly deadlineMs: number
}

export interface NativeAddressChange {
  readonly verb: 'add' | 'delete'
  readonly link: NativeLinkReference
  /** native/route/addresses.h; copied before the call returns. */
  readonly columns: NativeColumns
  readonly deadlineMs: number
}

/** What became of a change: every row is applied, refused, or in the unknown range, or was not sent. */
export interface NativeAddressReport {
  /** The link's index. */
  readonly linkIndex: number
  /** Columns `index` (u32, the row), `errno` (u32), `message` and `field` (symbols), by ascending row. */
  readonly errors: NativeColumns
  /** Rows [0, sent) were handed to the kernel; those from `unknownFrom` on may or may not have been applied. */
  readonly sent: number
  readonly unknownFrom: number
  /** Why it stopped early. */
  readonly stopped?: NativeFailure
  readonly systemCalls: number
}

export interface NativeRouteSocket extends NativeSocket {
  listLinks(request: { readonly deadlineMs: number }): Promise<NativeOutcome<readonly NativeLink[]>>
  getLink(request: { readonly link: NativeLinkReference; readonly deadlineMs: number }): Promise<NativeOutcome<NativeLink>>
  changeLink(change: NativeLinkChange): Promise<NativeOutcome<undefined>>
  /** `family`: 0 all, AF_INET 2, AF_INET6 10. Without `link` those of all links. */
  listAddresses(request: {
    readonly family: number
    readonly link?: NativeLinkReference
    readonly deadlineMs: number
  }): Promise<NativeOutcome<readonly NativeColumns[]>>
  changeAddresses(change: NativeAddressChange): Promise<NativeOutcome<NativeAddressReport>>
}

/** A link, or several addresses that one requester added or removed (columns of native/route/addresses.h). */
export interface NativeRouteEvent {
  readonly type: 'newlink' | 'dellink' | 'newaddr' | 'deladdr'
  readonly portId: number
  readonly sequence: number
  readonly link?: NativeLink
  readonly addresses?: NativeColumns
}

export type NativeRouteMonitorCallback = (events: readonly (NativeRouteEvent | 'lost')[], failure: NativeFailure | undefined) => void

export interface NativeRouteMonitorOptions extends NativeMonitorOptions {
  readonly links: boolean
  readonly addresses: boolean
}

/** What `native/addon/module.cc` exports. */
export interface NativeAddon {
  /** Equal to the package's version, or the loader refuses. */
  readonly version: string
  /** Prints decoded frames to standard error (`NETPLANE_DEBUG=netlink`). */
  setTrace(enabled: boolean): void
  openNftables(options: NativeOpenOptions): Promise<NativeOutcome<NativeNftablesSocket>>
  /** The callback runs on this environment's loop, from the moment the promise resolves until `close()`. */
  monitorNftables(options: NativeMonitorOptions, callback: NativeMonitorCallback): Promise<NativeOutcome<NativeMonitor>>
  openRoute(options: NativeOpenOptions): Promise<NativeOutcome<NativeRouteSocket>>
  /** As {@link NativeAddon.monitorNftables}. */
  monitorRoute(options: NativeRouteMonitorOptions, callback: NativeRouteMonitorCallback): Promise<NativeOutcome<NativeMonitor>>
}

interface Candidate {
  readonly what: string
  readonly load: () => unknown
}

const require = createRequire(import.meta.url)

/** Literal paths, so that bundlers can follow them. Relative to this file both as `src/native.ts` and inside `dist/`. */
const PREBUILDS: Readonly<Record<string, () => unknown>> = {
  'linux-x64': () => require('../prebuilds/linux-x64.node') as unknown,
  'linux-arm64': () => require('../prebuilds/linux-arm64.node') as unknown,
  'linuxmusl-x64': () => require('../prebuilds/linuxmusl-x64.node') as unknown,
  'linuxmusl-arm64': () => require('../prebuilds/linuxmusl-arm64.node') as unknown
}

/** Node-API version that the addon is compiled for. */
const NODE_API = 8

function targetName(): string {
  const loader = `/lib/ld-musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`
  return `linux${existsSync(loader) ? 'musl' : ''}-${process.arch}`
}

function candidates(target: string): Candidate[] {
  const override = process.env['NETPLANE_ADDON_PATH']
  if (override !== undefined && override !== '')
    return [{ what: `NETPLANE_ADDON_PATH=${override}`, load: () => require(resolve(override)) as unknown }]
  const prebuild = PREBUILDS[target]
  return [
    { what: 'build/Release/netplane.node', load: () => require('../build/Release/netplane.node') as unknown },
    ...(prebuild === undefined ? [] : [{ what: `prebuilds/${target}.node`, load: prebuild }])
  ]
}

/** What can be done about a failure to load, by what Node says. */
function fixesFor(failures: readonly Error[], target: string): string[] {
  const codes = failures.map((error) => (error as NodeJS.ErrnoException).code)
  const text = failures.map(({ message }) => message).join(' ')
  const fixes: string[] = []
  if (codes.includes('ERR_DLOPEN_DISABLED')) fixes.push('run node without --no-addons, and with --allow-addons under the permission model')
  const glibc = /GLIBC_[0-9.]+/.exec(text)?.[0]
  if (glibc !== undefined) fixes.push(`use a system with ${glibc} or newer, or build from source there (next line)`)
  fixes.push(
    `build for ${target} from source, in the package's folder: npm install --no-save node-addon-api@8 node-gyp@12 && npm run build:native`
  )
  fixes.push('name a binary that you built with NETPLANE_ADDON_PATH')
  return fixes
}

function unsupported(code: string, reason: string, tried: readonly string[], fixes: readonly string[], cause?: unknown): UnsupportedError {
  const lines = [
    reason,
    ...tried.map((line) => `  tried ${line}`),
    ...(fixes.length > 0 ? ['Possible solutions:'] : []),
    ...fixes.map((fix, index) => `  ${index + 1}. ${fix}`)
  ]
  return new UnsupportedError('the native addon', lines.join('\n'), { code, cause })
}

/** Refuses in words what would otherwise fail in riddles, or crash: a binary for a newer Node-API ends the process inside `require`. */
function checkPlatform(): void {
  if (process.platform !== 'linux') {
    throw unsupported(
      'ERR_NETPLANE_PLATFORM',
      `netplane talks to the Linux kernel; this is ${process.platform}. Its types and errors can be imported anywhere.`,
      [],
      []
    )
  }
  if (Number(process.versions['napi'] ?? 0) < NODE_API) {
    throw unsupported(
      'ERR_NETPLANE_ADDON',
      `the addon needs Node-API ${NODE_API}; node ${process.versions.node} has ${process.versions['napi'] ?? 'none'}`,
      [],
      ['use Node 20.19 or newer']
    )
  }
}

function tryLoad(): NativeAddon {
  checkPlatform()
  const target = targetName()
  const failures: Error[] = []
  const tried: string[] = []
  for (const { what, load } of candidates(target)) {
    try {
      const loaded = load() as NativeAddon
      if (loaded.version === VERSION) return loaded
      tried.push(`${what}: it is version ${loaded.version}, this is ${VERSION}`)
    } catch (error) {
      failures.push(error as Error)
      tried.push(`${what}: ${(error as Error).message.split('\n')[0]}`)
    }
  }
  throw unsupported(
    'ERR_NETPLANE_ADDON',
    `the native addon could not be loaded (node ${process.versions.node}, ${target})`,
    tried,
    fixesFor(failures, target),
    failures[0]
  )
}

let addon: NativeAddon | undefined

/**
 * The addon, loaded when it is first needed: importing the package never fails.
 *
 * @throws {UnsupportedError} `ERR_NETPLANE_PLATFORM` (not Linux), `ERR_NETPLANE_ADDON` (no binary for this machine, addons disabled, another version):
 *   the message lists what was tried and what helps.
 */
export function loadAddon(): NativeAddon {
  if (addon !== undefined) return addon
  const loaded = tryLoad()
  if (debugTopics().includes('netlink')) loaded.setTrace(true)
  return (addon = loaded)
}

/** `NETPLANE_DEBUG`, a comma list; `netlink` prints decoded frames to standard error. */
function debugTopics(): string[] {
  return (process.env['NETPLANE_DEBUG'] ?? '').split(',').map((topic) => topic.trim())
}
