import { openSubject, type OptionsOf, type SubjectName } from '../subjects/index.js'
import type { Bench } from './bench.js'
import { inFreshNamespace } from './namespaces.js'
import { output } from './process.js'
import type { Place } from './row.js'

/** How another program makes the same state, and how it prints it. */
export interface SameState {
  /** Run inside the namespace. */
  readonly make: (place: Place) => readonly string[]
  readonly list: readonly string[]
  /** Whether the order of the lines says nothing. */
  readonly isSorted?: boolean
}

/**
 * Proves that a subject and another program leave the same state in the kernel, as a program prints it: else they would not do the same work. Throws with the
 * first line that differs.
 */
export async function verifySameState<Name extends SubjectName>(
  bench: Bench,
  name: Name,
  options: OptionsOf<Name>,
  { make, list, isSorted = false }: SameState
): Promise<void> {
  const inside = ({ path }: Place, argv: readonly string[]): Promise<string> => output('nsenter', [`--net=${path}`, ...argv])
  const lines = async (place: Place): Promise<string[]> => {
    const printed = (await inside(place, list)).split('\n')
    return isSorted ? printed.sort() : printed
  }
  const ours = await inFreshNamespace(async (place) => {
    const session = await openSubject(name, bench.netplane, place.path, options)
    await session.work()
    await session.close()
    return await lines(place)
  })
  const theirs = await inFreshNamespace(async (place) => {
    await inside(place, make(place))
    return await lines(place)
  })
  const at = Array.from({ length: Math.max(ours.length, theirs.length) }, (_, index) => index).find(
    (index) => ours[index] !== theirs[index]
  )
  if (at === undefined) return
  throw new Error(`${name} and ${list[0]} differ in line ${at + 1}:\n  ours   ${ours[at] ?? ''}\n  theirs ${theirs[at] ?? ''}`)
}

/** The same for a script for nft and `nft list ruleset`. */
export async function verifySameRuleset<Name extends SubjectName>(
  bench: Bench,
  name: Name,
  options: OptionsOf<Name>,
  script: string
): Promise<void> {
  const file = bench.file('verify.nft', script)
  await verifySameState(bench, name, options, { make: () => ['nft', '-f', file], list: ['nft', 'list', 'ruleset'] })
}
