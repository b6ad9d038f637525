/**
 * An operation on the elements of a set, as it is queued.
 */
import { ValidationError } from '../core/errors.js'
import type { NativeVerb } from '../native/index.js'
import { checkColumns } from './column-checks.js'
import type { ElementColumns } from './columns.js'
import { copyColumns } from './copy.js'
import { describeRow } from './describe.js'
import { ElementBatch } from './element-batch.js'
import { ElementBuffer } from './element-buffer.js'
import type { SetElement } from './elements.js'
import { family } from './families.js'
import { isObject } from './fields.js'
import { setForm, type SetForm } from './sets.js'
import type { AttributeBuffer } from './wire/buffer.js'
import { encodeOperation } from './wire/operation.js'
import type { ElementOptions, ElementSource, ElementTarget, QueuedOperation } from './transaction-types.js'

/** Columns that no one else can change before the commit; nothing where the elements are objects. */
function ownColumns(elements: ElementSource): ElementColumns | undefined {
  if (elements instanceof ElementBuffer) return elements.columns()
  if (!('rows' in elements && 'key' in elements)) return undefined
  const own = copyColumns(elements)
  checkColumns(own)
  return own
}

/** What nft calls it. `set` may be anything: it has not been checked yet. */
export function wordOf(set: unknown): 'set' | 'map' {
  return (set as { readonly data?: unknown } | null | undefined)?.data === undefined ? 'set' : 'map'
}

/** The set in words: `map ip app services`. */
export function describeTarget(target: ElementTarget): string {
  return `${wordOf(target)} ${target.family} ${target.table} ${target.name}`
}

function formOf(target: ElementTarget): SetForm | undefined {
  return target.key === undefined ? undefined : setForm({ key: target.key, data: target.data, flags: target.flags, typeof: target.typeof })
}

function checkOptions(options: ElementOptions): void {
  for (const [name, value] of Object.entries(options))
    if (name !== 'exclusive' && value !== undefined)
      throw new ValidationError(`options.${name}`, value, 'no such option; there is exclusive')
  if (options.exclusive !== undefined && typeof options.exclusive !== 'boolean')
    throw new ValidationError('options.exclusive', options.exclusive, 'true or false')
}

/**
 * @param isChecked Whether the rows are known to be well.
 * @param out Where its header goes.
 * @throws {ValidationError}
 */
export function elementOperation(
  verb: NativeVerb,
  target: ElementTarget,
  elements: ElementSource,
  options: ElementOptions,
  isChecked: boolean,
  out: AttributeBuffer
): QueuedOperation {
  const place = describeTarget(target)
  if (!isObject(elements)) throw new ValidationError('elements', elements, 'elements, or columns')
  checkOptions(options)
  if (target.id !== undefined && !Number.isInteger(target.id)) throw new ValidationError('set.id', target.id, 'the number of a set')
  const form = formOf(target)
  const own = ownColumns(elements)
  if (own === undefined && form === undefined)
    throw new ValidationError('set.key', undefined, "the set's declaration, when elements are objects")
  const batch = own === undefined ? new ElementBatch(elements as Iterable<SetElement>, form!) : undefined
  const columns = (): ElementColumns | undefined => own ?? batch?.encoded
  const range = (row: number): string => describeRow(columns()!, row, form)
  const head = { verb, kind: 'elements', family: family('family', target.family) } as const
  const value = { table: target.table, set: target.name, ...(target.id === undefined ? {} : { setId: target.id }) }
  return {
    ...head,
    value,
    wire: encodeOperation(head, value, out),
    columns: (slices) => own ?? batch!.columns(slices),
    columnsHere: () => own ?? batch!.columnsHere(),
    subject: (row) => (row === undefined || columns() === undefined ? `elements of ${place}` : `element ${range(row)} of ${place}`),
    object: (row) => (batch === undefined ? row : batch.object(row)),
    elements: {
      form,
      isExclusive: options.exclusive === true,
      isPaired: batch !== undefined,
      isChecked,
      place: (row) => (batch === undefined ? `rows[${row}]` : `elements[${batch.source(row)}].key`),
      range
    }
  }
}
