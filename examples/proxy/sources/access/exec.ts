import { execFile } from 'node:child_process'
import { dirname, resolve } from 'node:path'
import { promisify } from 'node:util'
import { ValidationError } from 'netplane'
import { isObject } from '../../kubernetes/shape.js'
import type { Fields } from './fields.js'
import type { Identity } from './types.js'

const API_VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']
const TIMEOUT_MS = 60_000
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024
/** An identity is renewed this long before it ends, so that it does not end on its way. */
const LEEWAY_MS = 10_000

/** The error of a program that failed, or that could not be started. */
interface ProgramError {
  readonly code?: string | number | null
  readonly killed?: boolean
  readonly stderr?: string
}

interface Kept {
  readonly identity: Identity
  /** When it ends, in milliseconds since 1970; undefined: never. */
  readonly endsAt: number | undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // What a program printed may be secret, and the message of the parser repeats it.
    return undefined
  }
}

/** What a program gave, or what is wrong with it. */
function readAnswer(output: string, apiVersion: string): Kept | string {
  const answer = parseJson(output)
  if (!isObject(answer) || answer['kind'] !== 'ExecCredential' || answer['apiVersion'] !== apiVersion)
    return `it gave no ExecCredential of ${apiVersion}`
  const status = isObject(answer['status']) ? answer['status'] : {}
  const textOf = (field: string): string | undefined => {
    const value = status[field]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const [token, cert, key, ends] = ['token', 'clientCertificateData', 'clientKeyData', 'expirationTimestamp'].map(textOf)
  if (token === undefined && (cert === undefined || key === undefined)) return 'it gave neither a token nor a certificate with its key'
  const endsAt = ends === undefined ? undefined : Date.parse(ends)
  if (Number.isNaN(endsAt)) return 'expirationTimestamp is no time'
  return { identity: { authorization: token === undefined ? undefined : `Bearer ${token}`, cert, key, isFromProgram: true }, endsAt }
}

/** The program that a kubeconfig names for credentials, as client-go runs it (`plugin/pkg/client/auth/exec`). What it gives is kept until it ends or the server refuses it. */
export class ExecIdentity {
  readonly #command: string
  readonly #args: readonly string[]
  readonly #env: Readonly<Record<string, string>>
  readonly #apiVersion: string
  readonly #hint: string | undefined
  #kept: Kept | undefined
  #running: Promise<Kept> | undefined

  /**
   * @param cluster What the program is told of the cluster, if it wants that (`provideClusterInfo`).
   * @param file The kubeconfig, to which the path of a command is relative.
   * @throws {ValidationError} `apiVersion`, `command`, `env` or `interactiveMode` cannot be used.
   */
  constructor(exec: Fields, cluster: Readonly<Record<string, unknown>>, file: string) {
    const command = exec.text('command')
    if (command === undefined) throw new ValidationError(exec.pathOf('command'), command, 'the name of a program')
    this.#apiVersion = exec.text('apiVersion') ?? ''
    if (!API_VERSIONS.includes(this.#apiVersion))
      throw new ValidationError(exec.pathOf('apiVersion'), this.#apiVersion, API_VERSIONS.join(', '))
    if (exec.text('interactiveMode') === 'Always')
      throw new ValidationError(exec.pathOf('interactiveMode'), 'Always', 'Never or IfAvailable: a daemon has no terminal')
    this.#command = command.includes('/') ? resolve(dirname(file), command) : command
    this.#args = exec.texts('args')
    this.#hint = exec.text('installHint')
    const spec = { interactive: false, ...(exec.flag('provideClusterInfo') ? { cluster } : {}) }
    const info = JSON.stringify({ apiVersion: this.#apiVersion, kind: 'ExecCredential', spec })
    this.#env = { ...variablesOf(exec), KUBERNETES_EXEC_INFO: info }
  }

  /** @param signal Ends the program: who stops waits for nobody. @throws The program fails, or gives no credentials. */
  async identify(signal?: AbortSignal): Promise<Identity> {
    const { endsAt, identity } = this.#kept ?? {}
    if (identity !== undefined && (endsAt === undefined || Date.now() < endsAt - LEEWAY_MS)) return identity
    // Several requests at one moment share one run.
    this.#running ??= this.#run(signal).finally(() => {
      this.#running = undefined
    })
    this.#kept = await this.#running
    return this.#kept.identity
  }

  /** The server did not take what was given. */
  refused(): void {
    this.#kept = undefined
  }

  async #run(signal: AbortSignal | undefined): Promise<Kept> {
    const env = { ...process.env, ...this.#env }
    const limits = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES, killSignal: 'SIGKILL', signal } as const
    const running = promisify(execFile)(this.#command, [...this.#args], { env, ...limits })
    // A program that hangs may not listen to the kinder signal that Node.js sends.
    const kill = (): void => void running.child.kill('SIGKILL')
    signal?.addEventListener('abort', kill)
    // Nobody writes to it: a program that asks for a password must not wait for one. One that has ended takes nothing.
    running.child.stdin?.on('error', () => undefined).end()
    return await running
      .finally(() => signal?.removeEventListener('abort', kill))
      .then(
        ({ stdout }) => this.#read(stdout),
        (error: unknown) => {
          throw this.#failure(error as ProgramError)
        }
      )
  }

  #read(output: string): Kept {
    const answer = readAnswer(output, this.#apiVersion)
    if (typeof answer === 'string') throw new Error(`the program ${this.#command}, which gives credentials: ${answer}`)
    return answer
  }

  /** Neither the message of the error nor the error itself goes on: they have the arguments, which may be secret. */
  #failure({ code, killed, stderr }: ProgramError): Error {
    const hint = code === 'ENOENT' && this.#hint !== undefined ? ` (${this.#hint})` : ''
    const status = killed === true ? `it gave nothing in ${TIMEOUT_MS / 1000} s` : `it ended with ${String(code)}`
    const words = stderr?.trim() ?? ''
    return new Error(`the program ${this.#command}, which gives credentials: ${words === '' ? status : words}${hint}`)
  }
}

function variablesOf(exec: Fields): Record<string, string> {
  const variables: Record<string, string> = {}
  const list = exec.raw('env') ?? []
  const wrong = (): never => {
    throw new ValidationError(exec.pathOf('env'), typeof list, 'a list of objects with name and value')
  }
  if (!Array.isArray(list)) return wrong()
  for (const entry of list as unknown[]) {
    if (!isObject(entry) || typeof entry['name'] !== 'string' || typeof entry['value'] !== 'string') return wrong()
    variables[entry['name']] = entry['value']
  }
  return variables
}
