/**
 * Options that several commands have, and what they are opened with.
 */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { familyOf, parseAddress, type AddressFamily } from '../core/address.js'
import type { PlaneMode, PlaneOptions } from '../plane/index.js'
import type { CommandEnvironment } from './environment.js'
import { FORMATS, type Format } from './output/format.js'

/** The modes of planes whose services outlive the process that wrote them. */
export const MODES = ['nftables', 'ipvs', 'iptables'] as const

/** One of {@link MODES}. */
export type Mode = (typeof MODES)[number]

/** Modes of which the kernel holds something: relays of mode userspace live with their process, and the rules before them are in the kernel. */
export const KERNEL_MODES = [...MODES, 'userspace'] as const

/** One of {@link KERNEL_MODES}. */
export type KernelMode = (typeof KERNEL_MODES)[number]

/** Options of a command that works on planes. */
export interface PlaneCommandOptions {
  readonly mode?: KernelMode | undefined
  readonly netns?: string | number | undefined
  readonly name?: string | undefined
  readonly output: Format
}

/** PID_MAX_LIMIT of linux/threads.h. */
const MAX_PROCESS_ID = 4_194_304

/** A network namespace as it is written: digits alone are the id of a process. */
function parseNamespace(text: string): string | number {
  if (text === '') throw new InvalidArgumentError('It is empty.')
  const id = /^\d+$/.test(text) ? Number(text) : undefined
  if (id === 0 || (id ?? 0) > MAX_PROCESS_ID)
    throw new InvalidArgumentError(`It must be a name of \`ip netns\`, a path, or the id of a process, from 1 to ${MAX_PROCESS_ID}.`)
  return id ?? text
}

/** Option `--output`. */
export function outputOption(): Option {
  return new Option('-o, --output <format>', 'text for people, wide: text that is not wrapped; json or yaml for programs')
    .choices(FORMATS)
    .default('text')
}

/** Option `--netns`. */
export function namespaceOption(): Option {
  return new Option(
    '--netns <namespace>',
    'the network namespace: a name of `ip netns`, a path or a process id; default: that of the command'
  ).argParser(parseNamespace)
}

/** Option `--mode`. @param what Says what it means for the command. */
export function modeOption(what: string, modes: readonly string[] = MODES): Option {
  return new Option('--mode <mode>', what).choices(modes)
}

/** Option `--name`. */
export function nameOption(): Option {
  return new Option('--name <name>', 'the name of the tables, or of the dummy device, of the plane; default: netplane')
}

/** Adds what every command that opens a plane has. */
export function withPlaneOptions(command: Command, mode: Option): Command {
  return command.addOption(mode).addOption(namespaceOption()).addOption(nameOption()).addOption(outputOption())
}

/** What of a command says how its plane is opened. */
export interface PlanePlace extends Omit<PlaneCommandOptions, 'output' | 'mode'> {
  /** Modes whose planes of the same name go once this one serves. */
  readonly replaces?: readonly PlaneMode[] | undefined
}

/** Adds the own name of the mode, which iptables does not have, and what stands for the kernel. The kernel is looked at when a command asks, and at no other time. */
export function planeOptionsFor(environment: CommandEnvironment, mode: Mode, { netns, name, replaces }: PlanePlace): PlaneOptions {
  const { signal, kernel } = environment
  const common = { netns, signal, auditMs: 0, replaces, ...(kernel === undefined ? {} : { kernel }) }
  // The plane itself refuses a name in mode iptables, with the reason.
  return { mode, ...common, ...(name === undefined ? {} : { name }) } as PlaneOptions
}

/** An address and a port. */
export interface Target {
  readonly address: string
  readonly port: number
}

const TARGET = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/

/** What may be meant by an IPv6 address without brackets, and where a port is missing: `, such as [::1]:80`. */
function meantBy(text: string): string {
  const [, address = '', port = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  if (text.includes(':') && familyOfText(address) === 'ip6') return `, such as [${address}]:${port}`
  const bare = text.replace(/^\[(.*)\]$/, '$1')
  const family = familyOfText(bare)
  return family === undefined ? '' : `, such as ${family === 'ip' ? bare : `[${bare}]`}:80`
}

function familyOfText(text: string): AddressFamily | undefined {
  return parseAddress(text) === undefined ? undefined : familyOf(text)
}

/** ADDRESS:PORT. What the address is, the command checks. */
export function parseTarget(text: string): Target {
  const [, bracketed, plain, port] = TARGET.exec(text) ?? []
  const address = bracketed ?? plain
  if (address === undefined) throw new InvalidArgumentError(`It must be ADDRESS:PORT, and [ADDRESS]:PORT for IPv6${meantBy(text)}.`)
  return { address, port: Number(port) }
}

const MIN_SECONDS = 0.1
const HOUR_SECONDS = 3600
const WEEK_SECONDS = 7 * 24 * HOUR_SECONDS

function secondsUpTo(most: number): (text: string) => number {
  return (text) => {
    const seconds = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
    if (seconds >= MIN_SECONDS && seconds <= most) return seconds
    throw new InvalidArgumentError(`It must be a number of seconds from ${MIN_SECONDS} to ${most}, without a unit.`)
  }
}

/** Seconds up to an hour, which may have a fraction. */
export const parseSeconds = secondsUpTo(HOUR_SECONDS)

/** The same up to a week: connections may last long. */
export const parseLongSeconds = secondsUpTo(WEEK_SECONDS)

/** How many times, or how many. */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number above 0.')
}
