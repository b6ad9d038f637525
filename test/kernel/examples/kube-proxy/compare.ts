// Runs the cases on both sides and compares what comes of their probes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openNetwork, type Network } from '../../../contract/behaviour/network.js'
import { readCases, type Case } from './cases.js'
import { DIFFERENCES, judge } from './differences.js'
import { outcomesOf, type Outcomes } from './outcomes.js'
import { askedOf, probesOf } from './probes.js'
import { openOurs, openTheirs, type Mode, type Side } from './sides.js'

/** A network in which one of both sides serves. */
export interface Served {
  readonly network: Network
  readonly side: Side
}

/** Where endpoints of the cases listen, ports of their services, and addresses of load balancers. */
const NETWORK = { serverPorts: [5060, 5353, 8081], leakPorts: [53, 443, 5060], leakPrefixes: ['203.0.113.0/24'] }

/** All cases. */
export const cases = await readCases()

async function openServed(isOwn: boolean, open: (network: Network) => Promise<Side>): Promise<Served> {
  const network = await openNetwork({ ...NETWORK, isOwn })
  try {
    return { network, side: await open(network) }
  } catch (error) {
    await network.close()
    throw error
  }
}

/** A network in which the example proxy serves. */
export const openServedByUs = (mode: Mode): Promise<Served> => openServed(mode.isOfProcess === true, (network) => openOurs(network, mode))
/** A network with kube-proxy's rules. */
export const openServedByThem = (like: Mode['like']): Promise<Served> => openServed(false, openTheirs[like])

/** Ends both; undefined: there was nothing to begin with. */
export async function closeServed(served: Served | undefined): Promise<void> {
  try {
    await served?.side.close()
  } finally {
    await served?.network.close()
  }
}

/** What comes of all probes of a case. */
export async function outcomesAt({ network, side }: Served, one: Case): Promise<Outcomes> {
  await side.apply(one)
  await network.forget()
  const probes = probesOf(one)
  return outcomesOf(probes, await network.ask(probes.map(askedOf)))
}

/** Compares a mode in all cases. */
export function compareInAllCases(mode: Mode): void {
  describe(`mode ${mode.mode} does with packets what kube-proxy's rules do, but for differences that are named`, () => {
    let ours: Served | undefined
    let theirs: Served | undefined
    const used = new Set<string>()
    beforeAll(async () => {
      ours = await openServedByUs(mode)
      theirs = await openServedByThem(mode.like)
    })
    afterAll(async () => {
      await closeServed(ours)
      await closeServed(theirs)
    })

    it.each(cases.map((one) => [`${one.name}: ${one.about}`, one] as const))('%s', async (_, one) => {
      const [our, their] = await Promise.all([outcomesAt(ours!, one), outcomesAt(theirs!, one)])
      const problems = probesOf(one).flatMap((probe) => judge(mode.mode, probe, their.get(probe.id)!, our.get(probe.id)!, used) ?? [])
      expect(problems).toEqual([])
    })

    it('and each of the differences is there', () => {
      expect([...used].sort()).toEqual(DIFFERENCES.flatMap(({ name, modes }) => (modes.includes(mode.mode) ? [name] : [])).sort())
    })
  })
}
