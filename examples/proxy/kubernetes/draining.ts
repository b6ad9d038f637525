/** For how long the connections of removed endpoints may go on, as a Service says. */
import type { DrainPolicy, Service } from 'netplane'
import { quote } from './settings.js'

/** The longest time that a Service may ask for, in seconds: about 24 days. */
const MAX_SECONDS = 2_147_483
const SECONDS = /^\d{1,7}$/

/** Beside the services of the model, which have no such field: only one mode drains. */
const policies = new WeakMap<Service, DrainPolicy>()

/** What is wrong with the time that a service says; undefined: nothing. */
export function drainProblem(path: string, text: string): string | undefined {
  const isSound = SECONDS.test(text) && Number(text) <= MAX_SECONDS
  return isSound ? undefined : `${path} is ${quote(text)}: whole seconds, 0-${MAX_SECONDS}, are wanted`
}

/** Notes what a service of the model was told. @param text Well, or absent. */
export function noteDraining(service: Service, text: string | undefined): void {
  if (text === undefined) return
  policies.set(service, Number(text) === 0 ? 'at-once' : { deadlineSeconds: Number(text) })
}

/** What becomes of the endpoints of a service that are removed; undefined: what is usual. */
export function drainPolicyOf(service: Service): DrainPolicy | undefined {
  return policies.get(service)
}
