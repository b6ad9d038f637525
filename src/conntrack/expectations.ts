/**
 * Expectations, made and deleted one by one.
 */
import { isDeepStrictEqual } from 'node:util'
import { requireAddress } from '../core/address.js'
import { isText, requireFields, requireInteger } from '../core/checks.js'
import { EEXIST, EINVAL, ENOENT, ETIME } from '../core/errno.js'
import { ValidationError } from '../core/errors.js'
import { AF_INET } from '../core/protocols.js'
import type { NativeFailure } from '../native/common.js'
import type { NativeConntrackSocket, NativeRecord } from '../native/index.js'
import { MAX_U32, requireHelper, requireKnown, requireProtocol } from './checks.js'
import { tupleForm, type TupleForm } from './constants.js'
import { decodeExpectation } from './details.js'
import { readTuple, tupleRecord, type Tuple } from './encode.js'
import { expectationError, missingModule, unwrap } from './refusals.js'
import type { Expectation, ExpectationInput, FlowTuple } from './types.js'

const MAX_SHORT = 65_535
/** The kernel multiplies by up to 1000 ticks, in 32 bits (ctnetlink_change_expect). */
const MAX_SECONDS = 4_294_967
/** NF_CT_MAX_EXPECT_CLASSES (include/net/netfilter/nf_conntrack_helper.h), less one. */
const MAX_CLASS = 3
const MAX_FUNCTION_BYTES = 255
const FLAGS = ['permanent', 'inactive']
const DIRECTIONS = ['original', 'reply']
const FIELDS = ['protocol', 'tuple', 'mask', 'master', 'timeoutSeconds', 'zone', 'helper', 'flags', 'class', 'function', 'nat']
/** What a listed one has beside them. */
const LISTED = ['family', 'id']

/** What a tuple of each form has of the source beside the address, and of the destination, with all bits set. */
const PARTS: Readonly<
  Record<TupleForm, { readonly source?: keyof FlowTuple; readonly destination: Partial<Record<keyof FlowTuple, number>> }>
> = {
  ports: { source: 'sourcePort', destination: { destinationPort: MAX_SHORT } },
  keys: { source: 'sourceKey', destination: { destinationKey: MAX_SHORT } },
  icmp: { source: 'icmpId', destination: { icmpType: 255, icmpCode: 255 } },
  none: { destination: {} }
}

/** A request about an expectation. */
export interface ExpectationRequest {
  readonly family: number
  readonly record: NativeRecord
}

function requireZone(path: string, zone: number | undefined): NativeRecord {
  return zone === undefined ? {} : { zone: requireInteger(`${path}.zone`, zone, 0, MAX_SHORT) }
}

/** The record that names a listed expectation. */
export function expectationKey(path: string, expectation: Expectation): ExpectationRequest {
  requireFields(path, expectation)
  const protocol = requireProtocol(`${path}.protocol`, expectation.protocol)
  const tuple = readTuple(`${path}.tuple`, expectation.tuple, protocol)
  const id = requireInteger(`${path}.id`, expectation.id, 0, MAX_U32)
  return { family: tuple.family, record: { tuple: tupleRecord(tuple, protocol), id, ...requireZone(path, expectation.zone) } }
}

/** A tuple whose source may be named by its address alone. */
function readSource(path: string, tuple: unknown, protocol: number): Tuple {
  const fields = requireFields(path, tuple)
  const { source } = PARTS[tupleForm(protocol)]
  return readTuple(path, source === undefined ? fields : { ...fields, [source]: fields[source] ?? 0 }, protocol)
}

/** The mask as a tuple. The kernel reads its destination and passes over it, so that it is that of the tuple: a type of icmp must be one. */
function readMask(path: string, given: unknown, tuple: Tuple, protocol: number): Tuple {
  const mask = given === undefined ? {} : requireFields(path, given)
  const parts = PARTS[tupleForm(protocol)]
  requireKnown(path, mask, [
    'source',
    'destination',
    ...(parts.source === undefined ? [] : [parts.source]),
    ...Object.keys(parts.destination)
  ])
  const name = tuple.family === AF_INET ? 'ip' : 'ip6'
  const whole = new Uint8Array(tuple.source.length).fill(255)
  const { destination } = mask
  if (destination !== undefined && requireAddress(`${path}.destination`, destination, name).some((byte) => byte !== 255))
    throw new ValidationError(`${path}.destination`, destination, 'all ones: the kernel compares destinations whole')
  for (const [part, all] of Object.entries(parts.destination)) {
    if (mask[part] !== undefined && mask[part] !== all)
      throw new ValidationError(`${path}.${part}`, mask[part], `${all}: the kernel compares destinations whole`)
  }
  const source = mask['source'] === undefined ? whole : requireAddress(`${path}.source`, mask['source'], name)
  const portMask = parts.source === undefined ? undefined : mask[parts.source]
  const port = portMask === undefined ? (tuple.sourcePort === 0 ? 0 : MAX_SHORT) : portMask
  return { ...tuple, source, sourcePort: requireInteger(`${path}.${parts.source ?? ''}`, port, 0, MAX_SHORT) }
}

function readNat(path: string, given: unknown, family: number, protocol: number): NativeRecord {
  const { direction, tuple } = requireFields(path, given)
  const number = DIRECTIONS.indexOf(direction as string)
  if (number < 0) throw new ValidationError(`${path}.direction`, direction, DIRECTIONS.join(', '))
  const fields = requireFields(`${path}.tuple`, tuple)
  // Only the source counts; the kernel lists zeros for the destination, and reads no type 0 of icmpv6.
  const zeros = { destination: family === AF_INET ? '0.0.0.0' : '::', destinationPort: 0, icmpType: 128, icmpCode: 0 }
  const source = readSource(`${path}.tuple`, { ...zeros, ...fields, ...(tupleForm(protocol) === 'icmp' && zeros) }, protocol)
  if (source.family !== family)
    throw new ValidationError(`${path}.tuple.source`, fields['source'], "an address of the expectation's family")
  return { direction: number, tuple: tupleRecord(source, protocol) }
}

