/** The programs of iptables: what they print, without comments and the time in them, and what their version makes of a rule. */
import { spawnSync } from 'node:child_process'
import type { Iptables } from '../../src/iptables/client.js'
import type { TestNamespace } from './namespace.js'

type Family = 'ip' | 'ip6'

const program = (family: Family, rest = ''): string => `${family}tables-nft${rest}`

let version: string | undefined

/** Whether `iptables-nft` is of a version, or newer: this machine's, or the newest one in the project `newest-iptables`. */
export function isIptablesSince(release: string): boolean {
  version ??= /v(\S+)/.exec(spawnSync('iptables-nft', ['--version'], { encoding: 'utf8' }).stdout)![1]!
  return version.localeCompare(release, 'en', { numeric: true }) >= 0
}

/** Protocols that iptables knows by /etc/protocols alone, whose names it prints before 1.8.11. */
const PROTOCOLS: Readonly<Record<string, number>> = { ipv6: 41, gre: 47 }

/** A line of iptables-save as this version prints it. */
export function asSaved(line: string): string {
  if (!isIptablesSince('1.8.11')) return line
  return line.replace(/(?<=-p )(ipv6|gre)(?= |$)/, (name) => String(PROTOCOLS[name]))
}

/** The lines of a family's tables. */
export async function savedLines(namespace: TestNamespace, family: Family, counters = false): Promise<string[]> {
  const text = await namespace.run(program(family, '-save'), counters ? ['-c'] : [])
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

/** The lines of a family's rules. */
export async function savedRules(namespace: TestNamespace, family: Family): Promise<string[]> {
  return (await savedLines(namespace, family)).filter((line) => line.startsWith('-A'))
}

/** Runs `iptables-nft` or `ip6tables-nft` with the words of a line. */
export async function iptablesNft(namespace: TestNamespace, family: Family, ...args: string[]): Promise<string> {
  return await namespace.run(program(family), args)
}

/** Lets iptables restore a file. */
export async function restoreByIptables(namespace: TestNamespace, family: Family, input: string, ...args: string[]): Promise<void> {
  await namespace.run(program(family, '-restore'), args, { input })
}

/** The lines of iptables-save as a file that takes each of their rules away, by what it says. */
export function asDeletions(saved: readonly string[]): string {
  return saved.flatMap((line) => (line.startsWith(':') ? [] : [`${line.replace(/^-A /, '-D ')}\n`])).join('')
}

/** Lets iptables delete rules that the library wrote, and the library those that iptables wrote, each by what iptables-save prints of them. */
export async function deleteEachOthers(family: Family, saved: readonly string[], ours: TestNamespace, theirs: Iptables): Promise<void> {
  await restoreByIptables(ours, family, asDeletions(saved), '--noflush')
  const tx = theirs.transaction()
  tx.restore(family, asDeletions(saved), { flush: false })
  await tx.commit()
}

/** What a rule asks of links, addresses, the protocol and fragments. */
const HEAD = /^ {2}\[ (meta load (iifname|oifname|l4proto)|payload load \d+b @ network header) /
/** What is done with what was loaded before. */
const GOES_ON = /^ {2}\[ (bitwise|cmp|range) /

/** What stands before the matches in one order, and with one way to load the protocol. */
function inOneOrder(steps: readonly string[]): string[] {
  const groups: string[][] = []
  for (const step of steps) {
    if (GOES_ON.test(step)) groups.at(-1)!.push(step)
    else groups.push([step.replace('payload load 1b @ network header + 9 ', 'meta load l4proto ')])
  }
  const end = groups.findIndex(([first]) => !HEAD.test(first!))
  const heads = groups.slice(0, end).map((group) => group.join('\n'))
  return [...heads.sort(), ...groups.slice(end).flat()]
}

/**
 * The expressions of each rule of what nft lists. Since 1.8.10 iptables asks for addresses first, and loads the protocol of IPv4 from the header: `Iptables`
 * writes what versions before do. Then the order says nothing, and the rest is as it was written.
 */
export async function ruleSteps({ nft }: Pick<TestNamespace, 'nft'>, ...what: string[]): Promise<string[][]> {
  const text = await nft('--debug=netlink', 'list', ...what)
  const rules = text.split(/\n(?! {2}\[)/).map((part) => part.split('\n').filter((line) => line.startsWith('  [')))
  return rules.filter((steps) => steps.length > 0).map(isIptablesSince('1.8.10') ? inOneOrder : (steps) => steps)
}
