import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, startProgram, until, type Background } from '../run.js'
import { ApiWriter, type NewObject } from './client.js'

/** Where the API server is: an address that the namespace of the tests gets, which no network of theirs has. */
export const API_ADDRESS = '10.253.0.1'
const API_PORT = 6443
const ETCD_CLIENTS = 'http://127.0.0.1:2379'
const ETCD_PEERS = 'http://127.0.0.1:2380'
const READY_MS = 90_000

/** What the proxy shows of itself. Another one is the proxy's after a renewal; with that of a reader it may do nothing but what a test grants. */
export const TOKENS = {
  admin: 'token-of-the-tests',
  proxy: 'token-of-the-proxy',
  renewed: 'renewed-token-of-the-proxy',
  reader: 'token-of-a-reader'
} as const
export type TokenName = keyof typeof TOKENS

/** Where the programs are that an API is made of. */
export interface ServerPrograms {
  readonly etcd: string
  readonly 'kube-apiserver': string
}

/** How an API server may be started. */
export interface ApiSettings {
  /** What it takes. Default: all. */
  readonly tokens?: readonly TokenName[]
  /** Whether it answers lists and watches from its memory, or else from etcd. Default true. */
  readonly hasWatchCache?: boolean
}

/** One request that the API server has answered, from its audit log. */
export interface AuditedRequest {
  readonly auditID: string
  readonly verb: string
  readonly requestURI: string
  /** Whose token it was: its `uid` is the name of the token. */
  readonly user: { readonly username: string; readonly uid: string }
  readonly userAgent?: string
  readonly responseStatus?: { readonly code: number }
  /** When it came, and when its answer was complete: RFC 3339. */
  readonly requestReceivedTimestamp: string
  readonly stageTimestamp: string
}

/** Requests to change things are not what the tests look for. */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  rules: [{ level: 'Metadata', omitStages: ['RequestReceived'], verbs: ['list', 'watch'], userGroups: ['proxies'] }, { level: 'None' }]
}

/** Who shows a token, and the groups that he is in. Both tokens of the proxy are those of the account that `rbac.yaml` binds to its role. */
const ACCOUNT = { user: 'system:serviceaccount:kube-system:netplane-proxy', groups: 'proxies' }
const USERS: Readonly<Record<TokenName, { readonly user: string; readonly groups: string }>> = {
  admin: { user: 'admin', groups: 'system:masters' },
  proxy: ACCOUNT,
  renewed: ACCOUNT,
  reader: { user: 'reader', groups: 'proxies' }
}

/** Which tokens an API server takes when it starts: it reads them once. */
function tokenLines(names: readonly TokenName[]): string {
  return names.map((name) => `${TOKENS[name]},${USERS[name].user},${name},"${USERS[name].groups}"\n`).join('')
}

/**
 * A kube-apiserver and an etcd of the tests and the bench, without controllers: objects stay as they were made. They are in the namespace of the process, and their
 * files below `/run`, which is the namespace's own: whatever ends the process, nothing is left.
 */
export class ControlPlane {
  readonly #folder: string
  readonly #programs: ServerPrograms
  #etcd: Background | undefined
  #api: Background | undefined
  #writer: ApiWriter | undefined
  /** What earlier API servers have printed. */
  #earlier = ''

  private constructor(folder: string, programs: ServerPrograms) {
    this.#folder = folder
    this.#programs = programs
  }

  /**
   * Starts both servers, and waits until the API is ready.
   *
   * @param rights What gives the proxy its rights.
   */
  static async start(programs: ServerPrograms, rights: readonly NewObject[]): Promise<ControlPlane> {
    const plane = new ControlPlane(mkdtempSync('/run/netplane-cluster-'), programs)
    try {
      // Errors: the address is there from an earlier file of tests.
      await run('ip', ['address', 'replace', `${API_ADDRESS}/32`, 'dev', 'lo'])
      plane.#prepare()
      await plane.#startEtcd()
      await plane.startApi()
      await plane.#grant(rights)
      return plane
    } catch (error) {
      await plane.stop()
      throw error
    }
  }

  /** URL of the API server. */
  get url(): string {
    return `https://${API_ADDRESS}:${API_PORT}`
  }

  /** The file with the certificates that its own one is checked by. */
  get authorityFile(): string {
    return this.#path('certificates', 'apiserver.crt')
  }

  /** Those certificates, in PEM. */
  get authority(): string {
    return readFileSync(this.authorityFile, 'utf8')
  }

