import { Agent, request } from 'node:https'

/** What an API server answered: its status, and the object in its body. */
export interface ApiAnswer {
  readonly status: number
  readonly body: ApiObject
}

/** An object of Kubernetes, as far as the tests look into all of them alike. */
export interface ApiObject {
  readonly kind: string
  readonly apiVersion: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid?: string
    readonly resourceVersion?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

/** An object to be made: without what a server adds. */
export type NewObject = Pick<ApiObject, 'kind' | 'apiVersion'> & {
  readonly metadata: { readonly name: string }
  readonly [field: string]: unknown
}

/** Path of the list that holds the objects of a kind. */
const PATHS: Readonly<Record<string, (namespace: string) => string>> = {
  Namespace: () => '/api/v1/namespaces',
  Node: () => '/api/v1/nodes',
  Service: (namespace) => `/api/v1/namespaces/${namespace}/services`,
  EndpointSlice: (namespace) => `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
  ServiceCIDR: () => '/apis/networking.k8s.io/v1/servicecidrs',
  ServiceAccount: (namespace) => `/api/v1/namespaces/${namespace}/serviceaccounts`,
  ClusterRole: () => '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: () => '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings'
}

/** The path of the list in which an object is. */
function listOf({ kind, metadata }: NewObject | ApiObject): string {
  const path = PATHS[kind]
  if (path === undefined) throw new Error(`the client of the tests knows no ${kind}`)
  return path((metadata as ApiObject['metadata']).namespace ?? 'default')
}

const pathOf = (object: NewObject | ApiObject): string => `${listOf(object)}/${object.metadata.name}`

/** Writes into one API server, with many connections at once. */
export class ApiWriter {
  readonly #server: URL
  readonly #token: string
  readonly #agent: Agent

  /** @param ca Certificates that its own one is checked by, in PEM. @param sockets Connections at once. */
  constructor(server: string, token: string, ca: string, sockets = 32) {
    this.#server = new URL(server)
    this.#token = token
    this.#agent = new Agent({ ca, keepAlive: true, maxSockets: sockets })
  }

  /** One request, whatever its answer is. @throws The server is not reached, or what it says is no JSON. */
  async ask(method: string, path: string, body?: unknown, type = 'application/json', timeoutMs = 30_000): Promise<ApiAnswer> {
    const { status, bytes } = await this.#answer(method, path, 'application/json', { body, type, timeoutMs })
    const text = bytes.toString()
    return { status, body: (/^\s*[[{]/.test(text) ? JSON.parse(text) : { message: text }) as ApiObject }
  }

  /** The bytes of an answer in one of the media types that a server has. */
  async read(path: string, accept: string): Promise<Buffer> {
    return (await this.#answer('GET', path, accept, {})).bytes
  }

  async #answer(
    method: string,
    path: string,
    accept: string,
    { body, type = 'application/json', timeoutMs = 30_000 }: { body?: unknown; type?: string; timeoutMs?: number }
  ): Promise<{ status: number; bytes: Buffer }> {
    return await new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.#token}`, accept, 'content-type': type }
      const asked = request(new URL(path, this.#server), { method, agent: this.#agent, headers }, (answer) => {
        answer
          .toArray()
          .then((pieces: Buffer[]) => resolve({ status: answer.statusCode ?? 0, bytes: Buffer.concat(pieces) }))
          .catch(reject)
      })
      asked.setTimeout(timeoutMs, () => asked.destroy(new Error(`${method} ${path}: no answer after ${timeoutMs} ms`)))
      asked.on('error', reject)
      asked.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  /** As {@link ApiWriter.ask}. @throws The status is not one of success. */
  async #must(...[method, path, body, type]: Parameters<ApiWriter['ask']>): Promise<ApiObject> {
    const answer = await this.ask(method, path, body, type)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body['message'])}`)
    return answer.body
  }

  /** Makes an object, and gives it its status, which a server does not take with a new object. */
  async create(object: NewObject): Promise<ApiObject> {
    const made = await this.#must('POST', listOf(object), object)
    const { status } = object
    return status === undefined ? made : await this.#must('PATCH', `${pathOf(object)}/status`, { status }, 'application/merge-patch+json')
  }

  /** Makes objects, namespaces first; those of one kind at the same time. */
  async createAll(objects: readonly NewObject[]): Promise<void> {
    const isFirst = ({ kind }: NewObject): boolean => kind === 'Namespace'
    for (const group of [objects.filter(isFirst), objects.filter((object) => !isFirst(object))])
      await Promise.all(group.map((object) => this.create(object)))
  }

  /** Changes what a merge patch mentions. */
  async patch(object: NewObject, change: object): Promise<ApiObject> {
    return await this.#must('PATCH', pathOf(object), change, 'application/merge-patch+json')
  }

  async delete(object: NewObject): Promise<void> {
    await this.#must('DELETE', pathOf(object))
  }

  /** What is asked of a server beside objects: `/readyz`, the token of an account, … */
  async post(path: string, body: unknown): Promise<ApiObject> {
    return await this.#must('POST', path, body)
  }

  async get(path: string): Promise<ApiObject> {
    return await this.#must('GET', path)
  }

  /** Cuts its connections. */
  close(): void {
    this.#agent.destroy()
  }
}
