import { chmod, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect, it, onTestFinished, vi } from 'vitest'
import { ApiClient } from '../../../../../examples/proxy/sources/api/client.js'
import { Backoff } from '../../../../../examples/proxy/sources/api/backoff.js'
import { parseRetryAfter } from '../../../../../examples/proxy/sources/api/errors.js'
import { RateLimit } from '../../../../../examples/proxy/sources/api/rate.js'
import { accessInCluster, findAccess } from '../../../../../examples/proxy/sources/access/find.js'
import { parseKubeconfig } from '../../../../../examples/proxy/sources/access/kubeconfig.js'
import { proxyFromEnvironment } from '../../../../../examples/proxy/sources/access/proxy.js'
import type { ApiAccess } from '../../../../../examples/proxy/sources/access/types.js'
import { answer, ScriptedApi } from '../../../../support/api-server.js'
import { CURVE, makeSelfSigned, openssl } from '../../../../support/certificates.js'
import { makeFolder } from '../../../../support/manifests.js'

/** A kubeconfig, in JSON, which is YAML. */
function kubeconfig(cluster: object, user: object = {}): string {
  return JSON.stringify({
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }]
  })
}

const signal = new AbortController().signal
const ignore = (): void => undefined
const SERVICES = { path: '/api/v1/services', kind: 'Service' } as const

async function get(access: ApiAccess): Promise<unknown> {
  const client = new ApiClient(access)
  try {
    return await client.list(SERVICES, {}, signal, ignore)
  } finally {
    await client.close()
  }
}

