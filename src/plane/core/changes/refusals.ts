/**
 * What is said of a service that cannot be applied as it is given.
 */
import { ValidationError } from '../../../core/errors.js'
import type { Service } from '../../model.js'
import { formatFrontend } from '../frontend.js'

/**
 * Why an accepted service cannot be applied; undefined: it can.
 *
 * @param outcome All services that are to be, before they are checked.
 */
export type Unsupported = (service: Service, outcome: Outcome) => Error | undefined

/** The services that there are to be once a call is done: anything may be wrong with those that are not checked yet. One function for each call. */
export type Outcome = () => Iterable<Service>

function pathOf(name: string): string {
  return `services[${JSON.stringify(name)}]`
}

/** A service that is malformed. What a getter or a proxy of the caller's throws is wrong with it, too. */
export function quarantineOf(name: string, error: unknown): { readonly service: string; readonly error: Error } {
  if (error instanceof ValidationError)
    return { service: name, error: new ValidationError(`${pathOf(name)}${error.path}`, error.value, error.allowed) }
  const allowed = 'an object that can be read and frozen: this was thrown instead'
  return { service: name, error: new ValidationError(pathOf(name), error, allowed) }
}

/** A service one of whose frontends another one has. */
export function conflictOf(
  name: string,
  { protocol, frontends }: Service,
  index: number,
  holder: string
): { readonly service: string; readonly error: Error } {
  const allowed = `a ${protocol} frontend that no other service has: ${JSON.stringify(holder)} has it`
  return { service: name, error: new ValidationError(`${pathOf(name)}.frontends[${index}]`, formatFrontend(frontends[index]!), allowed) }
}
