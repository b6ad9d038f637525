/**
 * Finds what is known of a match or target: by the kernel's name and revision, or by its name on the command line.
 */
import type { IptablesFamily } from '../types.js'
import type { Extension } from './extension.js'
import { MATCHES } from './matches/index.js'
import { TARGETS } from './targets/index.js'

/** A match or target, whatever its options are. */
export type AnyExtension = Extension<object, object>

/** Which of the two. */
export type ExtensionKind = AnyExtension['kind']

// Each takes options of its own alone; a caller that found one by its name gives it what belongs to that name.
const ALL = [...MATCHES, ...TARGETS] as unknown as readonly AnyExtension[]

/** Names of the protocol match of ICMPv6 that iptables takes for one (xtables_find_match). */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ['icmpv6', 'icmp6'],
  ['ipv6-icmp', 'icmp6']
])

const byName = new Map<string, AnyExtension[]>()
const byWord = new Map<string, AnyExtension[]>()

function put(map: Map<string, AnyExtension[]>, key: string, known: AnyExtension): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [known])
  else list.push(known)
}

// The newest revision first: it is the one that is written.
for (const known of ALL.toSorted((left, right) => right.revision - left.revision)) {
  for (const family of known.families) {
    put(byName, `${known.kind} ${family} ${known.name}`, known)
    put(byWord, `${known.kind} ${family} ${wordOf(known)}`, known)
  }
}

/** The name that a match or target has on the command line. */
export function wordOf(known: AnyExtension): string {
  return known.alias ?? known.name
}

/** All that have this name for the kernel, the newest revision first. */
export function extensionsNamed(kind: ExtensionKind, family: IptablesFamily, name: string): readonly AnyExtension[] {
  return byName.get(`${kind} ${family} ${name}`) ?? []
}

/** What a word of the command line stands for, of its newest revision. Undefined: there is none. */
export function extensionOfWord(kind: ExtensionKind, family: IptablesFamily, word: string): AnyExtension | undefined {
  const find = (name: string): AnyExtension | undefined => byWord.get(`${kind} ${family} ${name}`)?.[0]
  const other = OTHER_NAMES.get(word)
  return find(word) ?? extensionsNamed(kind, family, word)[0] ?? (other === undefined ? undefined : find(other))
}

/** Which matches and targets of a family have an option, as a line names them: `-m tcp`. */
export function wordsWithOption(family: IptablesFamily, option: string): string[] {
  const having = ALL.filter((known) => known.families.includes(family) && Object.hasOwn(known.options, option))
  return [...new Set(having.map((known) => `${known.kind === 'match' ? '-m' : '-j'} ${wordOf(known)}`))]
}