/** An authority with a certificate for 127.0.0.1 under the name `api.test`, and one for a client. */
async function certificates(): Promise<Record<'ca' | 'cert' | 'key' | 'clientCert' | 'clientKey', string>> {
  const folder = await makeFolder()
  makeSelfSigned(folder, 'ca', 2)
  for (const name of ['server', 'client']) {
    await writeFile(join(folder, `${name}.ext`), name === 'server' ? 'subjectAltName=DNS:api.test\n' : 'extendedKeyUsage=clientAuth\n')
    openssl(folder, 'req', ...CURVE, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    openssl(
      folder,
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-out',
      `${name}.crt`,
      '-days',
      '2',
      '-extfile',
      `${name}.ext`
    )
  }
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')
  const [ca, cert, key, clientCert, clientKey] = await Promise.all(
    ['ca.crt', 'server.crt', 'server.key', 'client.crt', 'client.key'].map(read)
  )
  return { ca: ca!, cert: cert!, key: key!, clientCert: clientCert!, clientKey: clientKey! }
}

it('shows the client certificate of a kubeconfig to a server that its authorities vouch for', async () => {
  const { ca, cert, key, clientCert, clientKey } = await certificates()
  const api = await ScriptedApi.start({ cert, key, ca, requestCert: true, rejectUnauthorized: true })
  const data = (text: string): string => Buffer.from(text).toString('base64')
  const cluster = { server: api.url, 'certificate-authority-data': data(ca), 'tls-server-name': 'api.test' }
  const user = { 'client-certificate-data': data(clientCert), 'client-key-data': data(clientKey) }
  expect(await get(parseKubeconfig(kubeconfig(cluster, user), '/x'))).toMatchObject({ kind: 'ServiceList' })
  // Without the certificate, for another name, and from another authority.
  await expect(get(parseKubeconfig(kubeconfig(cluster), '/x'))).rejects.toThrow()
  await expect(get(parseKubeconfig(kubeconfig({ ...cluster, 'tls-server-name': 'other.test' }, user), '/x'))).rejects.toThrow('other.test')
  await expect(get(parseKubeconfig(kubeconfig({ server: api.url, 'tls-server-name': 'api.test' }, user), '/x'))).rejects.toThrow(
    'self-signed certificate'
  )
  const unchecked = { server: api.url, 'insecure-skip-tls-verify': true }
  expect(await get(parseKubeconfig(kubeconfig(unchecked, user), '/x'))).toMatchObject({ kind: 'ServiceList' })
  // Files, relative to the kubeconfig.
  const folder = await makeFolder()
  await Promise.all([
    writeFile(join(folder, 'ca'), ca),
    writeFile(join(folder, 'cert'), clientCert),
    writeFile(join(folder, 'key'), clientKey)
  ])
  const files = { server: api.url, 'certificate-authority': 'ca', 'tls-server-name': 'api.test' }
  await writeFile(join(folder, 'config'), kubeconfig(files, { 'client-certificate': 'cert', 'client-key': 'key' }))
  expect(await get(await findAccess({ kubeconfig: join(folder, 'config'), master: undefined }))).toMatchObject({ kind: 'ServiceList' })
})

it('reads the token of a pod anew for each request', async () => {
  const { ca, cert, key } = await certificates()
  const api = await ScriptedApi.start({ cert, key })
  const folder = await makeFolder()
  await writeFile(join(folder, 'ca.crt'), ca)
  await writeFile(join(folder, 'token'), 'one\n')
  const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: new URL(api.url).port }
  const client = new ApiClient({ ...accessInCluster(env, folder), tlsServerName: 'api.test' })
  await client.list(SERVICES, {}, signal, ignore)
  await writeFile(join(folder, 'token'), 'two\n')
  await client.list(SERVICES, {}, signal, ignore)
  expect(api.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer one', 'Bearer two'])
  await writeFile(join(folder, 'token'), '')
  await expect(client.list(SERVICES, {}, signal, ignore)).rejects.toThrow('has no token')
  await client.close()
  expect(accessInCluster({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }).server.href).toBe(
    'https://[fd00::1]:6443/'
  )
})

it('shows tokens, passwords and whom it stands for', async () => {
  const api = await ScriptedApi.start()
  const of = async (user: object): Promise<Record<string, unknown>> => {
    await get(parseKubeconfig(kubeconfig({ server: api.url }, user), '/x'))
    return api.requests.at(-1)!.headers
  }
  expect(await of({ token: 'secret' })).toMatchObject({ authorization: 'Bearer secret' })
  expect(await of({ username: 'me', password: 'pw' })).toMatchObject({ authorization: `Basic ${Buffer.from('me:pw').toString('base64')}` })
  const as = { as: 'you', 'as-groups': ['a', 'b'], 'as-uid': '7', 'as-user-extra': { Scope: ['x'] } }
  expect(await of(as)).toMatchObject({
    'impersonate-user': 'you',
    'impersonate-group': 'a, b',
    'impersonate-uid': '7',
    'impersonate-extra-scope': 'x'
  })
  expect(await of({})).not.toHaveProperty('authorization')
})

it('runs a program for credentials, and runs it again when they end or are refused', async () => {
  const api = await ScriptedApi.start()
  const folder = await makeFolder()
  const program = `#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" > '${folder}/info'
n=$(cat '${folder}/count' 2>/dev/null || echo 0); n=$((n + 1)); echo $n > '${folder}/count'
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s%s-%s"%s}}' "$1" "$SUFFIX" $n "$END"
`
  await writeFile(join(folder, 'login'), program)
  await chmod(join(folder, 'login'), 0o755)
  const access = (env: Record<string, string>): ApiAccess => {
    const list = Object.entries(env).map(([name, value]) => ({ name, value }))
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: './login',
      args: ['t'],
      env: list,
      provideClusterInfo: true,
      interactiveMode: 'Never'
    }
    return parseKubeconfig(kubeconfig({ server: api.url }, { exec }), join(folder, 'config'))
  }
  const client = new ApiClient(access({ SUFFIX: 'x' }))
  await client.list(SERVICES, {}, signal, ignore)
  await client.list(SERVICES, {}, signal, ignore)
  api.script('list Service', answer(401, { kind: 'Status', message: 'Unauthorized' }))
  await expect(client.list(SERVICES, {}, signal, ignore)).rejects.toThrow('401: Unauthorized')
  await client.list(SERVICES, {}, signal, ignore)
  const shown = (): unknown[] => api.requests.splice(0).map(({ headers }) => headers.authorization)
  expect(shown()).toEqual(['Bearer tx-1', 'Bearer tx-1', 'Bearer tx-1', 'Bearer tx-2'])
  const info = JSON.parse(await readFile(join(folder, 'info'), 'utf8')) as unknown
  expect(info).toEqual({
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    spec: { interactive: false, cluster: { server: api.url } }
  })
  await client.close()
  const ending = new ApiClient(access({ SUFFIX: 'y', END: ',"expirationTimestamp":"2020-01-01T00:00:00Z"' }))
  await ending.list(SERVICES, {}, signal, ignore)
  await ending.list(SERVICES, {}, signal, ignore)
  expect(shown()).toEqual(['Bearer ty-3', 'Bearer ty-4'])
  await ending.close()
})

