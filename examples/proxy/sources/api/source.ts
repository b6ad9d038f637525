import type { ApiAccess } from '../access/types.js'
import type { ObjectNotice, ObjectSource, SourceListener, SourceStatus } from '../types.js'
import { ApiClient } from './client.js'
import { CLIENT_DEFAULTS, type ApiClientOptions } from './rate.js'
import { EventRecorder, RECORDER_DEFAULTS, type RecorderOptions } from './recorder.js'
import { Reflector, REFLECTOR_DEFAULTS, type ReflectorOptions } from './reflector.js'
import { resourcesOf, type ApiResource } from './resources.js'

/** What an API server is asked for, and how; absent: what a proxy reads, as kube-proxy does. */
export interface ApiSourceOptions {
  readonly client?: Partial<ApiClientOptions>
  readonly reflector?: Partial<ReflectorOptions>
  readonly recorder?: Partial<RecorderOptions>
  /** Absent: all but those that a server may lack. */
  readonly kinds?: readonly ApiResource['kind'][] | undefined
}

/** Services, EndpointSlices, the own Node and ServiceCIDRs of an API server, which is told of them in Events. */
export class ApiSource implements ObjectSource {
  readonly #client: ApiClient
  readonly #reflectors: ReadonlyMap<string, Reflector>
  readonly #recorder: EventRecorder
  #listener: SourceListener | undefined

  /** @param nodeName The own Node. */
  constructor(access: ApiAccess, nodeName: string, options: ApiSourceOptions = {}) {
    this.#client = new ApiClient(
      access,
      { ...CLIENT_DEFAULTS, ...options.client },
      {
        measured: (measure) => this.#listener?.measured?.(measure),
        certified: (certificate) => this.#listener?.certified?.(certificate)
      }
    )
    const reflect = { ...REFLECTOR_DEFAULTS, ...options.reflector }
    const resources = resourcesOf(nodeName).filter(({ kind, isOptional }) => options.kinds?.includes(kind) ?? isOptional !== true)
    this.#reflectors = new Map(resources.map((resource) => [resource.kind, new Reflector(this.#client, resource, reflect)]))
    const unreported = (error: Error): void => this.#listener?.unreported?.(error)
    this.#recorder = new EventRecorder(this.#client, nodeName, unreported, { ...RECORDER_DEFAULTS, ...options.recorder })
  }

  get status(): SourceStatus {
    const all = [...this.#reflectors.values()]
    const failed = [...this.#reflectors].flatMap(([kind, { error }]) => (error === undefined ? [] : [`${kind}: ${error.message}`]))
    // What a server may lack keeps nobody waiting who can be answered without.
    const hasSynced = all.every(
      (reflector) => reflector.hasSynced || (all.length > 1 && reflector.isOptional && reflector.error !== undefined)
    )
    return {
      name: 'api',
      hasSynced,
      isUnderstood: hasSynced,
      knowsRanges: this.#reflectors.get('ServiceCIDR')?.hasSynced === true,
      problems: all.flatMap(({ problems }) => problems),
      outdated: [],
      error: failed.length === 0 ? undefined : new Error(failed.join('; ')),
      isNeeded: false,
      requests: this.#client.requests
    }
  }

  open(): void {
    // Whether the server answers is seen later.
  }

  start(listener: SourceListener): Promise<void> {
    this.#listener = listener
    for (const reflector of this.#reflectors.values()) reflector.start(listener)
    return Promise.resolve()
  }

  report(notice: ObjectNotice): void {
    this.#recorder.record(notice)
  }

  async close(): Promise<void> {
    await Promise.all([this.#recorder, ...this.#reflectors.values()].map((part) => part.close()))
    await this.#client.close()
  }
}