  /** Writes objects, as an administrator. */
  get writer(): ApiWriter {
    if (this.#writer === undefined) throw new Error('the API server has not been started')
    return this.#writer
  }

  #path(...names: string[]): string {
    return join(this.#folder, ...names)
  }

  #prepare(): void {
    mkdirSync(this.#path('certificates'))
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    writeFileSync(this.#path('accounts.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(this.#path('accounts.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
    writeFileSync(this.#path('audit-policy.json'), JSON.stringify(AUDIT_POLICY))
  }

  async #startEtcd(): Promise<void> {
    this.#etcd = startProgram(this.#programs.etcd, [
      ...['--name', 'etcd', '--data-dir', this.#path('etcd'), '--log-level', 'warn', '--unsafe-no-fsync'],
      ...['--listen-client-urls', ETCD_CLIENTS, '--advertise-client-urls', ETCD_CLIENTS],
      ...['--listen-peer-urls', ETCD_PEERS, '--initial-advertise-peer-urls', ETCD_PEERS, '--initial-cluster', `etcd=${ETCD_PEERS}`]
    ])
    const etcd = this.#etcd
    await this.#ready(etcd, 'etcd', async () => (await fetch(`${ETCD_CLIENTS}/health`)).ok)
  }

  /** Waits until a server answers; what it said is in the error when it ends before. */
  async #ready(server: Background, name: string, probe: () => Promise<boolean>): Promise<void> {
    let ended = false
    void server.ended.then(() => (ended = true))
    await until(
      `${name} is ready`,
      async () => {
        if (ended) throw new Error(`${name} ended by itself:\n${server.output().slice(-4000)}`)
        // It does not listen yet.
        return await probe().catch(() => false)
      },
      READY_MS
    )
  }

  /** Starts the API server, which was never started or has been stopped. */
  async startApi({ tokens = ['admin', 'proxy', 'renewed', 'reader'], hasWatchCache = true }: ApiSettings = {}): Promise<void> {
    writeFileSync(this.#path('tokens.csv'), tokenLines(tokens))
    this.#api = startProgram(this.#programs['kube-apiserver'], [
      ...['--etcd-servers', ETCD_CLIENTS, '--bind-address', '0.0.0.0', '--advertise-address', API_ADDRESS],
      ...['--secure-port', String(API_PORT), '--cert-dir', this.#path('certificates'), '--token-auth-file', this.#path('tokens.csv')],
      ...['--authorization-mode', 'RBAC', '--anonymous-auth=false', '--disable-admission-plugins', 'ServiceAccount'],
      '--allow-privileged=true',
      ...['--service-account-issuer', 'https://issuer.invalid', '--service-account-key-file', this.#path('accounts.pub')],
      ...['--service-account-signing-key-file', this.#path('accounts.key'), '--endpoint-reconciler-type', 'none'],
      ...['--service-cluster-ip-range', '10.96.0.0/16,fd00:10:96::/112'],
      `--watch-cache=${hasWatchCache}`,
      ...['--audit-policy-file', this.#path('audit-policy.json'), '--audit-log-path', this.#path('audit.log'), '--v', '0']
    ])
    await until('the API server has a certificate', () => existsSync(this.authorityFile), READY_MS)
    this.#writer ??= new ApiWriter(this.url, TOKENS.admin, this.authority)
    const { writer } = this
    await this.#ready(this.#api, 'kube-apiserver', async () => (await writer.ask('GET', '/readyz')).status === 200)
  }

  /** Gives the proxy its rights. The server makes the namespace of its account by itself, a moment after it is ready. */
  async #grant(rights: readonly NewObject[]): Promise<void> {
    const { writer } = this
    const isThere = async (): Promise<boolean> => (await writer.ask('GET', '/api/v1/namespaces/kube-system')).status === 200
    await until('the API server has its namespaces', isThere, READY_MS)
    await writer.createAll(rights)
  }

  /** Ends the API server. @param signal SIGTERM lets it end its watches; SIGKILL cuts them. */
  async stopApi(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#api?.stop(signal)
    this.#earlier += this.#api?.output() ?? ''
    this.#api = undefined
  }

  /** Everything that API servers have printed. */
  get output(): string {
    return this.#earlier + (this.#api?.output() ?? '')
  }

  /** Makes etcd forget all that was before now. */
  async compact(): Promise<void> {
    const ask = async (path: string, body: object): Promise<{ readonly header?: { readonly revision?: string } }> => {
      const answer = await fetch(`${ETCD_CLIENTS}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) })
      if (!answer.ok) throw new Error(`etcd, ${path}: ${answer.status} ${await answer.text()}`)
      return (await answer.json()) as object
    }
    const { header } = await ask('range', { key: Buffer.from('x').toString('base64') })
    await ask('compaction', { revision: header?.revision, physical: true })
  }

  /** The lists and watches that proxies have asked for, as far as the API server has begun to answer them. */
  audit(): AuditedRequest[] {
    if (!existsSync(this.#path('audit.log'))) return []
    // The last line may not be complete.
    const lines = readFileSync(this.#path('audit.log'), 'utf8').split('\n').slice(0, -1)
    const all = lines.map((line) => JSON.parse(line) as AuditedRequest)
    // A watch is there when it begins and when it ends.
    return [...new Map(all.map((request) => [request.auditID, request])).values()]
  }

  /** Writes a kubeconfig and the token that it names. @param token Path of the file that holds the token of who uses it. */
  kubeconfig(token: string): string {
    const file = `${token}.kubeconfig`
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'tests',
      contexts: [{ name: 'tests', context: { cluster: 'tests', user: 'proxy' } }],
      clusters: [{ name: 'tests', cluster: { server: this.url, 'certificate-authority': this.authorityFile } }],
      users: [{ name: 'proxy', user: { tokenFile: token } }]
    }
    writeFileSync(file, JSON.stringify(config))
    return file
  }

  /** Ends both servers, and removes what they wrote. */
  async stop(): Promise<void> {
    this.#writer?.close()
    await this.stopApi()
    await this.#etcd?.stop('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