it('says why a program gives no credentials, without the secrets', async () => {
  const of = async (command: string, args: string[]): Promise<string> => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command, args, installHint: 'install it' }
    const error = await parseKubeconfig(kubeconfig({ server: 'https://x' }, { exec }), '/x')
      .identify()
      .catch((reason: unknown) => reason)
    expect(inspect(error)).not.toContain('secret')
    return (error as Error).message
  }
  expect(await of('/bin/sh', ['-c', 'echo not today >&2; exit 3 # secret'])).toBe('the program /bin/sh, which gives credentials: not today')
  expect(await of('/bin/sh', ['-c', 'exit 3 # secret'])).toBe('the program /bin/sh, which gives credentials: it ended with 3')
  expect(await of('/bin/echo', ['secret'])).toContain('it gave no ExecCredential')
  expect(await of('no-such-program', [])).toBe('the program no-such-program, which gives credentials: it ended with ENOENT (install it)')
})

it('lets no program for credentials wait for an input, and ends one that hangs with who asks', async () => {
  const folder = await makeFolder()
  const script = (text: string): ApiAccess => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/sh', args: ['-c', text] }
    return parseKubeconfig(kubeconfig({ server: 'http://127.0.0.1:1' }, { exec }), '/x')
  }
  await expect(script('cat; echo no input >&2; exit 1').identify(AbortSignal.timeout(5000))).rejects.toThrow('no input')
  await expect(script('exit 0').identify()).rejects.toThrow('it gave no ExecCredential')

  const pid = join(folder, 'pid')
  const stop = new AbortController()
  const client = new ApiClient(script(`trap '' TERM; echo $$ > '${pid}'; while :; do sleep 0.1; done`))
  const asked = client.list(SERVICES, {}, stop.signal, ignore)
  await vi.waitFor(async () => expect(Number(await readFile(pid, 'utf8'))).toBeGreaterThan(0), 3000)
  const began = performance.now()
  stop.abort()
  await expect(asked).rejects.toThrow()
  expect(performance.now() - began).toBeLessThan(2000)
  const id = Number(await readFile(pid, 'utf8'))
  await vi.waitFor(() => expect(() => process.kill(id, 0)).toThrow('ESRCH'), 3000)
  await client.close()
}, 20_000)

it('refuses what it cannot use, and names no secret', () => {
  const server = { server: 'https://x' }
  const wrong: readonly [text: string, message: string][] = [
    ['{}', 'current-context'],
    [JSON.stringify({ 'current-context': 'x' }), 'contexts is "x"'],
    [kubeconfig({}), 'server'],
    [kubeconfig({ server: 'ftp://x' }), 'allowed: a URL of https or http'],
    [kubeconfig({ ...server, 'proxy-url': 'socks5://me:pw@x' }), 'proxy-url is "socks5:"'],
    [kubeconfig(server, { token: 12345 }), 'token is "number"'],
    [kubeconfig(server, { 'auth-provider': { name: 'gcp' } }), 'auth-provider is "gcp"'],
    [kubeconfig(server, { exec: { apiVersion: 'v1', command: 'x' } }), 'exec.apiVersion'],
    [kubeconfig(server, { exec: { apiVersion: 'client.authentication.k8s.io/v1' } }), 'exec.command'],
    [
      kubeconfig(server, { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'x', interactiveMode: 'Always' } }),
      'a daemon has no terminal'
    ],
    [kubeconfig(server, { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'x', env: [{ name: 'a' }] } }), 'exec.env']
  ]
  for (const [text, message] of wrong) {
    expect(() => parseKubeconfig(text, '/x'), text).toThrow(message)
    expect(() => parseKubeconfig(text, '/x'), text).not.toThrow(/12345|pw/)
  }
  expect(parseKubeconfig(kubeconfig(server), '/x', 'http://127.0.0.1:8080').server.port).toBe('8080')
})

