import type { KubernetesObject } from '../../kubernetes/types.js'
import { escapeInvisible } from '../../log.js'
import type { ObjectNotice } from '../types.js'

/** What the Events of a proxy are told apart by from those of others. */
export const REPORTING_CONTROLLER = 'netplane-proxy'

/** What a server takes at most: bytes of a note, and of the name of who tells it; and the length of a name. */
const NOTE_BYTES = 1024
const INSTANCE_BYTES = 128
const NAME_LENGTH = 253

/** The versions of the API in which objects are named. */
const API_VERSIONS: Readonly<Record<KubernetesObject['kind'], string>> = {
  Service: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Node: 'v1',
  ServiceCIDR: 'networking.k8s.io/v1'
}

/** How often something was seen. */
export interface Observations {
  readonly count: number
  readonly lastAt: Date
}

/** Which Event it is, and what it begins with. */
export interface EventHead {
  readonly name: string
  /** The node whose proxy tells it. */
  readonly node: string
  readonly firstAt: Date
}

/** The reference of an object by which those who look at it find what is told of it. */
export interface Regarding {
  readonly apiVersion: string
  readonly kind: KubernetesObject['kind']
  readonly namespace?: string
  readonly name: string
  readonly uid?: string
  readonly resourceVersion?: string
}

/** The text, cut at a character so that it has no more than so many bytes. */
function shorten(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text
  const ellipsis = '…'
  const bytes = Buffer.from(text).subarray(0, maxBytes - Buffer.byteLength(ellipsis))
  // Of a character that was cut there are bytes which stand for none.
  return `${bytes.toString('utf8').replace(/\uFFFD+$/, '')}${ellipsis}`
}

/** Fields that are texts: an object of a wrong shape may have anything there. */
function texts(fields: Readonly<Record<string, unknown>>): Record<string, string> {
  const given = Object.entries(fields).filter((field): field is [string, string] => typeof field[1] === 'string' && field[1] !== '')
  return Object.fromEntries(given)
}

/** Refers to an object. A Node is named as kubelets do it, by its name in place of a uid: `kubectl describe node` looks for both. */
export function regardingOf({ kind, metadata }: KubernetesObject): Regarding {
  const { namespace, name, uid, resourceVersion } = metadata
  const own = kind === 'Node' ? { uid: name } : { namespace, uid, resourceVersion }
  return { apiVersion: API_VERSIONS[kind], kind, name, ...texts(own) }
}

/** What an Event takes of a notice, and no more: a whole object, or a note of all ports of a Service, would fill the memory where many are kept. */
export function abridge({ object, note, ...notice }: ObjectNotice): ObjectNotice {
  const { namespace, name, uid, resourceVersion } = object.metadata
  const metadata = { name, ...texts({ namespace, uid, resourceVersion }) }
  // A character has a byte at least.
  return { ...notice, object: { kind: object.kind, metadata }, note: shorten(escapeInvisible(note.slice(0, NOTE_BYTES + 1)), NOTE_BYTES) }
}

/** Where the Events of an object are: those of an object without a namespace are in `default`. */
export function namespaceOf({ namespace = 'default' }: Regarding): string {
  return namespace
}

/** Path of the list of the Events of an object. */
export function eventsPathOf(regarding: Regarding): string {
  return `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespaceOf(regarding))}/events`
}

/** A name that no other Event has. */
export function eventName({ name }: Regarding, unique: string): string {
  return `${name.slice(0, NAME_LENGTH - unique.length - 1).replace(/[^a-z0-9]+$/, '')}.${unique}`
}

/** A time as a server takes it: with six digits behind the seconds. */
function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z')
}

/** What is told of something that is seen again: a series begins with the second time. */
export function seriesOf({ count, lastAt }: Observations): { readonly series?: object } {
  return count < 2 ? {} : { series: { count, lastObservedTime: microTime(lastAt) } }
}

/** The Event of a notice, which was abridged. */
export function eventOf(
  { type, reason, action, object, note }: ObjectNotice,
  { name, node, firstAt }: EventHead,
  seen: Observations
): object {
  const regarding = regardingOf(object)
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name, namespace: namespaceOf(regarding) },
    eventTime: microTime(firstAt),
    ...seriesOf(seen),
    reportingController: REPORTING_CONTROLLER,
    reportingInstance: shorten(node, INSTANCE_BYTES),
    type,
    reason,
    action,
    regarding,
    note
  }
}
