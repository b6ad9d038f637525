/**
 * Explanations in English, a line for each step.
 */
import { printable } from '../../../core/errors.js'
import type {
  ExplainedEndpoint,
  ExplainedShare,
  ExplainedTarget,
  Explanation,
  ExplanationOutcome,
  ExplanationStep,
  RefusalReason,
  SourceReason
} from '../../explanation.js'
import { formatTarget } from '../frontend.js'

/** Endpoints that are named in one line; of more, their number is said. */
const MAX_NAMED = 8

const REFUSAL: Readonly<Record<RefusalReason, string>> = {
  noEndpoint: 'the service has no endpoint that takes connections',
  noLocalEndpoint: 'the traffic policy is local, and no endpoint of this node takes connections',
  sourceRanges: "the frontend's source ranges do not have the client",
  unservedPort: 'the address is one of a service, which does not have this port and protocol',
  unservedAddress: 'no service has this address of a service range',
  incomplete: 'part of what leads to the endpoints of the service is missing',
  foreignRule: "a rule that is not the plane's says so"
}

const SOURCE: Readonly<Record<SourceReason, string>> = {
  hairpin: 'an address of this node, because the endpoint is the client itself',
  external: 'an address of this node, because the frontend may be asked from outside and its traffic policy is cluster',
  node: 'an address of this node, which asks itself',
  all: 'an address of this node, as everybody does',
  notLocal: 'an address of this node, because the client is not a local one',
  relay: 'an address of this node, whose relay makes a connection of its own',
  serviceAddress: 'an address of this node, because IPVS takes the address of the service as source otherwise',
  local: "the client's address, because it is a local client",
  policyLocal: "the client's address, because the traffic policy is local",
  never: "the client's address, because nothing says otherwise",
  delivered: "the client's address, because this node has the endpoint's address itself",
  unmasked: "the client's address, because part of what gives it one of this node is missing"
}

const CLIENT: Readonly<Record<'direction' | 'prefixes' | 'interface' | 'nothing', string>> = {
  direction: '',
  prefixes: ', by the prefixes of option localSources',
  interface: ', by the links of option localSources',
  nothing: ', as there is no option localSources'
}

const CLIENTS = { all: 'all clients', inside: 'local clients and this node itself', outside: 'clients from outside' } as const
const WHO = { node: 'this node itself', local: 'a local client', outside: 'a client from outside' } as const
const DESTINATION = {
  service: 'an address of a service',
  node: "one of this node's addresses at which its ports are served",
  neither: 'no address of a service, and none at which ports of this node are served'
} as const

const nameOf = (service: string | undefined): string =>
  service === undefined ? 'a service of unknown name' : `service ${printable(service)}`

const seconds = (milliseconds: number): string => `${Number((milliseconds / 1000).toFixed(1))} s`

/** Up to three digits that say something; what is all but certain is not said to be. */
function percent(probability: number): string {
  const text = `${Number((probability * 100).toPrecision(3))} %`
  return text === '100 %' && probability < 1 ? 'almost 100 %' : text
}

function formatShare(share: ExplainedShare): string {
  return share.probability === undefined ? formatTarget(share) : `${formatTarget(share)} (${percent(share.probability)})`
}

function list<T>(entries: readonly T[], format: (entry: T) => string): string {
  const named = entries.slice(0, MAX_NAMED).map(format).join(', ')
  return entries.length <= MAX_NAMED ? named : `${named} and ${entries.length - MAX_NAMED} more`
}

type Step<Type extends ExplanationStep['type']> = Extract<ExplanationStep, { readonly type: Type }>

function describeAffinity({ endpoint, leftMs, timeoutMs }: Step<'affinity'>): string {
  const time = timeoutMs === undefined ? 'a time' : seconds(timeoutMs)
  if (endpoint === undefined) return `Clients are remembered for ${time}; this one is not.`
  const left = leftMs === undefined ? '' : `, for ${seconds(leftMs)} more if it does not connect again`
  return `Clients are remembered for ${time}; this one keeps ${formatTarget(endpoint)}${left}.`
}

function describeRanges({ list: which, range, isServed }: Step<'sourceRanges'>): string {
  const where = range === undefined ? `No range of the list ${which} has the client` : `Range ${range} of the list ${which} has the client`
  return `${where}: it is ${isServed ? 'served' : 'not served'}.`
}

function describeFrontend({ service, scope, clients, trafficPolicy, object }: Step<'frontend'>): string {
  const what = scope === 'node' ? 'port of this node is one' : 'address and port are'
  const policy = trafficPolicy === undefined ? '' : `, with traffic policy ${trafficPolicy}`
  return `The ${what} of ${nameOf(service)}${policy}, found in ${printable(object)}, which is for ${CLIENTS[clients]}.`
}

function describeChoice({ scheduler, endpoints, chosen }: Step<'choice'>): string {
  const among = `Scheduler ${printable(scheduler)} chooses among ${list(endpoints, formatShare)}`
  return chosen === undefined ? `${among}.` : `${among}; this client gets ${formatTarget(chosen)}.`
}

