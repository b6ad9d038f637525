import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { serviceOf, sliceOf } from '../../support/kubernetes-services.js'
import { makeFolder, manifest, PROXY } from '../../support/manifests.js'
import { makeNamespace } from '../../support/namespace.js'

it('the daemon in mode ipvs makes virtual services, finds them made, and takes them away', async () => {
  const namespace = await makeNamespace()
  const folder = await makeFolder()
  await writeFile(join(folder, 'web.yaml'), manifest('web', '10.96.0.1', '10.1.0.1', '10.1.0.2'))
  const proxy = (...options: string[]): Promise<string> =>
    namespace.run(process.execPath, [PROXY, '--mode', 'ipvs', ...options], { timeoutMs: 60_000 })
  await proxy('--manifests', folder, '--once')
  const saved = await namespace.run('ipvsadm', ['-Sn'])
  expect(saved).toContain('-A -t 10.96.0.1:80')
  expect(saved.match(/-a -t 10\.96\.0\.1:80 -r 10\.1\.0\.[12]:8080 -m -w 1/g)).toHaveLength(2)
  expect(await namespace.ip('address', 'show', 'dev', 'netplane')).toContain('10.96.0.1/32')
  expect(await proxy('--manifests', folder, '--plan')).not.toMatch(/^[+~-] /m)
  await proxy('--cleanup')
  expect(await namespace.run('ipvsadm', ['-Sn'])).toBe('')
  expect((await namespace.attempt('ip', ['link', 'show', 'netplane'])).status).not.toBe(0)
  expect(await namespace.nft('list', 'tables')).toBe('')
})

it('the daemon in mode ipvs serves node ports, policy Local, source ranges and affinity, and tells load balancers so', async () => {
  const namespace = await makeNamespace()
  const folder = await makeFolder()
  const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32_104 }
  const affinity = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } } }
  const items = [
    ...[serviceOf('port', 1, { nodePort: 30_080 }), sliceOf('port')],
    ...[serviceOf('health', 2, { spec: local, ingress: [{ ip: '198.18.0.2' }] }), sliceOf('health')],
    ...[serviceOf('ranges', 3, { spec: { loadBalancerSourceRanges: ['10.0.0.0/8'] }, ingress: [{ ip: '198.18.0.3' }] }), sliceOf('ranges')],
    ...[serviceOf('plain', 4, { spec: affinity }), sliceOf('plain')]
  ]
  await writeFile(join(folder, 'all.json'), JSON.stringify({ kind: 'List', items }))
  const words = ['--mode', 'ipvs', '--manifests', folder, '--node-name', 'node-a', '--cleanup']
  const proxy = namespace.background(process.execPath, [PROXY, ...words])
  await proxy.waitFor('"msg":"synced"')
  const ask = async (port: number, path: string): Promise<unknown> => {
    const script = `fetch('http://127.0.0.1:${port}${path}').then(async (answer) => console.log(JSON.stringify([answer.status, await answer.json()])))`
    return JSON.parse(await namespace.run(process.execPath, ['-e', script])) as unknown
  }
  expect(await ask(10_256, '/healthz')).toMatchObject([200, { healthy: true, services: 4, quarantined: [] }])
  expect(await ask(32_104, '/')).toMatchObject([200, { localEndpoints: 2, serviceProxyHealthy: true }])
  const saved = await namespace.run('ipvsadm', ['-Sn'])
  expect(saved).toContain(`-A -f 1845523840 -s wrr`)
  expect(saved).toContain('-A -t 198.18.0.2:80 -s wrr')
  expect(saved).toContain('-A -t 10.96.1.4:80 -s wrr -p 600')
  // Clients from outside at the load balancer whose policy is Local have a virtual service of their own.
  expect(saved.match(/^-A -f .*$/gm)!.length).toBeGreaterThan(1)
  expect(await namespace.nft('list', 'set', 'ip', 'netplane-ipvs', 'allowed')).toContain('10.0.0.0/8')
  await proxy.stop()
  expect(await namespace.run('ipvsadm', ['-Sn'])).toBe('')
})
