import { openSubject, type OptionsOf, type SubjectName } from '../subjects/index.js'
import type { Bench } from './bench.js'
import { inFreshNamespace } from './namespaces.js'
import { output } from './process.js'
import type { Place } from './row.js'

/**
 * Proves that a subject and a script for nft leave the same ruleset in the kernel, as `nft list ruleset` prints it: else they would not do the
 * same work. Throws with the first line that differs.
 */
export async function verifySameRuleset<Name extends SubjectName>(
  bench: Bench,
  name: Name,
  options: OptionsOf<Name>,
  script: string
): Promise<void> {
  const list = ({ path }: Place): Promise<string> => output('nsenter', [`--net=${path}`, 'nft', 'list', 'ruleset'])
  const ours = await inFreshNamespace(async (place) => {
    const session = await openSubject(name, bench.netplane, place.path, options)
    await session.work()
    await session.close()
    return await list(place)
  })
  const theirs = await inFreshNamespace(async (place) => {
    await output('nsenter', [`--net=${place.path}`, 'nft', '-f', bench.file('verify.nft', script)])
    return await list(place)
  })
  if (ours === theirs) return
  const expected = theirs.split('\n')
  const at = ours.split('\n').findIndex((line, index) => line !== expected[index])
  throw new Error(
    `${name} and its nft script differ in line ${at + 1}:\n  ours ${ours.split('\n')[at] ?? ''}\n  nft  ${expected[at] ?? ''}`
  )
}
