/**
 * The only file that loads the addon.
 */
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { UnsupportedError } from '../core/errors.js'
import { VERSION } from '../core/version.js'
import type { NativeAddon } from './addon.js'
import { isMusl } from './libc.js'

interface Candidate {
  readonly what: string
  readonly load: () => unknown
}

const require = createRequire(import.meta.url)

/** Literal specifiers, so that bundlers can follow them; `imports` of package.json says where they are, seen from `src` and from `dist`. */
const PREBUILDS: Readonly<Record<string, () => unknown>> = {
  'linux-x64': () => require('#prebuilds/linux-x64.node') as unknown,
  'linux-arm64': () => require('#prebuilds/linux-arm64.node') as unknown,
  'linuxmusl-x64': () => require('#prebuilds/linuxmusl-x64.node') as unknown,
  'linuxmusl-arm64': () => require('#prebuilds/linuxmusl-arm64.node') as unknown
}

/** Node-API version that the addon is compiled for. */
const NODE_API = 8

const targetName = (): string => `linux${isMusl() ? 'musl' : ''}-${process.arch}`

function candidates(target: string): Candidate[] {
  const override = process.env['NETPLANE_ADDON_PATH']
  if (override !== undefined && override !== '')
    return [{ what: `NETPLANE_ADDON_PATH=${override}`, load: () => require(resolve(override)) as unknown }]
  const prebuild = PREBUILDS[target]
  return [
    { what: 'build/Release/netplane.node', load: () => require('#build/netplane.node') as unknown },
    ...(prebuild === undefined ? [] : [{ what: `prebuilds/${target}.node`, load: prebuild }])
  ]
}

/** What can be done about a failure to load, by what Node says. */
function fixesFor(failures: readonly Error[], target: string): string[] {
  const codes = failures.map((error) => (error as NodeJS.ErrnoException).code)
  const text = failures.map(({ message }) => message).join(' ')
  const fixes: string[] = []
  if (codes.includes('ERR_DLOPEN_DISABLED')) fixes.push('run node without --no-addons, and with --allow-addons under the permission model')
  const glibc = /GLIBC_[0-9.]+/.exec(text)?.[0]
  if (glibc !== undefined) fixes.push(`use a system with ${glibc} or newer, or build from source there (next line)`)
  fixes.push(
    `build for ${target} from source, in the package's folder: npm install --no-save node-addon-api@8 node-gyp@12 && npm run build:native`
  )
  fixes.push('name a binary that you built with NETPLANE_ADDON_PATH')
  return fixes
}

function unsupported(code: string, reason: string, tried: readonly string[], fixes: readonly string[], cause?: unknown): UnsupportedError {
  const lines = [
    reason,
    ...tried.map((line) => `  tried ${line}`),
    ...(fixes.length > 0 ? ['Possible solutions:'] : []),
    ...fixes.map((fix, index) => `  ${index + 1}. ${fix}`)
  ]
  return new UnsupportedError('the native addon', lines.join('\n'), { code, cause })
}

/** Refuses in words what would otherwise fail in riddles, or crash: a binary for a newer Node-API ends the process inside `require`. */
function checkPlatform(): void {
  if (process.platform !== 'linux') {
    throw unsupported(
      'ERR_NETPLANE_PLATFORM',
      `netplane talks to the Linux kernel; this is ${process.platform}. Its types and errors can be imported anywhere.`,
      [],
      []
    )
  }
  if (Number(process.versions['napi'] ?? 0) < NODE_API) {
    throw unsupported(
      'ERR_NETPLANE_ADDON',
      `the addon needs Node-API ${NODE_API}; node ${process.versions.node} has ${process.versions['napi'] ?? 'none'}`,
      [],
      ['use Node 20.19 or newer']
    )
  }
}

function tryLoad(): NativeAddon {
  checkPlatform()
  const target = targetName()
  const failures: Error[] = []
  const tried: string[] = []
  for (const { what, load } of candidates(target)) {
    try {
      const loaded = load() as NativeAddon
      if (loaded.version === VERSION) return loaded
      tried.push(`${what}: it is version ${loaded.version}, this is ${VERSION}`)
    } catch (error) {
      failures.push(error as Error)
      tried.push(`${what}: ${(error as Error).message.split('\n')[0]}`)
    }
  }
  throw unsupported(
    'ERR_NETPLANE_ADDON',
    `the native addon could not be loaded (node ${process.versions.node}, ${target})`,
    tried,
    fixesFor(failures, target),
    failures[0]
  )
}

let addon: NativeAddon | undefined

/**
 * The addon, loaded when it is first needed: importing the package never fails.
 *
 * @throws {UnsupportedError} `ERR_NETPLANE_PLATFORM` (not Linux), `ERR_NETPLANE_ADDON` (no binary for this machine, addons disabled, another version):
 *   the message lists what was tried and what helps.
 */
export function loadAddon(): NativeAddon {
  if (addon !== undefined) return addon
  const loaded = tryLoad()
  if (debugTopics().includes('netlink')) loaded.setTrace(true)
  return (addon = loaded)
}

/** `NETPLANE_DEBUG`, a comma list; `netlink` prints decoded frames to standard error. */
function debugTopics(): string[] {
  return (process.env['NETPLANE_DEBUG'] ?? '').split(',').map((topic) => topic.trim())
}
