import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
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