function readFlags(path: string, flags: unknown): readonly string[] {
  if (!Array.isArray(flags)) throw new ValidationError(path, flags, `a list of ${FLAGS.join(', ')}`)
  const strange = flags.findIndex((flag) => !FLAGS.includes(flag as string))
  if (strange >= 0) throw new ValidationError(`${path}[${strange}]`, flags[strange], FLAGS.join(', '))
  return flags as readonly string[]
}

function requireFunction(path: string, name: unknown): string {
  if (isText(name, MAX_FUNCTION_BYTES) && name !== '') return name
  throw new ValidationError(path, name, `1 to ${MAX_FUNCTION_BYTES} bytes of text`)
}

/** The record of an expectation to create; its time-out apart, which the kernel does not read there. */
export function newExpectation(path: string, given: ExpectationInput): ExpectationRequest & { readonly timeoutSeconds?: number } {
  requireKnown(path, requireFields(path, given), [...FIELDS, ...LISTED])
  const { timeoutSeconds, helper, flags, nat } = given
  const protocol = requireProtocol(`${path}.protocol`, given.protocol)
  const tuple = readSource(`${path}.tuple`, given.tuple, protocol)
  const masterProtocol = requireProtocol(`${path}.master.protocol`, requireFields(`${path}.master`, given.master)['protocol'])
  const master = readTuple(`${path}.master`, given.master, masterProtocol)
  if (master.family !== tuple.family)
    throw new ValidationError(`${path}.master.source`, given.master.source, "an address of the tuple's family")
  const record: NativeRecord = {
    tuple: tupleRecord(tuple, protocol),
    mask: tupleRecord(readMask(`${path}.mask`, given.mask, tuple, protocol), protocol),
    master: tupleRecord(master, masterProtocol),
    ...requireZone(path, given.zone),
    ...(helper !== undefined && helper !== '' && { helper: requireHelper(`${path}.helper`, helper) }),
    ...(flags !== undefined && { flags: readFlags(`${path}.flags`, flags) }),
    ...(given.class !== undefined && { class: requireInteger(`${path}.class`, given.class, 0, MAX_CLASS) }),
    ...(given.function !== undefined && { function: requireFunction(`${path}.function`, given.function) }),
    ...(nat !== undefined && { nat: readNat(`${path}.nat`, nat, tuple.family, protocol) })
  }
  const seconds = timeoutSeconds === undefined ? undefined : requireInteger(`${path}.timeoutSeconds`, timeoutSeconds, 0, MAX_SECONDS)
  return { family: tuple.family, record, ...(seconds !== undefined && { timeoutSeconds: seconds }) }
}

/** Makes an expectation, and gives it its time-out. */
export async function createExpectation(
  socket: NativeConntrackSocket,
  operation: string,
  given: ExpectationInput,
  request: ReturnType<typeof newExpectation> & { readonly ensure: boolean; readonly deadlineMs: number }
): Promise<void> {
  const { family, record, timeoutSeconds, ensure, deadlineMs } = request
  const end = performance.now() + deadlineMs
  const left = (): number => Math.max(1, end - performance.now())
  const { failure } = await socket.changeExpectation({ verb: 'create', family, value: record, deadlineMs })
  if (failure?.errno === EEXIST && ensure) return
  if (failure !== undefined) {
    // A request without errors says whether EINVAL came of what was asked for.
    const probe = failure.errno === EINVAL ? (await socket.globalStatistics({ deadlineMs: left() })).failure : undefined
    throw (probe && missingModule(probe, 'conntrack.readUsage')) ?? expectationError(failure, operation, given)
  }
  if (timeoutSeconds === undefined) return
  const changed = await socket.changeExpectation({ verb: 'update', family, value: { ...record, timeoutSeconds }, deadlineMs: left() })
  const errno = changed.failure?.errno
  // It has been met meanwhile, or is just being so.
  if (errno === undefined || errno === ENOENT || errno === ETIME) return
  throw expectationError(changed.failure!, operation, given)
}

interface Deletion extends ExpectationRequest {
  readonly expectation: Expectation
  /** One that is gone counts as removed. */
  readonly ensure: boolean
  readonly deadlineMs: number
}

/** Removes a listed expectation. */
export async function deleteExpectation(
  socket: NativeConntrackSocket,
  operation: string,
  { family, record, expectation, ensure, deadlineMs }: Deletion
): Promise<void> {
  const remove = async (value: NativeRecord): Promise<NativeFailure | undefined> => {
    const outcome = await socket.changeExpectation({ verb: 'delete', family, value, deadlineMs })
    if (outcome.failure?.errno === ENOENT) return outcome.failure
    unwrap(outcome, { operation })
    return undefined
  }
  let absent = await remove(record)
  if (absent === undefined) return
  // Linux 5.10 lists a hash as the id, but compares what it is given with the place in memory (ctnetlink_del_expect): there it is compared here.
  const listed = unwrap(await socket.listExpectations({ deadlineMs }), { operation }).map(decodeExpectation)
  const isThere = listed.some(({ id, tuple }) => id === expectation.id && isDeepStrictEqual(tuple, expectation.tuple))
  if (isThere) absent = await remove(Object.fromEntries(Object.entries(record).filter(([name]) => name !== 'id')))
  if (absent !== undefined && !ensure) throw expectationError(absent, operation, expectation)
}
