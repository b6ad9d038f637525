import { appendFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { patience } from '../../support/lab.js'
import { makeFolder, manifest, PROXY } from '../../support/manifests.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import type { Background } from '../../support/run.js'

const LISTEN = '127.0.0.1:10256'

function startProxy(namespace: TestNamespace, folder: string, ...options: string[]): Background {
  return namespace.background(process.execPath, [PROXY, '--manifests', folder, '--listen', LISTEN, ...options])
}

async function get(namespace: TestNamespace, path: string): Promise<{ status: number; text: string }> {
  const script = `fetch('http://${LISTEN}${path}').then(async (answer) => console.log(JSON.stringify({ status: answer.status, text: await answer.text() })))`
  return JSON.parse(await namespace.run(process.execPath, ['-e', script])) as { status: number; text: string }
}

/** Asks for the health again and again, until there are so many services; prints how long it took, and the longest answer. */
const ASK_UNTIL = `
const { get } = require('node:http')
const ask = () => new Promise((done, failed) => get('http://' + process.argv[1] + '/healthz', async (answer) => done(JSON.parse((await answer.toArray()).join('')))).on('error', failed))
const run = async () => {
  const start = performance.now()
  for (let longestMs = 0; ; ) {
    const before = performance.now()
    const { services } = await ask()
    longestMs = Math.max(longestMs, performance.now() - before)
    if (services === Number(process.argv[2])) return console.log(JSON.stringify({ longestMs, totalMs: performance.now() - start }))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
run()`

describe('the proxy daemon', () => {
  it('follows its folder, reports what is broken, answers for its health, and leaves the rules when it stops', async () => {
    const namespace = await makeNamespace()
    const folder = await makeFolder()
    await writeFile(join(folder, 'web.yaml'), `${manifest('web', '10.96.0.1', '10.1.0.1')}---\nkind: [\n`)
    const proxy = startProxy(namespace, folder, '--listen', '0.0.0.0:10256')
    await proxy.waitFor('"msg":"listening"')
    await proxy.waitFor('"msg":"synced"')
    expect(proxy.output()).toContain('"document":3')
    expect(await namespace.nft('list', 'set', 'ip', 'netplane', 'random-1')).toContain('10.96.0.1 . tcp . 80 comment "default/web:80"')
    expect(await get(namespace, '/healthz')).toMatchObject({ status: 200 })
    expect((await get(namespace, '/metrics')).text).toMatch(/netplane_manifest_problems 1\n[^]*netplane_services 1\n/)

    await writeFile(join(folder, 'more.yaml'), manifest('more', '10.96.0.2', '10.1.0.2', '10.1.0.3'))
    await proxy.waitFor('"added":1,"changed":0,"removed":0}')
    await proxy.waitFor('"commits":1')
    expect(await namespace.nft('list', 'set', 'ip', 'netplane', 'random-2')).toContain('default/more:80')

    // A service that claims another's frontend is set aside; the others go on.
    await writeFile(join(folder, 'thief.yaml'), manifest('thief', '10.96.0.1', '10.1.0.9'))
    await proxy.waitFor('"service":"default/thief:80"')
    expect(JSON.parse((await get(namespace, '/healthz')).text)).toMatchObject({
      healthy: true,
      services: 2,
      quarantined: ['default/thief:80'],
      takenPorts: []
    })
    expect((await get(namespace, '/metrics')).text).toMatch(/netplane_services 2\n[^]*netplane_quarantined_services 1\n/)
    // A port of this node at which a process waits: here the proxy's own server.
    await writeFile(join(folder, 'node.yaml'), manifest('node', '10.96.0.3', '10.1.0.2').replace('port: 80 ', 'port: 80, nodePort: 10256 '))
    await proxy.waitFor('"msg":"a local process waits at a port of a service"')

    await proxy.stop()
    expect(proxy.output()).toContain('"msg":"stopping"')
    expect(await namespace.nft('list', 'tables')).toContain('table ip netplane')
    const again = startProxy(namespace, folder, '--cleanup')
    await again.waitFor('"msg":"listening"')
    // Its terminal is closed.
    await again.stop('SIGHUP')
    expect(await namespace.nft('list', 'tables')).toBe('')
  })

  it('keeps what a file held when it can no longer be understood or read, and its health says so', async () => {
    const namespace = await makeNamespace()
    const folder = await makeFolder()
    const file = join(folder, 'web\u202e\u0007.yaml')
    await writeFile(file, manifest('web', '10.96.0.1', '10.1.0.1'))
    // An object of a wrong shape harms itself alone.
    await writeFile(
      join(folder, 'text.yaml'),
      manifest('text', '10.96.0.9', '10.1.0.1').replace('ports:', 'externalIPs: 203.0.113.7, ports:')
    )
    const proxy = startProxy(namespace, folder)
    await proxy.waitFor('"msg":"synced"')
    const served = (): Promise<string> => namespace.nft('list', 'set', 'ip', 'netplane', 'random-1')
    const health = async (): Promise<unknown> => {
      const { status, text } = await get(namespace, '/healthz')
      return { status, ...(JSON.parse(text) as object) }
    }
    expect(await health()).toMatchObject({
      status: 200,
      services: 1,
      problems: [{ reason: 'Service default/text: spec.externalIPs is no list' }]
    })

    for (const spoil of [() => writeFile(file, 'kind: Service\nmetadata: { name: we'), () => rm(file).then(() => symlink(file, file))]) {
      await spoil()
      await vi.waitFor(
        async () => expect(await health()).toMatchObject({ status: 503, healthy: false, outdated: ['web\u202e\u0007.yaml'] }),
        5000 * patience
      )
      // A change of another file goes on, and takes nothing away.
      await writeFile(join(folder, 'more.yaml'), manifest('more', '10.96.0.2', '10.1.0.2'))
      await vi.waitFor(async () => expect(await served()).toContain('default/more:80'), 5000 * patience)
      expect(await served()).toContain('default/web:80')
      await rm(join(folder, 'more.yaml'))
      await vi.waitFor(async () => expect(await served()).not.toContain('default/more:80'), 5000 * patience)
    }
    expect(proxy.output()).toContain('web\\u202e\\u0007.yaml')
    expect(proxy.output()).not.toContain('\u202e')
    expect(proxy.output()).not.toContain('\u0007')

    await rm(file)
    await vi.waitFor(async () => expect(await health()).toMatchObject({ status: 200, outdated: [], services: 0 }), 5000 * patience)
    await proxy.stop()
  })

  it('answers while it parses a large file', async () => {
    const namespace = await makeNamespace()
    const folder = await makeFolder()
    const proxy = startProxy(namespace, folder)
    await proxy.waitFor('"msg":"synced"')
    const count = 2000
    const all = Array.from({ length: count }, (_, index) => manifest(`s${index}`, `10.97.${index >> 8}.${index & 255}`, '10.1.0.1'))
    const asking = namespace.run(process.execPath, ['-e', ASK_UNTIL, LISTEN, String(count)], { timeoutMs: 60_000 })
    await writeFile(join(folder, '.all.yaml'), all.join('---'))
    await rename(join(folder, '.all.yaml'), join(folder, 'all.yaml'))
    const { longestMs, totalMs } = JSON.parse(await asking) as { longestMs: number; totalMs: number }
    expect(longestMs).toBeLessThan(totalMs / 2)
    await proxy.stop()
  })

  it('reads a file that has no room in its memory, a document after the other', async () => {
    const namespace = await makeNamespace()
    const folder = await makeFolder()
    const [heapMegabytes, documents] = [48, 48]
    const other = `kind: ConfigMap\nmetadata: { name: other }\ndata:\n  text: |\n${`    ${'x'.repeat(1019)}\n`.repeat(1024)}---\n`
    const file = join(folder, 'all.yaml')
    for (let number = 0; number < documents; number++) await appendFile(file, other.replace('other', `other-${number}`))
    await appendFile(file, manifest('web', '10.96.0.1', '10.1.0.1'))
    const words = [`--max-old-space-size=${heapMegabytes}`, PROXY, '--manifests', folder, '--plan']
    const { status, stdout, stderr } = await namespace.attempt(process.execPath, words, { timeoutMs: 60_000 })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('default/web:80')
  })

  it('ends with an error, and changes nothing, when its port is taken', async () => {
    const namespace = await makeNamespace()
    const folder = await makeFolder()
    await writeFile(join(folder, 'web.yaml'), manifest('web', '10.96.0.1', '10.1.0.1'))
    const first = startProxy(namespace, folder)
    await first.waitFor('"msg":"synced"')
    const before = await namespace.nft('list', 'ruleset')
    const second = [PROXY, '--manifests', folder, '--listen', LISTEN, '--name', 'other', '--cleanup']
    const { status, stderr } = await namespace.attempt(process.execPath, second)
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('EADDRINUSE') as string })
    expect(await namespace.nft('list', 'ruleset')).toBe(before)
    await first.stop()
  })

  it('answers load balancers at the addresses that have node ports', async () => {
    const namespace = await makeNamespace()
    const commands = [
      'link add eth0 type veth peer name eth1',
      ...['10.9.0.2/24', '10.9.0.3/24', 'fd00:9::2/64 nodad'].map((address) => `address add dev eth0 ${address}`),
      'link set eth0 up',
      'link set eth1 up'
    ]
    for (const command of commands) await namespace.ip(...command.split(' '))
    const folder = await makeFolder()
    const spec = 'type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 32100,'
    const text = manifest('web', '10.96.0.1', '10.1.0.1')
      .replace('clusterIP', `${spec} clusterIP`)
      .replace('port: 80 ', 'port: 80, nodePort: 30080 ')
    await writeFile(join(folder, 'web.yaml'), text)
    /** Statuses and codes of errors, by a program that runs inside. */
    const program = `
      const { get } = require('node:http')
      const ask = (host) => new Promise((done) => get({ host, port: 32100 }, ({ statusCode }) => done(statusCode)).on('error', ({ code }) => done(code)))
      Promise.all(process.argv.slice(1).map(ask)).then((all) => { console.log(JSON.stringify(all)); process.exit() })`
    const hosts = ['10.9.0.2', '10.9.0.3', 'fd00:9::2', '127.0.0.1', '::1']
    const [yes, no] = [503, 'ECONNRESET']
    const cases: readonly [option: string, answers: readonly unknown[]][] = [
      ['all', [yes, yes, yes, yes, yes]],
      ['primary', [yes, no, yes, no, no]],
      ['10.9.0.3/32,::1/128', [no, yes, no, no, yes]]
    ]
    for (const [option, answers] of cases) {
      const proxy = startProxy(namespace, folder, '--node-port-addresses', option)
      await vi.waitFor(async () => expect(await get(namespace, '/healthz')).toMatchObject({ status: 200 }), 20_000 * patience)
      expect(JSON.parse(await namespace.run(process.execPath, ['-e', program, ...hosts])), option).toEqual(answers)
      await proxy.stop()
    }
  })

  it('plans and syncs once, and cleans up', async () => {
    const namespace = await makeNamespace()
    const folder = await makeFolder()
    await writeFile(join(folder, 'web.yaml'), manifest('web', '10.96.0.1', '10.1.0.1'))
    const proxy = (...options: string[]): Promise<string> => namespace.run(process.execPath, [PROXY, '--manifests', folder, ...options])
    expect(await proxy('--plan')).toBe('+ default/web:80  tcp 10.96.0.1:80 -> 1 endpoint\n')
    expect(await namespace.nft('list', 'tables')).toBe('')
    expect(JSON.parse(await proxy('--once'))).toMatchObject({ services: { added: 1 } })
    expect(await proxy('--plan')).toBe('nothing to do\n')
    // A plan does nothing, whatever else is asked for.
    const both = await namespace.attempt(process.execPath, [PROXY, '--plan', '--cleanup'])
    expect(both).toMatchObject({ status: 1, stderr: '--once, --plan and --cleanup: one of them is wanted\n' })
    expect(await namespace.nft('list', 'tables')).toContain('table ip netplane')
    await namespace.run(process.execPath, [PROXY, '--cleanup'])
    expect(await namespace.nft('list', 'tables')).toBe('')
  })

  it('says what is missing, and ends with status 1', async () => {
    const namespace = await makeNamespace()
    expect(await namespace.attempt(process.execPath, [PROXY])).toMatchObject({
      status: 1,
      stderr: '--manifests is missing, or --kubeconfig or --master\n'
    })
  })
})
