/**
 * Where kernels that are still in use answer otherwise than the newest: the lab boots 5.10, 6.1, 6.12 and the newest of Debian.
 */
import { isOlderThan } from './kernel-version.js'

/** How a transaction is refused. */
export interface Refusal {
  readonly code: string
  readonly field: string | undefined
  readonly subject: string
}

/** Elements are named since 5.19 (`NL_SET_BAD_ATTR` in `nf_tables_newsetelem()`); before, only the message they were in. */
const messageOnly = (subject: string) => ({ version: '5.19', refusal: { subject } }) as const
const manyOfMap = messageOnly('add elements of map ip app services')
const manyOfSet = messageOnly('add elements of set ip app addresses')

/**
 * What the tests call the refusal, the version that brought today's answer (as far as the lab can tell), and what differed before; nothing: it was
 * accepted and had no effect.
 */
const before: Readonly<Record<string, { readonly version: `${number}.${number}`; readonly refusal: Partial<Refusal> | undefined }>> = {
  'elements of no set': { version: '6.12', refusal: { field: undefined } },
  'a goto to no chain from a map': manyOfMap,
  'a full set': manyOfSet,
  'an element twice': messageOnly('create elements of set ip app addresses'),
  'an element with other data': manyOfMap,
  'an element without data in a map': manyOfMap,
  'a time-out in a set without': manyOfSet,
  'the deletion of no element': messageOnly('delete elements of set ip app addresses'),
  'a goto to a base chain from a map': manyOfMap,
  // Brought by 6.2 and given to 6.1 as a correction.
  'a set of other type': { version: '6.1', refusal: undefined },
  'a base chain moved': { version: '6.12', refusal: { code: 'EEXIST', field: 'name' } },
  'a base chain of no such type': { version: '6.1', refusal: { field: undefined } }
}

/** How the running kernel refuses what the newest refuses in this way; undefined: it accepts it, without effect. */
export function onThisKernel(what: string, newest: Refusal): Refusal | undefined {
  const older = before[what]
  if (older === undefined || !isOlderThan(older.version)) return newest
  return older.refusal === undefined ? undefined : { ...newest, ...older.refusal }
}
