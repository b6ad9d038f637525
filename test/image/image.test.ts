import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { makeFolder } from '../support/manifests.js'
import { makeNamespace, type TestNamespace } from '../support/namespace.js'
import type { Finished } from '../support/run.js'
import { addressOf, ask, makeServingNetwork, tally } from '../support/service-network.js'
import { BUSY_MS, containerOf, DEPLOY, Podman } from './podman.js'

/** Megabytes of the image beside Node.js itself, and of all of it: newer versions of Node.js are larger. */
const MOST_BESIDE_NODE = 12
const MOST = 150

const NODE = 'node-a'
const ADDRESS = '10.96.0.10'
const NODE_PORT = 30_080
/** Of the node, on the way to its default gateway: it has the node ports, as nothing else is said in the configuration. */
const PRIMARY = '10.1.1.1'

const IMAGE = containerOf('proxy').image
/** How the container of the proxy is confined, for runs that do one thing. */
const CONFINED = ['run', '--rm', '--read-only', '--read-only-tmpfs=false', '--cap-drop', 'ALL']
const AS_NODE = ['--entrypoint', '/usr/bin/node', IMAGE, '--eval']

const podman = new Podman()
beforeAll(async () => {
  const said = await podman.makeImage('--output', join(podman.folder, 'made'), '--builder', 'podman')
  expect(said).toMatch(new RegExp(`^${podman.folder}/made/netplane-proxy\\.tar: ${IMAGE}, \\d+ MB\n$`))
})

const OBJECTS = [
  { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE }, spec: { podCIDRs: ['10.1.0.0/16'] } },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { type: 'NodePort', clusterIP: ADDRESS, ports: [{ name: 'http', port: 80, nodePort: NODE_PORT }] }
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: [1, 2].map((host) => ({ addresses: [addressOf.ip(host)], nodeName: NODE }))
  }
]

/** The configuration as it is deployed, with what a test wants otherwise in its documents. */
function configurationWith(kubeProxy: object, netplane: object): string {
  const { data } = parse(readFileSync(join(DEPLOY, 'config.yaml'), 'utf8')) as { readonly data: Readonly<Record<string, string>> }
  const documents = parseAllDocuments(data['config.yaml']!).map((document) => document.toJS() as { readonly kind: string })
  const added = documents.map((document) => ({ ...document, ...(document.kind === 'KubeProxyConfiguration' ? kubeProxy : netplane) }))
  return added.map((document) => JSON.stringify(document)).join('\n---\n')
}

