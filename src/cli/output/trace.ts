/**
 * Traced packets, for people.
 */
import { formatSocketAddress } from '../../core/address.js'
import { printable } from '../../core/errors.js'
import type { NamedFrontend } from '../trace/frontends.js'
import type { PacketEnd } from '../trace/packet.js'
import type { PacketEvent, StepEvent, TracedEvent, TranslatedEvent } from '../trace/tracer.js'
import type { Colour, Paint } from './colours.js'

const COLOUR: Readonly<Record<string, Colour>> = { drop: 'red', accept: 'green' }

function endText({ address, port }: PacketEnd): string {
  return port === undefined ? address : formatSocketAddress(address, port)
}

function waysText({ protocol, source, destination }: Pick<PacketEvent, 'protocol' | 'source' | 'destination'>): string {
  return `${protocol} ${endText(source)} -> ${endText(destination)}`
}

function serviceText(service: string | undefined): string {
  return service === undefined ? 'a service that the kernel does not name' : `service ${service}`
}

function frontendText({ mode, service, scope }: NamedFrontend): string {
  return `${scope === 'node' ? 'a port of this node' : 'a frontend'} of ${serviceText(service)} (mode ${mode})`
}

function packetLine(event: PacketEvent): string {
  const { packet, again, inLink, outLink, frontends } = event
  const links = [...(inLink === undefined ? [] : [`in by ${inLink}`]), ...(outLink === undefined ? [] : [`out by ${outLink}`])]
  const goal = frontends.length === 0 ? 'its destination is no frontend of a plane' : `to ${frontends.map(frontendText).join(', and ')}`
  const head = `packet ${packet}${again ? ', once more' : ''}: ${[waysText(event), ...links].join(', ')}`
  return again ? head : `${head}; ${goal}`
}

function translatedLine(event: TranslatedEvent): string {
  const { endpoint } = event
  return `  now ${waysText(event)}${endpoint === undefined ? '' : `: an endpoint of ${serviceText(endpoint.service)}`}`
}

function decisionOf({ type, verdict, policy, rule }: StepEvent): string {
  if (type === 'policy') return String(policy)
  if (type === 'return') return 'end of the chain'
  const { verdict: word, chain, queue } = verdict ?? { verdict: 'continue' }
  const decision = [word, chain, queue].filter((part) => part !== undefined).join(' ')
  return rule?.action === undefined ? decision : `${rule.action}, ${decision}`
}

function ruleText({ rule, type }: StepEvent): string {
  if (type === 'policy') return 'policy'
  if (rule === undefined) return ''
  return rule.position === undefined ? `rule with handle ${rule.handle}` : `rule ${rule.position}`
}

function stepLine(event: StepEvent, isWide: boolean, paint: Paint): string {
  const { hook, family, table, chain, purpose, rule } = event
  const place = [hook === undefined ? '' : `${hook}:`, family, table, chain, ruleText(event)].filter((part) => part !== '').join(' ')
  const decision = decisionOf(event)
  const words = [
    ...(purpose === undefined || event.type !== 'rule' ? [] : [purpose]),
    ...(rule?.comment === undefined ? [] : [`"${rule.comment}"`]),
    ...(isWide && rule !== undefined ? [rule.text ?? `handle ${rule.handle}`] : [])
  ]
  const about = words.length === 0 ? '' : `  (${words.join('; ')})`
  const colour = COLOUR[String(event.policy ?? event.verdict?.verdict)]
  return `  ${printable(place)}: ${colour === undefined ? printable(decision) : paint(colour, printable(decision))}${printable(about)}`
}

/** The line of an event; undefined where people need none: a base chain that has ended, and whose policy follows. */
function tracedLine(event: TracedEvent, isWide: boolean, paint: Paint): string | undefined {
  if (event.event === 'lost') return paint('yellow', 'Steps are missing here: they came faster than they could be read.')
  if (event.event === 'packet') return paint('bold', printable(packetLine(event)))
  if (event.event === 'translated') return printable(translatedLine(event))
  return event.type === 'return' && event.hook !== undefined ? undefined : stepLine(event, isWide, paint)
}

/** Makes lines of events, one after the other. Those of a packet stand below its name, also where packets take turns. */
export class TraceLines {
  readonly #isWide: boolean
  readonly #paint: Paint
  /** The packet whose lines were the last ones. */
  #packet: string | undefined

  /** @param isWide Whether rules stand there in full. */
  constructor(isWide: boolean, paint: Paint) {
    this.#isWide = isWide
    this.#paint = paint
  }

  /** What is to be written of an event; undefined: nothing. */
  of(event: TracedEvent): string | undefined {
    const line = tracedLine(event, this.#isWide, this.#paint)
    if (line === undefined || event.event === 'lost') return line
    const { packet } = event
    const isNamed = event.event === 'packet' || packet === this.#packet
    this.#packet = packet
    return isNamed ? line : `${this.#paint('bold', `packet ${packet} goes on:`)}\n${line}`
  }
}
