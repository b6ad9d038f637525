import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { makeNamespace } from '../support/namespace.js'

const PROXY = fileURLToPath(new URL('../../build/examples/proxy.js', import.meta.url))

const manifests = `
kind: Service
metadata: { name: web }
spec: { clusterIP: 10.96.0.1, ports: [{ port: 80 }] }
---
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [{ addresses: [10.1.0.1] }, { addresses: [10.1.0.2] }]
`

it('the daemon in mode ipvs makes virtual services, finds them made, and takes them away', async () => {
  const namespace = await makeNamespace()
  const folder = await mkdtemp(join(tmpdir(), 'netplane-manifests-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'web.yaml'), manifests)
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
