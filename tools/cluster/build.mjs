// kube-apiserver and etcd, and the kube-proxy that the bench compares with, built from their Go modules into the user's cache, where they are kept until their folder is removed.
// Run by itself it builds what is missing of the servers, or of the programs that it is told, or says why it cannot. servers/go.mod has the versions, servers/go.sum what their modules must contain.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { cacheFolder } from '../lab/cache.mjs'
import { findProgram } from '../lab/programs.mjs'
import { mayInstall } from '../may-install.mjs'

const source = path.join(import.meta.dirname, 'servers')
const goMod = readFileSync(path.join(source, 'go.mod'), 'utf8')
/** On one busy core the API server takes ten minutes. */
const timeoutSeconds = 1200

/** The version of a module that go.mod asks for. */
function versionOf(module) {
  const version = goMod
    .split('\n')
    .map((line) => line.trim().split(' '))
    .find(([name, version]) => name === module && version !== undefined)?.[1]
  if (version === undefined) throw new Error(`${source}/go.mod names no version of ${module}`)
  return version
}

const kubernetes = versionOf('k8s.io/kubernetes')
const etcd = versionOf('go.etcd.io/etcd/server/v3')
const [major, minor] = kubernetes.replace('v', '').split('.')
/** An API server that does not know its version refuses its own API. */
const stamp = Object.fromEntries(
  Object.entries({ gitVersion: kubernetes, gitMajor: major, gitMinor: minor }).map(([name, value]) => [
    `k8s.io/component-base/version.${name}`,
    value
  ])
)

/** What can be built: the package of each program, and the variables that its linker sets. */
const programs = {
  etcd: { package: 'go.etcd.io/etcd/server/v3', variables: {} },
  'kube-apiserver': { package: 'k8s.io/kubernetes/cmd/kube-apiserver', variables: stamp },
  'kube-proxy': { package: 'k8s.io/kubernetes/cmd/kube-proxy', variables: stamp }
}

/** What a Kubernetes API is made of. */
const servers = ['etcd', 'kube-apiserver']

/** The servers and what the bench compares with. */
export const benchPrograms = [...servers, 'kube-proxy']

/** The servers, in words. */
export const serverVersions = `kube-apiserver ${kubernetes} and etcd ${etcd}`

/** The oldest Go that builds them. */
const oldestGo = versionOf('go')

/** What must be there where they have not been built. */
export const goHint = `Go ${oldestGo} or later (https://go.dev/dl/), or KUBEBUILDER_ASSETS with the path of a folder that holds kube-apiserver and etcd`

/** The folder that the user names, or that of the cache. */
function folder(env) {
  const named = env.KUBEBUILDER_ASSETS
  return named === undefined || named === '' ? path.join(cacheFolder(), `kube-apiserver-${kubernetes}-etcd-${etcd}`) : path.resolve(named)
}

/**
 * Where programs are, or will be once they are built.
 * @param {NodeJS.ProcessEnv} [env] `KUBEBUILDER_ASSETS`: a folder that has them
 * @param {readonly string[]} [names] which of them; default: the servers
 * @returns {Record<string, string>}
 */
export function serverPrograms(env = process.env, names = servers) {
  return Object.fromEntries(names.map((name) => [name, path.join(folder(env), name)]))
}

/** Which of the programs are not there. */
const lacking = (env, names) => Object.entries(serverPrograms(env, names)).filter(([, file]) => !existsSync(file))

/** Whether the programs are there. */
export const hasServers = (env = process.env, names = servers) => lacking(env, names).length === 0

/** Whether this machine has a Go that can build them. */
export function hasGo() {
  const go = findProgram('go')
  if (go === undefined) return false
  // By itself Go would fetch a newer one of its kind.
  const { stdout } = spawnSync(go, ['env', 'GOVERSION'], { encoding: 'utf8', env: { ...process.env, GOTOOLCHAIN: 'local' } })
  const [own, oldest] = [stdout.replace('go', ''), oldestGo].map((text) => text.split('.').map((part) => Number.parseInt(part, 10)))
  return own[0] > oldest[0] || (own[0] === oldest[0] && own[1] >= oldest[1])
}

/** Of two that build at one time the second finds what the first has built. A program that is there is complete. */
const script =
  'test -e "$0" || { timeout --foreground "$1" "$2" build -o "$0.new" -mod=readonly -trimpath -ldflags "$3" "$4" && mv "$0.new" "$0"; }'

function build(name, file) {
  if (!(name in programs)) throw new Error(`what can be built is ${Object.keys(programs).join(', ')}, and no '${name}'`)
  const { package: main, variables } = programs[name]
  const flags = ['-s', '-w', ...Object.entries(variables).map(([variable, value]) => `-X ${variable}=${value}`)].join(' ')
  const inner = ['sh', '-c', script, file, String(timeoutSeconds), findProgram('go'), flags, main]
  const argv = ['--exclusive', '--timeout', String(2 * timeoutSeconds), path.join(path.dirname(file), 'lock'), ...inner]
  const { status } = spawnSync('flock', argv, { cwd: source, stdio: 'inherit', env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' } })
  if (status !== 0)
    throw new Error(`${name} could not be built: ${status === 124 ? `not ready after ${timeoutSeconds} s` : `status ${status}`}`)
}

/**
 * Builds the programs that are not there. NETPLANE_INSTALL=no forbids it, as their modules are fetched.
 * @param {NodeJS.ProcessEnv} [env]
 * @param {readonly string[]} [names] which of them; default: the servers
 * @returns {Record<string, string>} the paths of the programs
 */
export function provideServers(env = process.env, names = servers) {
  const absent = lacking(env, names)
  if (absent.length === 0) return serverPrograms(env, names)
  const place = folder(env)
  if (env.KUBEBUILDER_ASSETS)
    throw new Error(`KUBEBUILDER_ASSETS names ${place}, which has no ${absent.map(([name]) => name).join(' and no ')}`)
  const what = absent.some(([name]) => name === 'kube-proxy') ? `kube-proxy ${kubernetes}, ${serverVersions}` : serverVersions
  if (!mayInstall(env.NETPLANE_INSTALL)) throw new Error(`${what} are not in ${place}, and NETPLANE_INSTALL=no forbids to build them`)
  if (!hasGo()) throw new Error(`${what} are not in ${place}, and to build them takes ${goHint}`)
  mkdirSync(place, { recursive: true })
  for (const [name, file] of absent) {
    console.error(`building ${name} in ${place}`)
    build(name, file)
  }
  return serverPrograms(env, names)
}

if (process.argv[1] === import.meta.filename) {
  try {
    const named = process.argv.slice(2)
    console.log(Object.values(provideServers(process.env, named.length === 0 ? servers : named)).join('\n'))
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
