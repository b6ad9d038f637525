/**
 * All that is wrong with a service. The plane's check throws at the first mistake: here a copy is mended where that is, and checked again.
 */
import { requireFields } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import type { Slices } from '../../core/slices.js'
import { acceptService } from '../../plane/core/accept/service.js'
import type { Service } from '../../plane/model.js'
import { MAX_TOLD } from './few.js'
import { mend, type Fields } from './mend.js'

/** What is wrong with a service. Paths begin at the service: `.name`. */
export interface Mistakes {
  readonly errors: readonly ValidationError[]
  /** Whether there are no further ones. */
  readonly isAll: boolean
}

/** A service has lists of entries, with lists of source ranges: what is deeper is of no field, and may have itself as a part. */
const MAX_DEPTH = 5

/** A copy that nobody shares: the check freezes what it has seen, and aliases are the same object in several places. */
function copyOf(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value
  if (Array.isArray(value)) return value.map((entry) => copyOf(entry, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, copyOf(field, depth + 1)]))
}

async function refusalOf(service: unknown, slices: Slices): Promise<ValidationError | undefined> {
  try {
    requireFields('', service, 'a service: an object with name, protocol, frontends and endpoints')
    await acceptService(service as Service, slices)
    return undefined
  } catch (error) {
    if (error instanceof ValidationError) return error
    throw error
  }
}

/** Looks for everything that is wrong with a service, up to some more mistakes than are told at once. A service without any is accepted, and frozen. */
export async function findMistakes(service: unknown, slices: Slices): Promise<Mistakes> {
  let error = await refusalOf(service, slices)
  if (error === undefined) return { errors: [], isAll: true }
  const mended = copyOf(service) as Fields
  const errors: ValidationError[] = []
  const paths = new Set<string>()
  // A path that comes again could not be mended.
  while (error !== undefined && !paths.has(error.path)) {
    errors.push(error)
    paths.add(error.path)
    if (errors.length > MAX_TOLD || !mend(mended, error)) return { errors, isAll: false }
    if (slices.isOver) await slices.turn()
    error = await refusalOf(copyOf(mended), slices)
  }
  return { errors, isAll: error === undefined }
}
