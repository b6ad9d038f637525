import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { run } from './process.js'

/** NETLINK_NETFILTER, include/uapi/linux/netlink.h. */
const NETLINK_NETFILTER = 12
/** NFNLGRP_NFTABLES, include/uapi/linux/netfilter/nfnetlink.h; group n is bit n - 1. */
const NFNLGRP_NFTABLES = 7
const groupBit = 1 << (NFNLGRP_NFTABLES - 1)

/** A socket that listens to changes of nf_tables. */
export interface Listener {
  /** Netlink port id; often, but not always, the pid of the process that opened it. */
  readonly portId: number
  readonly inode: string
}

/** A listener with the processes that hold it. */
export interface FoundListener extends Listener {
  readonly processes: readonly string[]
}

/**
 * Members of NFNLGRP_NFTABLES in the text of /proc/net/netlink (columns: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode; `Groups` is the
 * first 32 groups in hexadecimal: netlink_native_seq_show in net/netlink/af_netlink.c).
 */
export function parseListeners(text: string): Listener[] {
  const [heading = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '')
  const columns = heading.trim().split(/\s+/)
  const index = (name: string): number => {
    const at = columns.indexOf(name)
    if (at < 0) throw new Error(`/proc/net/netlink has no column '${name}': ${heading}`)
    return at
  }
  const [protocol, portId, groups, inode] = [index('Eth'), index('Pid'), index('Groups'), index('Inode')]
  return lines.flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    const isListening = Number(fields[protocol]) === NETLINK_NETFILTER && (Number.parseInt(fields[groups] ?? '', 16) & groupBit) !== 0
    return isListening ? [{ portId: Number(fields[portId]), inode: fields[inode] ?? '' }] : []
  })
}

/** Network namespaces that a mount keeps, in the text of /proc/<pid>/mountinfo: `net:[inode]` → where it is mounted. */
export function parseNamespaceMounts(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, , , mountRoot, mountPoint] = line.split(' ')
    if (mountRoot?.startsWith('net:[') === true && mountPoint !== undefined) found.set(mountRoot, mountPoint)
  }
  return found
}

/** Processes end while /proc is read, and others may be hidden: then there is nothing to see. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

const processIds = (): string[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name))

/** The text of every network namespace's /proc/net/netlink: those with a process, and those that only a mount keeps. */
async function netlinkTables(): Promise<string[]> {
  const tables = new Map<string, string>()
  const mounts = new Map<string, string>()
  const mountNamespaces = new Set<string>()
  for (const pid of processIds()) {
    const network = attempt(() => readlinkSync(`/proc/${pid}/ns/net`))
    if (network !== undefined && !tables.has(network)) {
      const text = attempt(() => readFileSync(`/proc/${pid}/net/netlink`, 'utf8'))
      if (text !== undefined) tables.set(network, text)
    }
    const mountNamespace = attempt(() => readlinkSync(`/proc/${pid}/ns/mnt`))
    if (mountNamespace === undefined || mountNamespaces.has(mountNamespace)) continue
    mountNamespaces.add(mountNamespace)
    const information = attempt(() => readFileSync(`/proc/${pid}/mountinfo`, 'utf8')) ?? ''
    for (const [name, mountPoint] of parseNamespaceMounts(information)) mounts.set(name, `/proc/${pid}/root${mountPoint}`)
  }
  for (const [name, path] of mounts) {
    if (tables.has(name)) continue
    const { status, stdout } = await run('nsenter', [`--net=${path}`, 'cat', '/proc/net/netlink'])
    // Not 0: the namespace was removed in between.
    if (status === 0) tables.set(name, stdout)
  }
  return [...tables.values()]
}

/** Who has each of the sockets open: `<pid> <command>`. */
function holders(inodes: ReadonlySet<string>): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const pid of processIds()) {
    const descriptors = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []
    const sockets = new Set(descriptors.map((fd) => attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`))))
    for (const inode of inodes) {
      if (!sockets.has(`socket:[${inode}]`)) continue
      const command = attempt(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()) ?? ''
      found.set(inode, [...(found.get(inode) ?? []), `${pid} (${command})`])
    }
  }
  return found
}

/**
 * Every listener to nf_tables on this machine, in whatever network namespace. One is enough to make the kernel build a notification for
 * every element of every commit anywhere (nfnetlink_has_listeners looks at a mask of the whole machine): figures beside it mean nothing.
 */
export async function findListeners(): Promise<FoundListener[]> {
  const listeners = new Map((await netlinkTables()).flatMap(parseListeners).map((listener) => [listener.inode, listener]))
  const owners = holders(new Set(listeners.keys()))
  return [...listeners.values()].map((listener) => ({ ...listener, processes: owners.get(listener.inode) ?? [] }))
}

/** A process listens to nf_tables. */
export class ListenerError extends Error {}

/** Throws a {@link ListenerError} when a process listens, and says which. */
export async function refuseListeners(): Promise<void> {
  const listeners = await findListeners()
  if (listeners.length === 0) return
  const who = listeners.map(({ processes, portId }) => (processes.length > 0 ? `pid ${processes.join(', ')}` : `port id ${portId}`))
  throw new ListenerError(
    `a process listens to nf_tables (NFNLGRP_NFTABLES), which makes every commit on this machine slow: stop ${who.join('; ')}`
  )
}
