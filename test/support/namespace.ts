import { onTestFinished } from 'vitest'
import { background } from './background.js'
import { attempt, run, type Background, type Finished, type RunOptions } from './run.js'

/** A named network namespace that lives as long as the test that made it. */
export interface TestNamespace {
  readonly name: string
  /** `/run/netns/<name>`: what the clients' option `netns` takes. */
  readonly path: string
  /** Runs a program inside; rejects unless it exits with 0. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<string>
  /** Runs a program inside and returns its exit status too. */
  attempt(command: string, args: readonly string[], options?: RunOptions): Promise<Finished>
  /** Starts a program inside that is killed when the test ends. */
  background(command: string, args: readonly string[]): Background
  nft(...args: string[]): Promise<string>
  /** Feeds a script to `nft -f -`. */
  nftScript(script: string): Promise<string>
  ip(...args: string[]): Promise<string>
}

let made = 0

/**
 * Makes a network namespace with the loopback device up, and deletes it when the test ends. The runner has put a private tmpfs over /run
 * (test/run/namespace.mjs), so the names live in this run's mount namespace and cannot meet those of others.
 */
export async function makeNamespace(): Promise<TestNamespace> {
  return await named('add')
}

/**
 * The network namespace of the test process, in which relays listen, with a name until the test ends. Its rules of nf_tables and its veth links go
 * with the test.
 */
export async function ownNamespace(): Promise<TestNamespace> {
  const namespace = await named('attach', String(process.pid))
  onTestFinished(async () => {
    await nft('flush', 'ruleset')
    await run('sh', ['-ec', DELETE_LINKS])
  })
  return namespace
}

/**
 * The kernel deletes the links to a deleted namespace only some time later, and the next test makes links of the same names. One that it deletes
 * before this script comes to it is no fault.
 */
const DELETE_LINKS = `
links() { ip -o link show type veth | sed 's/^[0-9]*: //; s/[@:].*//'; }
for link in $(links); do ip link delete "$link" 2>/dev/null || true; done
left=$(links)
[ -z "$left" ] || { echo "links are left: $left" >&2; exit 1; }`

async function named(...how: readonly [command: 'add' | 'attach', ...of: string[]]): Promise<TestNamespace> {
  const [command, ...of] = how
  made += 1
  const name = `np-${process.pid}-${made}`
  await run('ip', ['netns', command, name, ...of])
  onTestFinished(async () => {
    await run('ip', ['netns', 'delete', name])
  })
  const inside = (command: string, args: readonly string[]): string[] => ['netns', 'exec', name, command, ...args]
  const namespace: TestNamespace = {
    name,
    path: `/run/netns/${name}`,
    run: (command, args, options) => run('ip', inside(command, args), options),
    attempt: (command, args, options) => attempt('ip', inside(command, args), options),
    background: (command, args) => background('ip', inside(command, args)),
    nft: (...args) => run('ip', inside('nft', args)),
    nftScript: (script) => run('ip', inside('nft', ['-f', '-']), { input: script }),
    ip: (...args) => run('ip', ['-n', name, ...args])
  }
  await namespace.ip('link', 'set', 'lo', 'up')
  return namespace
}

/** Runs `nft` in the namespace of the test process (the one that the runner made for the whole suite). */
export function nft(...args: string[]): Promise<string> {
  return run('nft', args)
}

/** Feeds a script to `nft -f -`, in the namespace of the test process. */
export function nftScript(script: string): Promise<string> {
  return run('nft', ['-f', '-'], { input: script })
}

/** What the kernel holds as libnftnl decodes it: `nft --debug=netlink list ruleset`. */
export function nftDebugRuleset(): Promise<string> {
  return run('nft', ['--debug=netlink', 'list', 'ruleset'])
}
