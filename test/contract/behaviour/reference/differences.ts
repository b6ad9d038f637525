import { expectedOf, pods } from '../expected.js'
import { settings, type Expected, type Row, type Target } from '../types.js'
import type { Difference } from '../run.js'

/** What is expected, but that clients of cluster addresses are masqueraded under policy `local` as under any other. */
function masqueradedAlways({ kind, policy, client, settings: name }: Row, expected: Expected): Expected {
  const { masquerade } = settings[name]
  const isMasqueraded = masquerade === 'all' || (masquerade === 'nonLocal' && !pods.includes(client))
  if (kind !== 'cluster' || policy !== 'local' || !isMasqueraded || !('answers' in expected)) return expected
  return { ...expected, answers: Object.fromEntries(Object.keys(expected.answers).map((server) => [server, 'node'])) }
}

/** What rows expect of their endpoints, seen otherwise. */
const withEndpoints = (row: Row, endpoints: readonly Target[]): Expected =>
  masqueradedAlways(row, expectedOf({ ...row, endpoints, masquerade: settings[row.settings].masquerade }))

const isReady = ({ state }: Target): boolean => state === undefined || state === 'ready'
const withoutSides = ({ endpoints }: Row): Target[] =>
  endpoints.map(({ server, state }) => ({ server, ...(state === undefined ? {} : { state }) }))
const hasSide = (side: Target['side']) => (row: Row) => row.endpoints.some((target) => target.side === side)

/** Where connections are counted, each endpoint has its part of them, but for what chance does in one run of 10^7. */
function withoutWeights(row: Row): Expected {
  const expected = withEndpoints(
    row,
    row.endpoints.map(({ server }) => ({ server }))
  )
  if (!('answers' in expected) || !('answers' in row.expected) || row.expected.shares === undefined) return expected
  const servers = Object.keys(expected.answers)
  const part = 1 / servers.length
  return { ...expected, shares: Object.fromEntries(servers.map((server) => [server, [part - 0.25, part + 0.25]])) }
}

/** Rows for which `applies` holds and in which something else happens. */
const difference = (name: string, reason: string, applies: (row: Row) => boolean, instead: (row: Row) => Expected): Difference => ({
  ...{ name, reason, instead },
  applies: (row) => applies(row) && JSON.stringify(instead(row)) !== JSON.stringify(row.expected)
})

/** Where rows ask more than kube-proxy has. What both have, they do alike. */
export const differences: readonly Difference[] = [
  difference(
    'no weights',
    'kube-proxy has no weights: every endpoint takes as many connections as the others.',
    (row) => row.endpoints.some(({ weight }) => weight !== undefined),
    withoutWeights
  ),
  difference(
    'no ranges to deny',
    'kube-proxy has source ranges that allow clients, and none that deny them.',
    ({ about, kind }) =>
      kind === 'loadBalancer' &&
      (about.Ranges === 'deny everybody' || (about.Ranges?.includes('deny') === true && about.Client === 'outside, another address')),
    (row) => withEndpoints(row, row.endpoints)
  ),
  difference(
    'hints that leave no ready endpoint',
    'Side `local` stands for hints, and kube-proxy ignores them where they would leave no ready endpoint. In the model the caller has decided that already.',
    (row) => hasSide('local')(row) && !row.endpoints.some((target) => isReady(target) && target.side !== 'local'),
    (row) => withEndpoints(row, withoutSides(row))
  ),
  difference(
    'no endpoints for policy cluster only',
    'kube-proxy has nothing that keeps an endpoint of this node out of policy `local`.',
    hasSide('cluster'),
    (row) => withEndpoints(row, withoutSides(row))
  ),
  difference(
    'no schedulers',
    "kube-proxy's nftables mode balances at random, and keeps clients by affinity alone.",
    ({ services, expected }) =>
      services.some(({ scheduler, affinity }) => scheduler !== undefined && affinity === undefined) &&
      'answers' in expected &&
      expected.sticky === true &&
      Object.keys(expected.answers).length > 1,
    (row) => masqueradedAlways(row, 'answers' in row.expected ? { answers: row.expected.answers } : row.expected)
  ),
  difference(
    'the client is masqueraded under policy local',
    'An endpoint of this node answers through this node, so that policy `local` at a cluster address need not hide the client. kube-proxy hides clients that are in no local range.',
    ({ kind, policy }) => kind === 'cluster' && policy === 'local',
    (row) => masqueradedAlways(row, row.expected)
  )
]