it('goes through a proxy of the kubeconfig, with its password', async () => {
  const api = await ScriptedApi.start()
  const asked: unknown[] = []
  const proxy = createServer().on('connect', (request, socket) => {
    asked.push([request.url, request.headers['proxy-authorization']])
    const { hostname, port } = new URL(api.url)
    const on = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      on.pipe(socket).pipe(on)
    })
    for (const end of [on, socket]) end.on('error', () => on.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void proxy.close())
  const { port } = proxy.address() as AddressInfo
  const cluster = { server: 'http://cluster.test:6443', 'proxy-url': `http://me:pw@127.0.0.1:${port}` }
  expect(await get(parseKubeconfig(kubeconfig(cluster), '/x'))).toMatchObject({ kind: 'ServiceList' })
  expect(asked).toEqual([['cluster.test:6443', `Basic ${Buffer.from('me:pw').toString('base64')}`]])
})

it('reads the variables of proxies as Go does', () => {
  const via = (server: string, env: Record<string, string>): string | undefined => proxyFromEnvironment(new URL(server), env)?.href
  const both = { HTTPS_PROXY: 'http://s:1', http_proxy: 'h:2' }
  expect(via('https://api.example.com', both)).toBe('http://s:1/')
  expect(via('http://api.example.com', both)).toBe('http://h:2/')
  expect(via('https://localhost:6443', both)).toBeUndefined()
  expect(via('https://127.0.0.1:6443', both)).toBeUndefined()
  expect(via('https://[::1]:6443', both)).toBeUndefined()
  const excepts = (no: string, server: string): boolean => via(server, { ...both, NO_PROXY: no }) === undefined
  for (const no of ['*', 'x, api.example.com', 'example.com', '.example.com', 'api.example.com:6443'])
    expect(excepts(no, 'https://api.example.com:6443'), no).toBe(true)
  for (const no of ['api.example.com:443', 'ample.com', '.api.example.com', ''])
    expect(excepts(no, 'https://api.example.com:6443'), no).toBe(false)
  expect(excepts('10.96.0.0/12', 'https://10.96.0.1')).toBe(true)
  expect(excepts('10.96.0.0/12', 'https://10.1.0.1')).toBe(false)
  expect(excepts('fd00::/8', 'https://[fd00::1]')).toBe(true)
})

it('waits as headers, rates and failures ask', () => {
  expect(parseRetryAfter('7')).toBe(7000)
  expect(parseRetryAfter('Thu, 01 Jan 1970 00:00:09 GMT', 4000)).toBe(5000)
  expect(parseRetryAfter('Thu, 01 Jan 1970 00:00:01 GMT', 4000)).toBe(0)
  expect(parseRetryAfter('86400')).toBe(600_000)
  expect([parseRetryAfter('soon'), parseRetryAfter(undefined)]).toEqual([undefined, undefined])
  let now = 0
  const rate = new RateLimit({ qps: 5, burst: 2 }, () => now)
  expect([rate.reserve(), rate.reserve(), rate.reserve(), rate.reserve()].map(Math.round)).toEqual([0, 0, 200, 400])
  now = 60_000
  expect([rate.reserve(), rate.reserve(), rate.reserve()].map(Math.round)).toEqual([0, 0, 200])
  const pauses = (random: number): Backoff =>
    new Backoff(
      { firstMs: 800, maxMs: 3000, resetMs: 120_000 },
      () => now,
      () => random
    )
  const [least, most] = [pauses(0), pauses(1)]
  expect([least.next(), least.next(), least.next(), least.next()]).toEqual([800, 1600, 3000, 3000])
  expect([most.next(), most.next()]).toEqual([1600, 3200])
  now += 130_000
  expect(least.next()).toBe(800)
})
