/**
 * What the facts mean: findings, and which modes lack something.
 */
import { UnsupportedError } from '../../core/errors.js'
import type { Mode } from '../options.js'
import type { Facts, Part } from './facts.js'
import { otherWriters } from './writers.js'
import { SETTINGS, type KnownSetting } from './settings.js'

/** How it stands with one thing. */
export type Health = 'ok' | 'warning' | 'missing'

/** One line of what `doctor` says. */
export interface Finding {
  readonly health: Health
  readonly subject: string
  readonly meaning: string
  /** The command, or the step, that mends it. */
  readonly remedy?: string | undefined
  /** Modes that do not work without it. Of what is missing alone. */
  readonly neededBy?: readonly Mode[] | undefined
}

const ALL: readonly Mode[] = ['nftables', 'ipvs', 'iptables']

interface PartForm {
  readonly does: string
  readonly neededBy: readonly Mode[]
  readonly remedy: string
}

const PART: Readonly<Record<Part, PartForm>> = {
  nftables: { does: 'nf_tables answers', neededBy: ALL, remedy: 'modprobe nf_tables' },
  ipvs: { does: 'IPVS answers', neededBy: ['ipvs'], remedy: 'modprobe ip_vs' },
  conntrack: { does: 'connection tracking answers', neededBy: [], remedy: 'modprobe nf_conntrack_netlink' },
  route: { does: 'rtnetlink answers', neededBy: ALL, remedy: 'use a process that may open sockets of rtnetlink (seccomp, LSM)' }
}

const CAPABILITY_REMEDY = 'run as root, or in a container with --cap-add NET_ADMIN'
const NOT_PERMITTED = new Set(['EPERM', 'EACCES'])

/** What the kernel lacks, or why it refused; what mends it is said apart. */
function reasonOf(refusal: Error): string {
  if (refusal instanceof UnsupportedError) return `this kernel has no ${refusal.missing}`
  return refusal.message.split('\n', 1)[0]!
}

/** Whether a part of the kernel can be used. Without connection tracking services are served, and stale flows stay. */
function partFinding(part: Part, { refusals }: Facts): Finding {
  const { does, neededBy, remedy } = PART[part]
  const refusal = refusals[part]
  if (refusal === undefined) return { health: 'ok', subject: part, meaning: does }
  const isForbidden = NOT_PERMITTED.has(String((refusal as { readonly code?: unknown }).code))
  return {
    health: neededBy.length > 0 ? 'missing' : 'warning',
    subject: part,
    meaning: part === 'conntrack' ? `stale flows are not deleted: ${reasonOf(refusal)}` : reasonOf(refusal),
    remedy: isForbidden ? CAPABILITY_REMEDY : remedy,
    neededBy
  }
}

/** Oldest Linux that README.md promises. */
const OLDEST = { major: 5, minor: 10 }

function kernelFinding({ kernelRelease }: Facts): Finding {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(kernelRelease) ?? []
  const isOld = Number(major) < OLDEST.major || (Number(major) === OLDEST.major && Number(minor) < OLDEST.minor)
  const subject = 'kernel'
  if (!isOld) return { health: 'ok', subject, meaning: `Linux ${kernelRelease}` }
  const meaning = `Linux ${kernelRelease} is older than ${OLDEST.major}.${OLDEST.minor}, with which nothing was tested`
  return { health: 'warning', subject, meaning, remedy: 'use a newer kernel' }
}

/** CAP_NET_ADMIN, include/uapi/linux/capability.h. */
const CAP_NET_ADMIN = 12n

function capabilityFinding({ processStatus }: Facts): Finding {
  const subject = 'CAP_NET_ADMIN'
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(processStatus ?? '')?.[1]
  if (mask === undefined) return { health: 'warning', subject, meaning: '/proc/self/status does not say which capabilities there are' }
  if (((BigInt(`0x${mask}`) >> CAP_NET_ADMIN) & 1n) === 1n) return { health: 'ok', subject, meaning: 'the process has it' }
  const meaning = 'the process lacks it: the kernel can neither be read nor changed'
  return { health: 'missing', subject, meaning, remedy: CAPABILITY_REMEDY, neededBy: ALL }
}