function describeRelay({ port, isListening, timeoutMs }: Step<'relay'>): string {
  if (!isListening) return `It is redirected to port ${port} of this node, at which no relay of this process listens.`
  const memory = timeoutMs === undefined ? '' : `, which remembers clients for ${seconds(timeoutMs)}`
  return `It is redirected to a relay at port ${port} of this node${memory}.`
}

const STEP: { readonly [Type in ExplanationStep['type']]: (step: Step<Type>) => string } = {
  drift: ({ objects }) => `The kernel differs from what the plane made: ${list(objects, printable)}.`,
  missing: ({ objects }) => `The kernel lacks ${list(objects, printable)}.`,
  destination: ({ is }) => `The destination is ${DESTINATION[is]}.`,
  client: ({ is, by }) => `The client is ${WHO[is]}${CLIENT[by]}.`,
  sourceRanges: describeRanges,
  frontend: describeFrontend,
  affinity: describeAffinity,
  relay: describeRelay,
  choice: describeChoice,
  source: ({ reason, endpoints }) => `${list(endpoints, formatTarget)} ${endpoints.length === 1 ? 'sees' : 'see'} ${SOURCE[reason]}.`
}

const describeStep = (step: ExplanationStep): string => (STEP[step.type] as (step: ExplanationStep) => string)(step)

function describeEndpoint(endpoint: ExplainedEndpoint): string {
  const { refusal } = endpoint
  const share = formatShare(endpoint)
  return refusal === undefined ? share : `${share}, where it is ${refusal.type}, because ${REFUSAL[refusal.reason]}`
}

type Outcome<Type extends ExplanationOutcome['type']> = Extract<ExplanationOutcome, { readonly type: Type }>

const UNTOUCHED: Readonly<Record<Outcome<'untouched'>['reason'], string>> = {
  notOurs: 'no service has this address, port and protocol',
  nothing: 'the kernel holds nothing of this plane',
  incomplete: REFUSAL.incomplete
}

/** Connections that get to none of the endpoints: less than this part of them is what the last digits of probabilities say. */
const LEAST_PART = 0.001

/** The part of new connections that no endpoint gets, in words. */
function restText(endpoints: readonly ExplainedEndpoint[]): string {
  if (endpoints.some(({ probability }) => probability === undefined)) return ''
  const rest = 1 - endpoints.reduce((sum, { probability }) => sum + probability!, 0)
  return rest < LEAST_PART ? '' : `; ${percent(rest)} of new connections are not served, because ${REFUSAL.incomplete}`
}

const OUTCOME: { readonly [Type in ExplanationOutcome['type']]: (outcome: Outcome<Type>) => string } = {
  served: ({ service, endpoints }) =>
    endpoints.length === 0
      ? `sent to a relay of ${nameOf(service)} that is not of this process`
      : `served by ${nameOf(service)}, at ${list(endpoints, describeEndpoint)}${restText(endpoints)}`,
  refused: ({ reason }) => `refused with ICMP "port unreachable", because ${REFUSAL[reason]}`,
  dropped: ({ reason }) => `dropped without an answer, because ${REFUSAL[reason]}`,
  untouched: ({ reason }) => `left alone, because ${UNTOUCHED[reason]}`
}

const describeOutcome = (outcome: ExplanationOutcome): string =>
  `Outcome: ${(OUTCOME[outcome.type] as (outcome: ExplanationOutcome) => string)(outcome)}`

/** Rules that differ are not followed: what they do with the packet is not known. */
const OTHER_RULES = /\b(?:foreign rules?|changed rules) in chain /

/** What makes the outcome uncertain. Where parts of the plane are missing, rules that led to them look like those of others. */
function describeDoubt(steps: readonly ExplanationStep[], outcome: ExplanationOutcome): string {
  if (outcome.type !== 'served' && outcome.reason === 'incomplete') return ''
  const rules = steps.flatMap((step) => (step.type === 'drift' ? step.objects.filter((object) => OTHER_RULES.test(object)) : []))
  return rules.length === 0 ? '' : `, unless rules that differ decide otherwise (${list(rules, printable)})`
}

const DEPENDS = {
  from: 'This may differ for a certain address of this node: say `from`.',
  interface: 'This may differ by the link through which the packet comes: say `interface`.'
} as const

/** The whole explanation. */
export function describeExplanation({ request, steps, outcome, dependsOn }: Omit<Explanation, 'toString'>): string {
  const { protocol, from, direction, interface: link } = request
  const target: ExplainedTarget = request
  const client = from ?? 'an address of this node'
  const way = direction === 'outgoing' ? 'sent by this node' : link === undefined ? 'coming in' : `coming in by ${printable(link)}`
  return [
    `${protocol} from ${client} to ${formatTarget(target)}, ${way}`,
    ...steps.map(describeStep),
    `${describeOutcome(outcome)}${describeDoubt(steps, outcome)}.`,
    ...dependsOn.map((field) => DEPENDS[field])
  ].join('\n')
}
