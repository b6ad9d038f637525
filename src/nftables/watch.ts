/**
 * Changes of the ruleset as they happen.
 */
import type { Change, LostEvents } from '../core/events/watch.js'
import type { EventStream } from '../core/events/stream.js'
import type { NativeEvent } from '../native/index.js'
import { fromNative } from './columns.js'
import type { ElementColumns } from './columns.js'
import type { Family } from './families.js'
import { fromNativeSet } from './listed-sets.js'
import {
  fromNativeChain,
  fromNativeCounter,
  fromNativeFlowtable,
  fromNativeObject,
  fromNativeRule,
  fromNativeTable,
  isNativeCounter,
  type ListedChain,
  type ListedCounter,
  type ListedFlowtable,
  type ListedRule,
  type ListedTable
} from './objects.js'
import type { ListedObject } from './stateful-objects.js'
import type { ListedSet } from './sets.js'

/** Elements that came or went, consecutive ones of a set together. */
export interface ElementChange {
  readonly type: 'new' | 'delete'
  readonly kind: 'elements'
  readonly family: Family
  readonly table: string
  readonly set: string
  /** `readElements` of `netplane/nftables` makes objects of them, by the set's declaration. */
  readonly columns: ElementColumns
  readonly portId: number
}

/** Something that happened to the ruleset. */
export type NftablesEvent =
  | Change<'table', ListedTable>
  | Change<'chain', ListedChain>
  | Change<'rule', ListedRule>
  | Change<'set', ListedSet>
  | Change<'counter', ListedCounter>
  | Change<'object', ListedObject>
  | Change<'flowtable', ListedFlowtable>
  | ElementChange
  /** A commit is complete: what came before it since the last one belongs to it. */
  | { readonly type: 'generation'; readonly id: number; readonly processId: number; readonly processName: string }
  | LostEvents

/** A stream of events; close it by leaving the loop, or with `await using`. */
export type NftablesEvents = EventStream<NftablesEvent>

type Converter = (event: NativeEvent) => Pick<Change<string, unknown>, 'kind' | 'object'>

const CONVERTERS: Readonly<Record<string, Converter>> = {
  table: (event) => ({ kind: 'table', object: fromNativeTable(listedOf(event)) }),
  chain: (event) => ({ kind: 'chain', object: fromNativeChain(listedOf(event)) }),
  rule: (event) => ({ kind: 'rule', object: fromNativeRule(listedOf(event)) }),
  set: (event) => ({ kind: 'set', object: fromNativeSet(listedOf(event)) }),
  obj: (event) =>
    isNativeCounter(listedOf(event))
      ? { kind: 'counter', object: fromNativeCounter(listedOf(event)) }
      : { kind: 'object', object: fromNativeObject(listedOf(event)) },
  flowtable: (event) => ({ kind: 'flowtable', object: fromNativeFlowtable(listedOf(event)) })
}

function listedOf(event: NativeEvent): { family: Family; value: NativeEvent['value'] } {
  return { family: event.family as Family, value: event.value }
}

/** The events for a native one; none for messages about nothing that is listed. */
export function convertChange(event: NativeEvent): NftablesEvent[] {
  if (event.type === 'newgen') {
    const { id, processId = 0, processName = '' } = event.value as { id: number; processId?: number; processName?: string }
    return [{ type: 'generation', id, processId, processName }]
  }
  const [, action, noun = ''] = /^(new|del)(.*)$/.exec(event.type) ?? []
  const type = action === 'new' ? 'new' : 'delete'
  if (event.elements !== undefined) {
    const { table, set } = event.value as { table: string; set: string }
    return [
      {
        type,
        kind: 'elements',
        family: event.family as Family,
        table,
        set,
        columns: fromNative(event.elements),
        portId: event.portId
      }
    ]
  }
  const converted = CONVERTERS[noun]?.(event)
  return converted === undefined ? [] : [{ type, ...converted, portId: event.portId } as NftablesEvent]
}