/** The whole range of ids, mapped to itself: nobody made a user namespace (user_namespaces(7)). */
const INITIAL = /^\s*0\s+0\s+4294967295\s*$/

function userNamespaceFinding({ userMap }: Facts): Finding {
  const subject = 'user namespace'
  if (userMap === undefined) return { health: 'warning', subject, meaning: '/proc/self/uid_map cannot be read' }
  if (INITIAL.test(userMap)) return { health: 'ok', subject, meaning: 'it is the initial one' }
  const meaning = 'it is not the initial one: nf_tables and connection tracking work, IPVS does not'
  return { health: 'missing', subject, meaning, remedy: 'use mode nftables, or run outside of a rootless container', neededBy: ['ipvs'] }
}

/** As /proc/modules has it, or as the lists of a kernel's modules do (modules.dep(5)). */
const DUMMY = /^dummy |\/dummy\.ko/m

/** Only making one would tell for sure, and nothing is made here. */
function dummyFinding({ modules }: Facts): Finding {
  const subject = 'dummy links'
  if (DUMMY.test(modules)) return { health: 'ok', subject, meaning: 'the kernel has them: mode ipvs keeps addresses of services on one' }
  const meaning = 'no list of modules has them, without which mode ipvs has no place for addresses of services'
  return { health: 'warning', subject, meaning, remedy: 'modprobe dummy' }
}

function settingFinding({ file, min, meaning, setBy }: KnownSetting, value: string): Finding {
  const subject = `net.${file.replaceAll('/', '.')}`
  if (min === undefined || Number(value) >= min) return { health: 'ok', subject, meaning: `${value}: ${meaning}` }
  const sets = setBy.length === 0 ? '' : ` (mode ${setBy.join(', ')} sets it by itself)`
  return {
    health: 'warning',
    subject,
    meaning: `${value}, and must be at least ${min} so that ${meaning}${sets}`,
    remedy: `sysctl -w ${subject}=${min}`
  }
}

function settingFindings({ settings }: Facts): Finding[] {
  return SETTINGS.flatMap((setting) => {
    const value = settings.get(setting.file)
    return value === undefined ? [] : [settingFinding(setting, value)]
  })
}

/** The share of the table above which new connections are in danger. */
const FULL = 0.8

function usageFindings({ usage }: Facts): Finding[] {
  if (usage === undefined || usage.maxEntries === 0) return []
  const { entries, maxEntries } = usage
  const subject = 'net.netfilter.nf_conntrack_max'
  const meaning = `${entries} of ${maxEntries} flows are tracked (${Math.round((entries / maxEntries) * 100)} %)`
  if (entries < maxEntries * FULL) return [{ health: 'ok', subject, meaning }]
  const remedy = `sysctl -w ${subject}=${maxEntries * 2}`
  return [{ health: 'warning', subject, meaning: `${meaning}: a full table drops new connections`, remedy }]
}

/** Fewer are used up by a proxy with its health checks and watches. */
const FEW_FILES = 1024

function openFilesFindings({ limits }: Facts): Finding[] {
  const soft = /^Max open files\s+(\S+)/m.exec(limits ?? '')?.[1]
  if (soft === undefined) return []
  const subject = 'open files'
  if (soft === 'unlimited' || Number(soft) >= FEW_FILES) return [{ health: 'ok', subject, meaning: `${soft} may be open` }]
  return [{ health: 'warning', subject, meaning: `${soft} may be open, which are few`, remedy: `ulimit -n ${FEW_FILES}` }]
}

/** Judges what was found, in the order in which it is told. */
export function findingsOf(facts: Facts): Finding[] {
  return [
    kernelFinding(facts),
    capabilityFinding(facts),
    userNamespaceFinding(facts),
    ...(['nftables', 'ipvs', 'conntrack', 'route'] as const).map((part) => partFinding(part, facts)),
    dummyFinding(facts),
    ...settingFindings(facts),
    ...usageFindings(facts),
    ...openFilesFindings(facts),
    ...otherWriters(facts)
  ]
}

/** Whether a mode lacks something. */
export function isLacking(findings: readonly Finding[], mode: Mode): boolean {
  return findings.some(({ health, neededBy }) => health === 'missing' && neededBy?.includes(mode) === true)
}
