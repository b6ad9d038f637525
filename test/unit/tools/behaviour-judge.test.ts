import { expect, it } from 'vitest'
import type { Event } from '../../contract/behaviour/agent.js'
import { compare } from '../../contract/behaviour/compare.js'
import { addressOf, nodeAddress, type Network } from '../../contract/behaviour/network.js'
import { rows } from '../../contract/behaviour/rows.js'
import { judge, runRows, type Difference, type Subject } from '../../contract/behaviour/run.js'
import type { Expected, Row } from '../../contract/behaviour/types.js'

const row = rows.find(({ id }) => id === 'choice/cluster/cluster/ready here and elsewhere/pod here/tcp/ip')!
const own = addressOf['pod-b'].ip
const answer = (server: string, peer = own, from = own): Event => ['answer', `${server} ${peer}`, from]
const both: Expected = { answers: { 'pod-a': 'client', 'far-c': 'client' } }

it.each<[what: string, expected: Expected, events: readonly Event[], problem: string | undefined]>([
  ['all who should answer', both, [answer('pod-a'), answer('far-c')], undefined],
  ['one of them only', both, [answer('pod-a')], 'pod-a sees client'],
  ['somebody else', both, [answer('pod-a'), answer('far-c'), answer('uplink')], 'uplink sees client'],
  ['the node is seen', both, [answer('pod-a'), answer('far-c', nodeAddress.primary.ip)], 'far-c sees node'],
  ['an address of nobody is seen', both, [answer('pod-a'), answer('far-c', '10.9.9.9')], 'far-c sees 10.9.9.9'],
  ['some connections are lost', both, [answer('pod-a'), answer('far-c'), ['silence']], 'silence'],
  ['ICMP from the node', { refused: 'icmp' }, [['icmp', 3, 3, nodeAddress.primary.ip]], undefined],
  ['ICMPv6 from the node', { refused: 'icmp' }, [['icmp', 1, 4, nodeAddress.primary.ip6]], undefined],
  ['ICMP from elsewhere', { refused: 'icmp' }, [['icmp', 3, 3, '10.250.0.1']], 'icmp type 3 code 3 from 10.250.0.1'],
  ['another code of ICMP', { refused: 'icmp' }, [['icmp', 3, 1, nodeAddress.primary.ip]], 'icmp type 3 code 1'],
  ['a reset instead of ICMP', { refused: 'icmp' }, [['reset']], 'reset'],
  ['nothing at all instead of a reset', { refused: 'reset' }, [['silence']], 'silence'],
  ['a failed system call', { refused: 'silence' }, [['error', 'ENETUNREACH']], 'error ENETUNREACH'],
  ['a client that keeps its server', { ...both, sticky: true }, [answer('pod-a'), answer('pod-a')], undefined],
  ['a client that moves', { ...both, sticky: true }, [answer('pod-a'), answer('far-c')], 'far-c sees client'],
  ['clients that all stay', { ...both, forgotten: true }, [answer('pod-a'), answer('far-c', '1.1.1.1', '1.1.1.1')], 'pod-a sees client'],
  ['a client that was forgotten', { ...both, forgotten: true }, [answer('pod-a'), answer('far-c')], undefined],
  ['a share that is too large', { ...both, shares: { 'pod-a': [0, 0.4] } }, [answer('pod-a'), answer('far-c')], 'pod-a sees client']
])('tells %s', (_, expected, events, problem) => {
  const found = compare(row, expected, { events })
  if (problem === undefined) expect(found).toBeUndefined()
  else expect(found).toContain(problem)
})

/** A network in which every question has the same answers, and a plane that refuses some services. */
function stub(events: readonly Event[], refused: ReadonlyMap<string, string>, differences: readonly Difference[]): [Network, Subject] {
  const network = {
    ask: (questions: readonly { readonly id: string }[]) => Promise.resolve(new Map(questions.map(({ id }) => [id, events]))),
    forget: () => Promise.resolve()
  } as unknown as Network
  const opened = { apply: () => Promise.resolve(refused), close: () => Promise.resolve() }
  return [network, { name: 'stub', about: '', requires: [], differences, open: () => Promise.resolve(opened) }]
}

