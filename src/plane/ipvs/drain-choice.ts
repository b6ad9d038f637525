/**
 * What becomes of the endpoints of a service that are removed: by the protocol, or as a function says for each service.
 */
import { ValidationError } from '../../core/errors.js'
import type { DrainPolicies, DrainPolicy } from '../../ipvs/index.js'
import { checkPolicies, checkPolicy } from '../../ipvs/sync/drain-policy.js'
import type { Service } from '../model.js'

/** Policies by protocol, or a function that says the policy of a service; where it gives nothing the service has the default of its protocol. */
export type DrainingOption = DrainPolicies | ((service: Service) => DrainPolicy | undefined)

/** Checks the option. @throws {ValidationError} */
export function checkDraining(option: DrainingOption | undefined): DrainingOption | undefined {
  if (typeof option !== 'function') checkPolicies('draining', option)
  return option
}

/** The policies of one plane. */
export class DrainChoice {
  /** By protocol. */
  readonly policies: DrainPolicies | undefined
  readonly #choose: ((service: Service) => DrainPolicy | undefined) | undefined
  readonly #chosen = new WeakMap<Service, DrainPolicy | undefined>()

  /** @param option Checked. */
  constructor(option: DrainingOption | undefined) {
    this.#choose = typeof option === 'function' ? option : undefined
    this.policies = typeof option === 'function' ? undefined : option
  }

  /** The policy of a service, of which the function is asked once; undefined: that of its protocol. @throws {ValidationError} The function threw, or gave something else. */
  of(service: Service): DrainPolicy | undefined {
    if (this.#choose === undefined) return undefined
    if (!this.#chosen.has(service)) this.#chosen.set(service, this.#ask(this.#choose, service))
    return this.#chosen.get(service)
  }

  /** Why a service cannot be carried; undefined: it can. */
  refusal(service: Service): ValidationError | undefined {
    try {
      this.of(service)
      return undefined
    } catch (error) {
      if (error instanceof ValidationError) return error
      throw error
    }
  }

  #ask(choose: (service: Service) => DrainPolicy | undefined, service: Service): DrainPolicy | undefined {
    const path = `draining(${JSON.stringify(service.name)})`
    let policy: DrainPolicy | undefined
    try {
      policy = choose(service)
    } catch (error) {
      throw new ValidationError(path, error, "'at-once', { deadlineSeconds } or nothing: this was thrown instead")
    }
    if (policy === undefined) return undefined
    checkPolicy(path, policy)
    return policy === 'at-once' ? policy : { deadlineSeconds: policy.deadlineSeconds }
  }
}
