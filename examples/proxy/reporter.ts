import { VERSION, type PlaneEvent, type SyncReport, type TakenPort } from 'netplane'
import type { HealthCheck } from './kubernetes/health-checks.js'
import type { KubernetesObject, KubernetesService } from './kubernetes/types.js'
import type { ObjectNotice, ObjectSource } from './sources/types.js'

/** Reasons of what is reported, and what was being done then. Those that kube-proxy has, too, are called as there. */
const NOTICES = {
  Starting: { type: 'Normal', action: 'StartNetplaneProxy' },
  FailedToStartServiceHealthcheck: { type: 'Warning', action: 'Listen' },
  FailedToProgramService: { type: 'Warning', action: 'Program' },
  ExternalAddressRefused: { type: 'Warning', action: 'Program' },
  NodePortTaken: { type: 'Warning', action: 'Program' },
  InvalidObject: { type: 'Warning', action: 'Read' }
} as const satisfies Readonly<Record<string, Pick<ObjectNotice, 'type' | 'action'>>>

/** A sentence, however its words end. */
function sentence(words: string): string {
  return /[.!?]$/.test(words) ? words : `${words}.`
}

/** Reports to where objects come from what is not done for them. */
export class Reporter {
  readonly #source: ObjectSource
  readonly #find: (service: string) => KubernetesService | undefined
  readonly #nodeName: string

  /** @param find The Service that a service of the model belongs to. */
  constructor(source: ObjectSource, find: (service: string) => KubernetesService | undefined, nodeName: string) {
    this.#source = source
    this.#find = find
    this.#nodeName = nodeName
  }

  /** The proxy of this node begins. */
  started(): void {
    this.#report(
      'Starting',
      { kind: 'Node', metadata: { name: this.#nodeName } },
      `The proxy of services has started: netplane ${VERSION}.`
    )
  }

  /** Ports of services were refused, by the plane or by the kernel. A Service is told of all its ports together. */
  quarantined(quarantined: SyncReport['quarantined']): void {
    if (this.#source.report === undefined) return
    const notes = new Map<KubernetesService, string[]>()
    for (const { service, error } of quarantined) {
      const object = this.#find(service)
      if (object === undefined) continue
      const note = sentence(`Port ${service.slice(service.indexOf(':') + 1)} is not served: ${error.message}`)
      const others = notes.get(object)
      if (others === undefined) notes.set(object, [note])
      else others.push(note)
    }
    for (const [object, all] of notes) this.#report('FailedToProgramService', object, all.sort().join(' '))
  }

  /** Load balancers cannot ask at a port. */
  healthPort({ namespace, name, port }: HealthCheck, error: Error): void {
    const note = `Load balancers cannot ask at the health check port ${port}, and may leave this node: ${error.message}`
    this.#reportService('FailedToStartServiceHealthcheck', `${namespace}/${name}`, sentence(note))
  }

  /** An object cannot be used at all. */
  malformed(object: KubernetesObject, problem: string): void {
    this.#report('InvalidObject', object, sentence(`This ${object.kind} is not used, and what was used of it before stays: ${problem}`))
  }

  /** Something that the plane has found. */
  event(event: PlaneEvent): void {
    if (event.type === 'portTaken') this.takenPorts([event])
  }

  /** Local processes wait at node ports: told when they are found, and again while they do. */
  takenPorts(taken: readonly TakenPort[]): void {
    for (const { protocol, port, address, service } of taken) {
      const note = `A local process waits at ${protocol.toUpperCase()} port ${port} of ${address}, and is not reached: the node port leads to this Service.`
      this.#reportService('NodePortTaken', service, note)
    }
  }

  /** External addresses of Services that the options do not allow. */
  refusedAddresses(refused: ReadonlyMap<string, readonly string[]>): void {
    for (const [service, addresses] of refused)
      this.#reportService(
        'ExternalAddressRefused',
        service,
        `Not served, as the ranges for external addresses do not have them: ${addresses.join(', ')}.`
      )
  }

  #reportService(reason: keyof typeof NOTICES, service: string, note: string): void {
    const object = this.#find(service)
    if (object !== undefined) this.#report(reason, object, note)
  }

  #report(reason: keyof typeof NOTICES, object: KubernetesObject, note: string): void {
    this.#source.report?.({ ...NOTICES[reason], reason, object, note })
  }
}
