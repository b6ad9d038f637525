import type { KubernetesObject } from '../../../kubernetes/types.js'
import { JsonEvents, JsonList } from './json.js'
import { ProtobufEvents, ProtobufList, statusOf } from './protobuf.js'
import type { EventReader, ListReader } from './types.js'

/** What objects may be asked for as. */
export type EncodingName = 'protobuf' | 'json'

/** How answers of one media type are read. */
export interface Encoding {
  readonly name: EncodingName
  readonly list: (kind: KubernetesObject['kind']) => ListReader
  readonly events: (kind: KubernetesObject['kind']) => EventReader
  /** What a Status object in an answer says, as JSON has it; undefined: it is none. */
  readonly status: (answer: Buffer) => unknown
}

function statusOfText(answer: Buffer): unknown {
  try {
    return JSON.parse(answer.toString('utf8')) as unknown
  } catch {
    return undefined
  }
}

const JSON_TYPE = 'application/json'
const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf'

const ENCODINGS: ReadonlyMap<string, Encoding> = new Map<string, Encoding>([
  [JSON_TYPE, { name: 'json', list: (kind) => new JsonList(kind), events: (kind) => new JsonEvents(kind), status: statusOfText }],
  [
    PROTOBUF_TYPE,
    { name: 'protobuf', list: (kind) => new ProtobufList(kind), events: (kind) => new ProtobufEvents(kind), status: statusOf }
  ]
])

/** What a server is asked for. One that has no protobuf, or somebody on the way, may answer in JSON. */
export const ACCEPTED: Readonly<Record<EncodingName, string>> = { protobuf: `${PROTOBUF_TYPE},${JSON_TYPE}`, json: JSON_TYPE }

/** How an answer is read whose `Content-Type` this is; undefined: it has no objects. */
export function encodingOf(contentType: string): Encoding | undefined {
  return ENCODINGS.get(contentType.split(';')[0]!.trim().toLowerCase())
}

/** What a list of media types asks for, as an HTTP header has it: of several, the first that there is. Undefined: there is none of them. */
export function encodingNamed(types: string): EncodingName | undefined {
  const known = types.split(',').flatMap((type) => encodingOf(type)?.name ?? [])
  return known[0]
}
