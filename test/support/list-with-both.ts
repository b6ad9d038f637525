import { attempt } from './run.js'
import { nftPrograms, type NftProgram } from './newest-nft.js'

/** What nft prints where it does not know what it has before it: types without a name, values that it cannot place. A chunk of SCTP has a `type` that may be 0. */
const GARBAGE = /(?<!sctp chunk data )\btype (0|"")|\bunknown\b|\[invalid/
/** Characters around it that a failure shows. */
const SURROUNDINGS = 500

/** Lists everything with one version of nft, in a named namespace or in the one of the test. Fails where it ends otherwise than well, complains, or prints what nobody can read. */
async function listWith({ name, command }: NftProgram, namespace: string | undefined): Promise<string> {
  const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]
  const [program, ...args] = [...inside, ...command, 'list', 'ruleset']
  const { status, signal, stdout, stderr } = await attempt(program, args)
  if (status !== 0 || stderr !== '') throw new Error(`${name} ends with ${signal ?? `status ${status}`}\n${stderr}\n${stdout}`)
  const garbage = GARBAGE.exec(stdout)
  if (garbage !== null)
    throw new Error(
      `${name} prints '${garbage[0]}':\n${stdout.slice(Math.max(0, garbage.index - SURROUNDINGS), garbage.index + SURROUNDINGS)}`
    )
  return stdout
}

/** What both printed, by what this machine's printed: many tests look at one rule set. */
const seen = new Map<string, readonly string[]>([['', ['', '']]])

/** Lists everything with both versions of nft, and returns what they printed. */
export async function listWithBoth(namespace?: string): Promise<readonly string[]> {
  const [own, newest] = nftPrograms()
  const listing = await listWith(own, namespace)
  const listings = seen.get(listing) ?? [listing, await listWith(newest, namespace)]
  seen.set(listing, listings)
  return listings
}