const unsupported = (applies: (candidate: Row) => boolean): Difference => ({
  ...{ name: 'no tcp', reason: 'None.', applies },
  instead: () => ({ unsupported: 'ERR_NETPLANE_UNSUPPORTED' })
})

it.each([
  ['refused as said', 'ERR_NETPLANE_UNSUPPORTED', true, []],
  ['refused otherwise', 'ERR_NETPLANE_KERNEL', true, ['refused by the plane: ERR_NETPLANE_KERNEL']],
  ['refused without being said', 'ERR_NETPLANE_UNSUPPORTED', false, ['refused by the plane: ERR_NETPLANE_UNSUPPORTED']],
  ['not refused though said', undefined, true, ["(as 'no tcp' says)"]],
  ['not refused', undefined, false, []]
])('judges a service that is %s', async (_, code, isSaid, problems) => {
  const refused = new Map(code === undefined ? [] : [[row.services[0]!.name, code]])
  const [network, subject] = stub([answer('pod-a'), answer('far-c')], refused, isSaid ? [unsupported(() => true)] : [])
  const found = judge(subject, await runRows(network, subject, [row]))
  expect(found).toEqual(problems.map((problem): unknown => expect.stringContaining(problem)))
})

it.each<[what: string, id: string, explained: Expected, isRight: boolean]>([
  ['all servers', row.id, both, true],
  ['one of two servers', row.id, { answers: { 'pod-a': 'client' } }, false],
  ['another source', row.id, { answers: { 'pod-a': 'client', 'far-c': 'node' } }, false],
  ['no servers', row.id, { answers: {} }, false],
  ['a refusal', row.id, { refused: 'icmp' }, false],
  ['the server of a client that keeps it', 'sticky/affinity/external/local/outside/tcp/ip', { answers: { 'pod-a': 'client' } }, true],
  ['a server that did not answer', 'sticky/affinity/external/local/outside/tcp/ip', { answers: { 'pod-b': 'client' } }, false],
  ['a server that the client cannot have', 'sticky/affinity/external/local/outside/tcp/ip', { answers: { 'far-c': 'client' } }, false],
  ['the refusal', 'choice/cluster/cluster/none/outside/tcp/ip', { refused: 'icmp' }, true],
  ['another refusal', 'choice/cluster/cluster/none/outside/tcp/ip', { refused: 'silence' }, false]
])('judges a plane that explains %s', async (_, id, explained, isRight) => {
  const asked = rows.find((candidate) => candidate.id === id)!
  const servers = 'answers' in asked.expected ? Object.keys(asked.expected.answers) : []
  const answering = 'answers' in asked.expected && asked.expected.sticky ? servers.slice(0, 1) : servers
  const answers = answering.map((server) => answer(server, asked.sources[0], asked.sources[0]))
  const [network, subject] = stub(answers.length === 0 ? [['icmp', 3, 3, nodeAddress.primary.ip]] : answers, new Map(), [])
  const explaining: Subject = {
    ...subject,
    open: async (...args) => ({ ...(await subject.open(...args)), explain: () => Promise.resolve(explained) })
  }
  const wrong: unknown = expect.stringContaining('but explained')
  expect(judge(explaining, await runRows(network, explaining, [asked]))).toEqual(isRight ? [] : [wrong])
})

it('finds differences that are not needed', async () => {
  const needless: Difference = { name: 'needless', reason: 'None.', applies: () => true, instead: () => both }
  const [network, subject] = stub([answer('pod-a'), answer('far-c')], new Map(), [needless])
  expect(judge(subject, await runRows(network, subject, [row]))).toEqual([expect.stringContaining("so 'needless' is not needed")])
})