/** The volumes of the pod, of which the services come from a folder instead of an API server. */
async function makeVolumes(kubeProxy: object = {}): Promise<{ config: string; api: string; state: string; manifests: string }> {
  const folder = await makeFolder()
  const volumes = {
    config: join(folder, 'config'),
    api: join(folder, 'api'),
    state: join(folder, 'state'),
    manifests: join(folder, 'services')
  }
  for (const volume of Object.values(volumes)) mkdirSync(volume)
  writeFileSync(join(volumes.config, 'config.yaml'), configurationWith(kubeProxy, { manifests: '/services' }))
  writeFileSync(join(volumes.manifests, 'all.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items: OBJECTS }))
  return volumes
}

async function get(from: TestNamespace, url: string): Promise<[status: number, body: string]> {
  const script = `fetch(${JSON.stringify(url)}).then(async (answer) => console.log(JSON.stringify([answer.status, await answer.text()])))`
  return JSON.parse(await from.run(process.execPath, ['--eval', script])) as [number, string]
}

describe('the image', () => {
  it('has Node.js, its libraries, the proxy and the addon, and nothing else that can be run', async () => {
    const script = `for (const entry of require('fs').readdirSync('/', { recursive: true, withFileTypes: true })) {
      const file = require('path').join(entry.parentPath ?? entry.path, entry.name)
      if (entry.isFile() && !/^.(proc|sys|dev)./.test(file) && require('fs').statSync(file).mode & 0o111) console.log(file)
    }`
    const found = (await podman.run(...CONFINED, '--network', 'none', ...AS_NODE, script)).trim().split('\n')
    expect(found).toContain('/usr/bin/node')
    expect(found).toContain('/app/netplane.node')
    expect(found.filter((file) => !/^\/lib.*\/(lib[^/]+\.so\.\d+|ld-[^/]+)$/.test(file)).sort()).toEqual([
      '/app/netplane.node',
      // Made by podman.
      ...(found.includes('/run/.containerenv') ? ['/run/.containerenv'] : []),
      '/usr/bin/node'
    ])
    for (const shell of ['/bin/sh', 'busybox']) {
      const { status, stderr } = await podman.attempt(...CONFINED, '--network', 'none', '--entrypoint', shell, IMAGE, '-c', 'true')
      expect(stderr).toMatch(/not found|No such file/)
      expect(status).toBe(127)
    }
  })

  it('is small', async () => {
    const size = Number(await podman.run('image', 'inspect', '--format', '{{.Size}}', IMAGE)) / 1e6
    const node = statSync(process.execPath).size / 1e6
    expect(size).toBeGreaterThan(node)
    expect(size).toBeLessThan(node + MOST_BESIDE_NODE)
    expect(size).toBeLessThan(MOST)
  })

  it('finds the names of hosts, which a kubeconfig may have', async () => {
    const script = "require('dns').lookup('control-plane.test', (error, address) => console.log(error?.message ?? address))"
    const said = await podman.run(...CONFINED, '--network', 'none', '--add-host', 'control-plane.test:192.0.2.1', ...AS_NODE, script)
    expect(said).toBe('192.0.2.1\n')
  })
})

describe('a container as the DaemonSet has it', () => {
  it('serves packets, answers probes and Prometheus, and leaves the rules when it is stopped, which --cleanup removes', async () => {
    const { node, client } = await makeServingNetwork(2)
    const { manifests, ...volumes } = await makeVolumes()
    const around = { network: node.path, volumes, env: { NODE_NAME: NODE } }
    const proxy = podman.start('proxy', around, ['--volume', `${manifests}:/services:ro`])
    await proxy.waitFor('"msg":"synced"', BUSY_MS)

    const served = async (): Promise<void> => {
      for (const [address, port] of [[ADDRESS, 80] as const, [PRIMARY, NODE_PORT] as const])
        expect(Object.keys(tally(await ask(client, 'tcp', address, port, 24))).sort()).toEqual(['s1', 's2'])
    }
    await served()
    for (const path of ['livez', 'healthz']) expect((await get(node, `http://127.0.0.1:10256/${path}`))[0]).toBe(200)
    const [status, text] = await get(client, `http://${PRIMARY}:10249/metrics`)
    expect(status).toBe(200)
    expect(text).toMatch(/^netplane_services 1$/m)
    // NET_ADMIN alone, and no way to more.
    const seen = readFileSync(
      `/proc/${await podman.run('inspect', '--format', '{{.State.Pid}}', 'proxy').then((pid) => pid.trim())}/status`,
      'utf8'
    )
    expect(seen).toMatch(/^CapEff:\t0000000000001000$/m)
    expect(seen).toMatch(/^CapBnd:\t0000000000001000$/m)

    await podman.run('kill', '--signal', 'TERM', 'proxy')
    expect(await proxy.ended, proxy.output()).toEqual({ status: 0, signal: null })
    expect(proxy.output()).toContain('"signal":"SIGTERM"')
    await served()
    expect(existsSync(join(volumes.state, 'services.json'))).toBe(true)
    expect(await node.nft('list', 'tables')).toContain('netplane')
    await podman.run(...CONFINED, '--cap-add', 'NET_ADMIN', '--network', `ns:${node.path}`, IMAGE, '--mode', 'nftables', '--cleanup')
    expect(await node.nft('list', 'tables')).toBe('')
  })

  it('writes settings of connection tracking where it is privileged, and only there', async () => {
    // How many flows there may be is a setting of the machine, which a namespace of the tests may not write.
    const { config } = await makeVolumes({ conntrack: { maxPerCore: 0 }, oomScoreAdj: 1000 })
    const { path } = await makeNamespace()
    const privileged = podman.start('settings', { network: path, volumes: { config } })
    expect(await privileged.ended, privileged.output()).toEqual({ status: 0, signal: null })
    expect(privileged.output()).toMatch(/^tcpCloseWaitTimeoutSeconds 3600: written \(before: 60\)$/m)
    const args = ['--network', `ns:${(await makeNamespace()).path}`, '--cap-add', 'NET_ADMIN', '--volume', `${config}:/config:ro`]
    const confined = await podman.attempt(...CONFINED, ...args, IMAGE, '--config', '/config/config.yaml', '--init-only')
    expect(confined.status).toBe(1)
    expect(confined.stdout).toMatch(/^tcpCloseWaitTimeoutSeconds 3600: failed: .*(EROFS|read-only)/m)
  })
})

describe('capabilities', () => {
  async function once(mode: string, ...options: string[]): Promise<Finished> {
    const { manifests } = await makeVolumes()
    const args = ['--network', `ns:${(await makeNamespace()).path}`, '--volume', `${manifests}:/services:ro`, ...options]
    return await podman.attempt(...CONFINED, ...args, IMAGE, '--manifests', '/services', '--mode', mode, '--once')
  }

  it.each(['nftables', 'iptables'])('mode %s: CAP_NET_ADMIN is enough, and is needed', async (mode) => {
    const { status, stdout, stderr } = await once(mode, '--cap-add', 'NET_ADMIN')
    expect(status, stderr).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ quarantined: [] })
    const without = await once(mode)
    expect(without.status).toBe(1)
    expect(without.stderr).toContain('CAP_NET_ADMIN')
  })
})

it('can be made without podman, too', async () => {
  const output = join(podman.folder, 'written')
  const said = await podman.makeImage('--output', output, '--builder', 'none', '--name', 'localhost/other:1')
  expect(said).toContain('localhost/other:1')
  expect(said).toContain('written without podman')
  await podman.run('load', '--quiet', '--input', join(output, 'netplane-proxy.tar'))
  const version = await podman.run(...CONFINED, '--network', 'none', 'localhost/other:1', '--version')
  expect(version).toMatch(/^netplane \d/)
  const entrypoint = ['image', 'inspect', '--format', '{{.Config.Entrypoint}}']
  expect(await podman.run(...entrypoint, 'localhost/other:1')).toBe(await podman.run(...entrypoint, IMAGE))
})
