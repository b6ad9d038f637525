import { EventEmitter } from 'node:events'
import type { CommandEnvironment, CommandKernel, OutputStream } from '../../src/cli/environment.js'
import type { System } from '../../src/cli/doctor/system.js'
import { main } from '../../src/cli/main.js'
import { FakeConntrackKernel, FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../src/testing.js'

/** A stream that keeps what is written to it. */
export class KeptStream extends EventEmitter implements OutputStream {
  readonly columns: number | undefined
  readonly rows: number | undefined
  readonly isTTY: boolean | undefined
  text = ''
  /** What a write meets, as the error of the stream. */
  fault: NodeJS.ErrnoException | undefined

  /** @param columns Of a terminal; absent: it is a pipe. */
  constructor(columns?: number) {
    super()
    this.columns = columns
    this.rows = columns === undefined ? undefined : 24
    this.isTTY = columns === undefined ? undefined : true
  }

  write(text: string): boolean {
    if (this.fault === undefined) this.text += text
    else queueMicrotask(() => this.emit('error', this.fault))
    return true
  }
}

/** A machine on which all is well; what a test says is otherwise. */
export function fakeSystem(files: Readonly<Record<string, string>> = {}, settings: Readonly<Record<string, string>> = {}): System {
  const all: Readonly<Record<string, string>> = {
    '/proc/self/status': 'Name:\tnode\nCapEff:\t000001ffffffffff\n',
    '/proc/self/uid_map': '         0          0 4294967295\n',
    '/proc/self/limits': 'Max open files            20000                20000                files\n',
    '/proc/modules': 'dummy 16384 0 - Live 0x0\n',
    ...files
  }
  return {
    kernelRelease: '6.18.0',
    readFile: (path) => Promise.resolve(all[path]),
    readSetting: (_, name) => Promise.resolve({ 'ipv4/ip_forward': '1', 'ipv6/conf/all/forwarding': '1', ...settings }[name])
  }
}

/** Fakes of all parts of the kernel, empty. */
export function fakeKernel(
  parts: Partial<CommandKernel> = {}
): CommandKernel & { readonly nftables: FakeNftablesKernel; readonly route: FakeRouteKernel; readonly ipvs: FakeIpvsKernel } {
  return {
    nftables: new FakeNftablesKernel(),
    ipvs: new FakeIpvsKernel(),
    route: new FakeRouteKernel(),
    conntrack: new FakeConntrackKernel(),
    ...parts
  } as ReturnType<typeof fakeKernel>
}

export interface CommandOptions {
  readonly kernel?: CommandKernel | undefined
  readonly system?: System
  /** An error: it cannot be read. */
  readonly stdin?: string | Error
  /** Of a terminal; absent: a pipe. */
  readonly columns?: number
  readonly variables?: CommandEnvironment['variables']
  readonly signal?: AbortSignal
  readonly stdout?: KeptStream
  readonly atStop?: CommandEnvironment['atStop']
}

/** What a command left. */
export interface CommandResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command in this process, on fakes unless the test says that there are none (`kernel: undefined`). */
export async function command(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const stdout = options.stdout ?? new KeptStream(options.columns)
  const stderr = new KeptStream(options.columns)
  const status = await main(args, {
    stdin: (async function* () {
      await Promise.resolve()
      if (options.stdin instanceof Error) throw options.stdin
      yield Buffer.from(options.stdin ?? '')
    })(),
    stdout,
    stderr,
    variables: options.variables ?? {},
    signal: options.signal ?? new AbortController().signal,
    system: options.system ?? fakeSystem(),
    atExit: () => () => undefined,
    atStop: options.atStop ?? (() => () => undefined),
    kernel: 'kernel' in options ? options.kernel : fakeKernel()
  })
  return { status, stdout: stdout.text, stderr: stderr.text }
}
