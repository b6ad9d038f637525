import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectedOf } from './expected.js'
import { openNetwork, type Network } from './network.js'
import { kubeProxy } from './reference/subject.js'
import { linesOfListing } from './reference/listing.js'
import { referenceRules, type Part } from './reference/rules.js'
import { readSeen } from './reference/seen.js'
import { rows } from './rows.js'
import { allRowsMs, judge, runRows } from './run.js'
import { subjects } from './subjects.js'
import { clients, hostOf, settings, type Expected, type Row, type Server } from './types.js'
import { families, kinds, policies, protocols } from './rows/build.js'

let network: Network

beforeAll(async () => {
  network = await openNetwork()
})
afterAll(() => network.close())

describe('the rows', () => {
  it('have names of their own', () => {
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
  })

  it('have every client, protocol, family, kind, policy and setting, and every kind of outcome', () => {
    const among = <Value>(pick: (row: Row) => Value): Set<Value> => new Set(rows.map(pick))
    expect(among(({ client }) => client)).toEqual(new Set(clients))
    expect(among(({ protocol }) => protocol)).toEqual(new Set(protocols))
    expect(among(({ family }) => family)).toEqual(new Set(families))
    expect(among(({ kind, policy }) => `${kind} ${policy}`).size).toBe(kinds.length * policies.length)
    expect(among((row) => row.settings)).toEqual(new Set(Object.keys(settings)))
    expect(among(({ expected }) => ('refused' in expected ? expected.refused : 'answers'))).toEqual(
      new Set(['answers', 'reset', 'icmp', 'silence'])
    )
  })

  it('give each service addresses of its own', () => {
    const owners = new Map<string, string>()
    for (const { name, protocol, frontends } of new Set(rows.flatMap(({ services }) => services))) {
      for (const frontend of frontends) {
        const key = `${protocol} ${frontend.kind === 'node' ? `node ${frontend.family ?? ''}` : frontend.address} ${frontend.port}`
        expect(owners.get(key) ?? name, key).toBe(name)
        owners.set(key, name)
      }
    }
  })
})

/** Whether an endpoint sees the node's address although it is not the client itself. */
const isMasqueraded = ({ expected, client }: Row): boolean =>
  'answers' in expected && Object.entries(expected.answers).some(([server, seen]) => seen === 'node' && server !== hostOf[client])

const isItself = ({ expected, client }: Row): boolean =>
  'answers' in expected && Object.keys(expected.answers).some((server) => server === hostOf[client])

/** Whether all that happens is masqueraded anyway, whoever asks. */
const isAlwaysMasqueraded = (row: Row): boolean =>
  row.kind === 'cluster' ? settings[row.settings].masquerade === 'all' : row.policy === 'cluster'

/** Rows that must notice that a part is missing. */
const noticing: Readonly<Record<Part, (row: Row) => boolean>> = {
  hairpin: (row) => isItself(row) && !isAlwaysMasqueraded(row),
  masquerade: (row) => row.kind !== 'cluster' && isMasqueraded(row),
  'unused ports': ({ about, kind, expected }) =>
    kind === 'cluster' && /^(another port|the port with)/.test(about.Asked ?? '') && 'refused' in expected,
  'source ranges': ({ id, kind, expected }) =>
    id.startsWith('ranges/') && kind === 'loadBalancer' && 'refused' in expected && expected.refused === 'silence',
  'node to all endpoints': (row) => isAskedAtAll(row, ['node']),
  'pods to all endpoints': (row) => isAskedAtAll(row, ['pod here', 'pod elsewhere', 'itself'])
}

/** Local clients at policy `local` that would meet something else if they were from outside. */
function isAskedAtAll(row: Row, local: readonly Row['client'][]): boolean {
  const asked = { ...row, masquerade: settings[row.settings].masquerade }
  const isChosen = JSON.stringify(plain(row.expected)) === JSON.stringify(expectedOf(asked))
  if (row.kind === 'cluster' || row.policy !== 'local' || !local.includes(row.client) || !isChosen) return false
  const { expected } = row
  const outside = expectedOf({ ...asked, client: 'outside' })
  if (!('answers' in outside) || !('answers' in expected)) return JSON.stringify(outside) !== JSON.stringify(expected)
  const answers = Object.entries(outside.answers).map(([server, seen]) => [server, server === hostOf[row.client] ? 'node' : seen] as const)
  // A client that keeps its endpoint cannot tell among how many it was chosen.
  const isFewer = answers.length < Object.keys(expected.answers).length && expected.sticky !== true
  return isFewer || answers.some(([server, seen]) => expected.answers[server as Server] !== seen)
}

/** Rows of services that kube-proxy has, whoever asks; those that take seconds are left out. */
const isOfKubeProxy = (row: Row): boolean =>
  !kubeProxy().differences.some(({ applies }) => applies(row)) &&
  row.pauseMs === undefined &&
  row.endpoints.every(({ side, weight }) => side === undefined && weight === undefined)

/** Without what a choice of endpoints does not decide. */
const plain = (expected: Expected): Expected => ('answers' in expected ? { answers: expected.answers } : expected)

/** For work on a plane: a regular expression for the ids of rows to run. */
const selected = rows.filter(({ id }) => new RegExp(process.env.NETPLANE_BEHAVIOUR_ROWS ?? '').test(id))

/** Where all fails, what the first rows say is enough. */
const shortened = (problems: readonly string[]): readonly string[] =>
  problems.length <= 100 ? problems : [...problems.slice(0, 100), `and ${problems.length - 100} more`]

// IPVS is in few kernels: test/kernel/plane/ipvs/behaviour.test.ts runs its rows where it is. What works in the namespace of this process is in userspace.test.ts.
describe.each(subjects.filter(({ requires, isOfProcess }) => !requires.includes('ipvs') && isOfProcess !== true))('$name', (subject) => {
  it(
    'does with packets what the rows say, and where it differs what its table says',
    async () => {
      expect(shortened(judge(subject, await runRows(network, subject, selected)))).toEqual([])
    },
    allRowsMs
  )
})

describe("kube-proxy's rules", () => {
  it('are those that a real kube-proxy wrote', async () => {
    const kubernetes = { masquerade: 'nonLocal', nodeAddresses: 'primary', serviceRanges: ['10.96.0.0/12', 'fd00:10:96::/112'] } as const
    const seen = await readSeen()
    expect(seen.length).toBeGreaterThan(0)
    for (const { name, services, ruleset } of seen) {
      await network.node.run('nft', ['-f', '-'], { input: referenceRules({ services, settings: kubernetes }) })
      const listed = await network.node.run('nft', ['list', 'ruleset'])
      await network.node.run('nft', ['flush', 'ruleset'])
      expect(linesOfListing(listed), name).toEqual(linesOfListing(ruleset))
    }
  })

  it.each(Object.entries(noticing) as [Part, (row: Row) => boolean][])(
    'fail without %s the rows that tell it, and no others',
    async (part, notices) => {
      const subject = kubeProxy(part)
      const compared = rows.filter((row) => row.settings === 'usual' && row.protocol === 'tcp' && row.family === 'ip' && isOfKubeProxy(row))
      const results = await runRows(network, subject, compared)
      const failed = results.filter(({ problem }) => problem !== undefined).map(({ row }) => row.id)
      expect(failed).toEqual(compared.filter(notices).map(({ id }) => id))
      expect(failed.length).toBeGreaterThan(0)
    }
  )
})
