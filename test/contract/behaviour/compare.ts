// What came of a row, and whether it is what was expected.
import { groupBy } from './group-by.js'
import { nodeAddress } from './network.js'
import type { Event } from './agent.js'
import type { Expected, Row, Server } from './types.js'

/** What was seen. */
export type Outcome = { readonly events: readonly Event[] } | { readonly unsupported: string }

/** An answer: who, to which client, and whose address the server saw: an address of neither is written as it is. */
interface Answer {
  readonly server: Server
  readonly own: string
  readonly seen: string
}

const nodeAddresses: ReadonlySet<string> = new Set(Object.values(nodeAddress).flatMap(({ ip, ip6 }) => [ip, ip6]))

function answersOf(events: readonly Event[]): Answer[] {
  return events.flatMap((event) => {
    if (event[0] !== 'answer') return []
    const [server, peer] = event[1].split(' ') as [Server, string]
    const other = nodeAddresses.has(peer) ? 'node' : peer
    return [{ server, own: event[2], seen: peer === event[2] ? 'client' : other }]
  })
}

/** ICMP and ICMPv6 "port unreachable" from the node: from an address of its own, or from the one that was asked, which a plane may have made the node's. */
const isPortUnreachable = (event: Event, asked: string): boolean =>
  event[0] === 'icmp' &&
  ((event[1] === 3 && event[2] === 3) || (event[1] === 1 && event[2] === 4)) &&
  (nodeAddresses.has(event[3]) || event[3] === asked)

/** In words: who answered and whose address it saw, or why nobody did. @param asked The address that was asked. */
export function describeEvent(event: Event, asked: string): string {
  if (event[0] === 'answer') {
    const [answer] = answersOf([event])
    return `${answer!.server} sees ${answer!.seen}`
  }
  if (event[0] === 'icmp') return isPortUnreachable(event, asked) ? 'icmp' : `icmp type ${event[1]} code ${event[2]} from ${event[3]}`
  return event.join(' ')
}

/** In words, with how often each happened. */
export function describeOutcome({ address }: Row, outcome: Outcome): string {
  if ('unsupported' in outcome) return `refused by the plane: ${outcome.unsupported}`
  const counts = new Map<string, number>()
  for (const text of outcome.events.map((event) => describeEvent(event, address))) counts.set(text, (counts.get(text) ?? 0) + 1)
  return [...counts].map(([text, count]) => (count === 1 ? text : `${text} (${count} times)`)).join(', ')
}

/** In words. */
export function describeExpected(expected: Expected): string {
  if ('unsupported' in expected) return `refused by the plane: ${expected.unsupported}`
  if ('refused' in expected) return expected.refused
  const answers = Object.entries(expected.answers).map(([server, seen]) => `${server} sees ${seen}`)
  const clients = (expected.sticky ? ', each client keeps its own' : '') + (expected.forgotten ? ', clients do not keep theirs' : '')
  return answers.join(', ') + clients
}

/** Who answered is not who should, or saw another address. */
function compareAnswers(row: Row, expected: Extract<Expected, { answers: unknown }>, answers: readonly Answer[]): boolean {
  const servers = new Set(answers.map(({ server }) => server))
  if (answers.some(({ server, seen }) => expected.answers[server] !== seen)) return false
  const isSpread = !expected.sticky || row.sources.length > 1
  if (isSpread && (Object.keys(expected.answers) as Server[]).some((server) => !servers.has(server))) return false
  const hasMoved = [...groupBy(answers, ({ own }) => own).values()].some((same) => same.some(({ server }) => server !== same[0]!.server))
  if ((expected.sticky && hasMoved) || (expected.forgotten && !hasMoved)) return false
  return Object.entries(expected.shares ?? {}).every(([server, [min, max]]) => {
    const share = answers.filter((answer) => answer.server === server).length / answers.length
    return share >= min && share <= max
  })
}

function isAsExpected(row: Row, expected: Expected, outcome: Outcome): boolean {
  if ('unsupported' in expected || 'unsupported' in outcome)
    return 'unsupported' in expected && 'unsupported' in outcome && expected.unsupported === outcome.unsupported
  const { events } = outcome
  if ('refused' in expected)
    return (
      events.length > 0 &&
      events.every((event) => event[0] === expected.refused && (event[0] !== 'icmp' || isPortUnreachable(event, row.address)))
    )
  const answers = answersOf(events)
  return answers.length === events.length && compareAnswers(row, expected, answers)
}

/** What differs, in words; undefined where nothing does. */
export function compare(row: Row, expected: Expected, outcome: Outcome): string | undefined {
  if (isAsExpected(row, expected, outcome)) return undefined
  return `expected ${describeExpected(expected)}, but: ${describeOutcome(row, outcome)}`
}

/** Whether an explanation names those that may answer: of a client that keeps its server it may know that one alone. Nobody else did answer. */
function explains(row: Row, expected: Expected, explained: Expected, outcome: Outcome): boolean {
  if (!('answers' in expected) || !('answers' in explained)) return JSON.stringify(expected) === JSON.stringify(explained)
  const servers = Object.entries(explained.answers) as [Server, string][]
  const isComplete = servers.length === Object.keys(expected.answers).length || (expected.sticky === true && row.sources.length === 1)
  const answers = 'events' in outcome ? answersOf(outcome.events) : []
  const isWhole = answers.every(({ server }) => explained.answers[server] !== undefined)
  return servers.length > 0 && isComplete && isWhole && servers.every(([server, seen]) => expected.answers[server] === seen)
}

/** What a plane explains wrongly, in words; undefined where it is right. */
export const compareExplained = (row: Row, expected: Expected, explained: Expected, outcome: Outcome): string | undefined =>
  explains(row, expected, explained, outcome)
    ? undefined
    : `expected ${describeExpected(expected)}, and seen: ${describeOutcome(row, outcome)}, but explained: ${describeExpected(explained)}`
