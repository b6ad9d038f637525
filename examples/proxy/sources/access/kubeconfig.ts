import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ValidationError } from 'netplane'
import { parse } from 'yaml'
import { isObject } from '../../kubernetes/shape.js'
import { ExecIdentity } from './exec.js'
import { Fields, parseUrl } from './fields.js'
import { proxyFromEnvironment } from './proxy.js'
import type { ApiAccess, Identity } from './types.js'

/** The entry of a list of a kubeconfig that has a name. */
function entryOf(config: Fields, list: string, name: string, part: string, folder: string): Fields {
  const entries: unknown = config.raw(list)
  const known: readonly unknown[] = Array.isArray(entries) ? entries : []
  const entry = known.find((candidate) => isObject(candidate) && candidate['name'] === name)
  if (!isObject(entry)) throw new ValidationError(list, name, 'the name of one of them')
  return new Fields(entry[part], `${list}[${JSON.stringify(name)}].${part}`, folder)
}

/** `as` and so on: who asks is taken for somebody else, if the server allows that. */
function impersonationOf(user: Fields): Record<string, string | string[]> {
  const name = user.text('as')
  if (name === undefined) return {}
  const extra = user.object('as-user-extra')
  const uid = user.text('as-uid')
  const groups = user.texts('as-groups')
  return {
    'impersonate-user': name,
    ...(uid === undefined ? {} : { 'impersonate-uid': uid }),
    ...(groups.length === 0 ? {} : { 'impersonate-group': groups }),
    ...Object.fromEntries(extra.keys().map((key) => [`impersonate-extra-${encodeURIComponent(key.toLowerCase())}`, extra.texts(key)]))
  }
}

/** The token in a file: a token is renewed by writing another one there. */
export function tokenFromFile(file: string): () => Promise<string> {
  return async () => {
    const token = (await readFile(file, 'utf8')).trim()
    if (token === '') throw new Error(`${file} has no token`)
    return `Bearer ${token}`
  }
}

/** What the header `Authorization` should have, by the precedence of client-go: a file with a token, a token, a name with a password. */
function authorizationOf(user: Fields): () => Promise<string | undefined> {
  const file = user.file('tokenFile')
  if (file !== undefined) return tokenFromFile(file)
  const token = user.text('token')
  const name = user.text('username')
  const basic = Buffer.from(`${name ?? ''}:${user.text('password') ?? ''}`).toString('base64')
  return () => Promise.resolve(token !== undefined ? `Bearer ${token}` : name === undefined ? undefined : `Basic ${basic}`)
}

/** @throws {ValidationError} */
function identityOf(user: Fields, cluster: Readonly<Record<string, unknown>>, file: string): Pick<ApiAccess, 'identify' | 'refused'> {
  if (user.has('auth-provider'))
    throw new ValidationError(
      user.pathOf('auth-provider'),
      user.object('auth-provider').text('name'),
      'exec: Kubernetes 1.26 took auth-provider away'
    )
  if (user.has('exec')) {
    const exec = new ExecIdentity(user.object('exec'), cluster, file)
    return { identify: () => exec.identify(), refused: () => exec.refused() }
  }
  const [cert, key] = [user.content('client-certificate'), user.content('client-key')]
  const authorization = authorizationOf(user)
  const identify = async (): Promise<Identity> => ({ authorization: await authorization(), cert: await cert(), key: await key() })
  return { identify, refused: () => undefined }
}

/** What a program for credentials is told of the cluster. */
function describeCluster(cluster: Fields, server: URL): Record<string, unknown> {
  const fields = ['tls-server-name', 'certificate-authority-data', 'insecure-skip-tls-verify', 'proxy-url']
  const given = fields.filter((field) => cluster.has(field)).map((field): [string, unknown] => [field, cluster.raw(field)])
  return { server: server.href.replace(/\/$/, ''), ...Object.fromEntries(given) }
}

/**
 * The access that a kubeconfig describes by its current context.
 *
 * @param text The file, in YAML or JSON.
 * @param file Its path: paths in it are relative to its folder.
 * @param master URL that takes the place of the server in the file.
 * @throws {ValidationError} A field cannot be used.
 * @throws SyntaxError It is no YAML.
 */
export function parseKubeconfig(text: string, file: string, master?: string): ApiAccess {
  const folder = dirname(file)
  const config = new Fields(parse(text), file, folder)
  const current = config.text('current-context')
  if (current === undefined) throw new ValidationError(config.pathOf('current-context'), current, 'the name of a context')
  const context = entryOf(config, 'contexts', current, 'context', folder)
  const cluster = entryOf(config, 'clusters', context.text('cluster') ?? '', 'cluster', folder)
  const userName = context.text('user')
  const user = userName === undefined ? new Fields({}, 'user', folder) : entryOf(config, 'users', userName, 'user', folder)
  const address = master ?? cluster.text('server')
  if (address === undefined) throw new ValidationError(cluster.pathOf('server'), address, 'a URL of https or http')
  const server = parseUrl(master === undefined ? cluster.pathOf('server') : '--master', address, 'server')
  const proxy = cluster.text('proxy-url')
  return {
    server,
    tlsServerName: cluster.text('tls-server-name'),
    insecureSkipTlsVerify: cluster.flag('insecure-skip-tls-verify'),
    proxy: proxy === undefined ? proxyFromEnvironment(server) : parseUrl(cluster.pathOf('proxy-url'), proxy, 'proxy'),
    headers: impersonationOf(user),
    readAuthorities: cluster.content('certificate-authority'),
    ...identityOf(user, describeCluster(cluster, server), file)
  }
}
