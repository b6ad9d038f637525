import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { patience } from '../../support/lab.js'
import { makeFolder, manifest, PROXY } from '../../support/manifests.js'
import { makeNamespace } from '../../support/namespace.js'

const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

it('runs by a file of configuration, follows it from mode to mode, and passes over what is wrong in it', async () => {
  const namespace = await makeNamespace()
  const [manifests, folder] = [await makeFolder(), await makeFolder()]
  await writeFile(join(manifests, 'web.yaml'), manifest('web', '10.96.0.1', '10.1.0.1'))
  const file = join(folder, 'config.yaml')
  const own = `---\napiVersion: netplane.dev/v1alpha1\nkind: NetplaneProxyConfiguration\nmanifests: ${manifests}\n`
  const configure = (text: string): Promise<void> =>
    writeFile(file, `${HEAD}conntrack: { udpTimeout: 77s }\noomScoreAdj: 500\nenableProfiling: true\n${text}${own}`)
  const get = async (port: number, path: string): Promise<string> =>
    await namespace.run(process.execPath, [
      '-e',
      `fetch('http://127.0.0.1:${port}${path}').then(async (answer) => console.log(answer.status, await answer.text()))`
    ])
  const tables = (): Promise<string> => namespace.nft('list', 'ruleset')

  await configure('mode: nftables\n')
  const proxy = namespace.background(process.execPath, [PROXY, '--config', file])
  await proxy.waitFor('"msg":"synced"')
  expect(await tables()).toContain('default/web:80')
  expect(await namespace.run('cat', ['/proc/sys/net/netfilter/nf_conntrack_udp_timeout'])).toBe('77\n')
  expect(await get(10_256, '/healthz')).toMatch(/^200 \{"lastUpdated":.*"nodeEligible":true,"healthy":true/)
  expect(await get(10_256, '/readyz')).toBe('200 ok\n\n')
  expect(await get(10_249, '/proxyMode')).toBe('200 nftables\n')
  expect(await get(10_249, '/configz')).toContain('"oomScoreAdj":500')
  expect(await get(10_249, '/metrics')).toContain('netplane_services 1')
  expect(await get(10_249, '/debug/pprof/heap?seconds=1')).toMatch(/^200 \{"head":\{"callFrame":/)

  await configure('mode: fast\n')
  await proxy.waitFor('"field":"mode"')
  expect(await get(10_249, '/proxyMode')).toBe('200 nftables\n')

  await configure('mode: iptables\n')
  await proxy.waitFor('follows the new configuration')
  expect(await get(10_249, '/proxyMode')).toBe('200 iptables\n')
  await vi.waitFor(async () => expect(await tables()).toContain('KUBE-SERVICES'), 20_000 * patience)
  expect(await tables()).not.toContain('table ip netplane')

  await proxy.stop()
  expect(await tables()).toContain('KUBE-SERVICES')
  // Beside a command that takes no file, all modes are cleaned up.
  await namespace.run(process.execPath, [PROXY, '--cleanup'])
  expect(await tables()).not.toContain('KUBE-SERVICES')
})

it('checks a file, writes one with all defaults, and prints a plan', async () => {
  const namespace = await makeNamespace()
  const folder = await makeFolder()
  const file = join(folder, 'config.yaml')
  await writeFile(file, `${HEAD}mode: fast\noomScoreAdj: x\n`)
  await expect(namespace.run(process.execPath, [PROXY, '--config-check', '--config', file])).rejects.toThrow(/oomScoreAdj[^]*mode/)
  await writeFile(file, `${HEAD}mode: nftables\n`)
  await namespace.run(process.execPath, [PROXY, '--config-check', '--config', file])
  const written = join(folder, 'written.yaml')
  await namespace.run(process.execPath, [PROXY, '--write-config-to', written, '--proxy-mode=ipvs'])
  expect(await readFile(written, 'utf8')).toContain('mode: ipvs\n')
  await writeFile(join(folder, 'web.yaml'), manifest('web', '10.96.0.1', '10.1.0.1'))
  expect(await namespace.run(process.execPath, [PROXY, '--config', file, '--manifests', folder, '--dry-run'])).toContain('default/web:80')
  expect(await namespace.nft('list', 'ruleset')).toBe('')
  expect(await namespace.run(process.execPath, [PROXY, '--version'])).toMatch(/^netplane \d/)
})
