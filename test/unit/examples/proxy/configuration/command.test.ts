import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { planeOptionsOf } from '../../../../../examples/proxy/plane-options.js'
import { readCommand, type Command } from '../../../../../examples/proxy/configuration/command.js'
import { formatFault } from '../../../../../examples/proxy/configuration/faults.js'
import { FIELD_FLAG_NAMES } from '../../../../../examples/proxy/configuration/flags.js'
import { makeFolder } from '../../../../support/manifests.js'

const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'
const read = (...args: string[]): Command => readCommand(['--manifests', 'm', ...args])

async function fileOf(content: string): Promise<string> {
  const path = join(await makeFolder(), 'config.yaml')
  await writeFile(path, content)
  return path
}

it('knows the options of a kube-proxy', () => {
  const help = readFileSync(new URL('goldens/kube-proxy-help.txt', import.meta.url), 'utf8')
  const names = Array.from(help.matchAll(/^ {2,6}(?:-\w, )?--([\w-]+)/gm), ([, name]) => name!)
  expect(names.length).toBeGreaterThan(50)
  const others = ['cleanup', 'config', 'help', 'init-only', 'master', 'version', 'write-config-to']
  expect(names.filter((name) => !(FIELD_FLAG_NAMES as string[]).includes(name)).sort()).toEqual(others)
  expect(FIELD_FLAG_NAMES.filter((name) => !names.includes(name))).toEqual([])
})

it('is as before without anything of kube-proxy', () => {
  expect(read()).toMatchObject({ action: 'run', configuration: undefined, warnings: [], isModeChosen: false })
  expect(read().options).toMatchObject({ plane: { mode: 'nftables' }, listen: { host: '127.0.0.1', port: 10_256 } })
  expect(read().options.configured).toBeUndefined()
  expect(read('--dry-run').options.plan).toBe(true)
  expect(() => readCommand(['--unknown'])).toThrow("Unknown option '--unknown'")
  expect(() => readCommand([])).toThrow('--manifests is missing')
})

it('takes options as Go does', () => {
  expect(read('--ipvs-strict-arp', '--proxy-mode=ipvs').options.plane).toMatchObject({ mode: 'ipvs', strictArp: true, scheduler: 'rr' })
  expect(read('--ipvs-strict-arp=false', '--proxy-mode', 'ipvs').options.plane).toMatchObject({ strictArp: false })
  for (const words of [['-v=4'], ['-v', '4'], ['--v=4'], ['--v', '4']]) expect(read(...words).options.logLevel).toBe('debug')
  expect(readCommand(['--cleanup=true']).options.cleanup).toBe(true)
  expect(read('--cleanup=false').options.cleanup).toBe(false)
  expect(read('--masquerade-all').options.traffic.masquerade).toBe('all')
  expect(read('--masquerade-all', '--proxy-mode=nftables').options.traffic.masquerade).toBe('all')
  expect(read('--iptables-sync-period=5s', '--proxy-mode=nftables').options.configured).toMatchObject({ syncMs: 5000, minSyncMs: 1000 })
  expect(read('--feature-gates=A=true,B=false').configuration?.featureGates).toEqual({ A: true, B: false })
  expect(read('--vmodule=a=2,b*=3').configuration?.['logging.vmodule']).toEqual(['a=2', 'b*=3'])
})

it('takes numbers below 0, periods of 0 and an empty name as Go does', () => {
  expect(read('--oom-score-adj', '-998').configuration?.oomScoreAdj).toBe(-998)
  expect(readCommand(['--kubeconfig', 'k', '--kube-api-qps', '-1', '--proxy-mode=iptables']).options.api?.qps).toBe(-1)
  expect(() => read('--proxy-mode', '--oom-score-adj', '1')).toThrow("'--proxy-mode' argument is ambiguous")
  for (const mode of ['iptables', 'nftables'])
    expect(read('--iptables-min-sync-period=0', `--proxy-mode=${mode}`).options.configured).toMatchObject({ minSyncMs: 0, syncMs: 30_000 })
  expect(() => read('--iptables-sync-period=0')).toThrow('--iptables-sync-period: error: iptables.syncPeriod: "0s": more than 0 is wanted')
  expect(() => read('--config-sync-period=0s')).toThrow('more than 0 is wanted')
  const { nodeName } = read().options
  for (const more of [[], ['--proxy-mode=iptables']]) expect(read('--hostname-override=', ...more).options.nodeName).toBe(nodeName)
  expect(() => read('--hostname-override= ')).toThrow('--hostname-override " ": a name is wanted')
})

it('adds up lists that are given several times, as pflag does, and takes the last of all else', () => {
  const addresses = ['--nodeport-addresses=10.0.0.0/8,fd00::/8', '--nodeport-addresses', '192.168.0.0/16', '--nodeport-addresses=']
  expect(read(...addresses).configuration?.nodePortAddresses).toEqual(['10.0.0.0/8', 'fd00::/8', '192.168.0.0/16'])
  const excluded = ['--ipvs-exclude-cidrs=10.0.0.0/8', '--ipvs-exclude-cidrs=10.1.0.0/16', '--proxy-mode=ipvs']
  expect(read(...excluded).options.plane).toMatchObject({ excludeCIDRs: ['10.0.0.0/8', '10.1.0.0/16'] })
  const gates = ['--feature-gates=A=true,B=true', '--feature-gates=B=false']
  expect(read(...gates).configuration?.featureGates).toEqual({ A: true, B: false })
  expect(read('--oom-score-adj=1', '--oom-score-adj=2').configuration?.oomScoreAdj).toBe(2)
  expect(() => read('--nodeport-addresses=10.0.0.0/8', '--nodeport-addresses=here')).toThrow('--nodeport-addresses: error: ')
})

it('tells all that is wrong on the command line', () => {
  const wrong = ['--proxy-mode=fast', '--oom-score-adj=x', '--iptables-sync-period=5', '--masquerade-all=perhaps']
  expect(() => read(...wrong)).toThrow(
    [
      '--iptables-sync-period: error: "5" is not a duration with its unit, such as "30s", "1h30m" or "250ms"',
      '--masquerade-all: error: "perhaps" is not true or false',
      '--oom-score-adj: error: "x" is not an integer',
      '--proxy-mode: error: mode: "fast": iptables, ipvs, nftables or userspace is wanted'
    ].join('\n')
  )
  expect(() => readCommand(['--config-check'])).toThrow('--config FILE is wanted beside it')
  expect(() => readCommand(['--config', '/nowhere'])).toThrow('/nowhere: error: ENOENT')
})

it('lets the file win over the options of kube-proxy, but for the log and the name of the host', async () => {
  const file = await fileOf(`${HEAD}mode: ipvs\nhostnameOverride: a\nlogging: { verbosity: 0 }\n`)
  const command = read('--config', file, '--proxy-mode=iptables', '--ipvs-scheduler', 'mh', '--hostname-override', ' B', '-v', '6')
  expect(command.warnings.map(formatFault)).toEqual([
    '--ipvs-scheduler: warning: the option has no effect beside --config: the file says it',
    '--proxy-mode: warning: the option has no effect beside --config: the file says it'
  ])
  expect(command.options).toMatchObject({ plane: { mode: 'ipvs', scheduler: 'rr' }, nodeName: 'b', logLevel: 'trace' })
  expect(read('--config', file, '--hostname-override=').options.nodeName).toBe('a')
})

it("lets the daemon's own options win over the file", async () => {
  const file = await fileOf(
    `${HEAD}mode: ipvs\nclusterCIDR: 10.244.0.0/16\n---\napiVersion: netplane.dev/v1alpha1\nkind: NetplaneProxyConfiguration\nmanifests: /m\nname: n\nnetns: w\nzone: z\nmasquerade: never\nserviceRanges: [10.96.0.0/12]\nstate: /s\nlisten: 127.0.0.1:1\nschedulerFallback: rr\nlogLevel: warn\n`
  )
  expect(readCommand(['--config', file]).options).toMatchObject({
    manifests: '/m',
    name: 'n',
    netns: 'w',
    zone: 'z',
    state: '/s',
    listen: { host: '127.0.0.1', port: 1 },
    logLevel: 'warn',
    plane: { mode: 'ipvs', schedulerFallback: 'rr' },
    traffic: { masquerade: 'never', serviceRanges: ['10.96.0.0/12'], localSources: ['10.244.0.0/16'], masqueradeBit: 14 }
  })
  const own = readCommand([
    '--config',
    file,
    '--mode',
    'nftables',
    '--local-bridge',
    'br0',
    '--log-level',
    'error',
    '--scheduler-fallback',
    'hash'
  ])
  expect(own).toMatchObject({
    isModeChosen: true,
    options: { logLevel: 'error', plane: { mode: 'nftables' }, traffic: { localSources: { bridge: 'br0' } } }
  })
  expect(own.options.plane).not.toHaveProperty('strictArp')
  expect(readCommand(['--config', file, '--cleanup']).options.manifests).toBeUndefined()
})

it('takes prefixes with bits beyond their length as kube-proxy does, and tells of them in its own document', async () => {
  const fields = 'clusterCIDR: 10.244.0.1/16,fd00::1/64\nnodePortAddresses: [192.168.1.5/24]\n'
  const { options } = read('--config', await fileOf(`${HEAD}mode: ipvs\nipvs: { excludeCIDRs: [10.0.0.5/8] }\n${fields}`))
  const { traffic, plane } = options
  expect(traffic.localSources).toEqual(['10.244.0.0/16', 'fd00::/64'])
  expect(traffic.nodeAddresses).toEqual(['192.168.1.0/24', '2000::/3', 'fc00::/7'])
  expect(plane).toMatchObject({ excludeCIDRs: ['10.0.0.0/8'] })
  const own = await fileOf(`${HEAD}${OWN_DOCUMENT}serviceRanges: [10.96.0.0/12, 10.112.0.1/12]\n`)
  expect(() => read('--config', own)).toThrow(
    `${own}:6:16: error: serviceRanges: ["10.96.0.0/12","10.112.0.1/12"]: "10.112.0.1/12" has bits set beyond the length: 10.112.0.0/12 is wanted`
  )
})

const OWN_DOCUMENT = '---\napiVersion: netplane.dev/v1alpha1\nkind: NetplaneProxyConfiguration\n'

it('tells all faults of its own document with those of the other one, with their places', async () => {
  const file = await fileOf(`${HEAD}oomScoreAdj: 5000\n${OWN_DOCUMENT}listen: here\nschedulerFallback: fast\nlogLevel: loud\n`)
  expect(() => read('--config', file)).toThrow(
    [
      `${file}:3:14: error: oomScoreAdj: 5000: a number from -1000 to 1000 is wanted`,
      `${file}:7:9: error: listen: "here": HOST:PORT is wanted, or off`,
      `${file}:8:20: error: schedulerFallback: "fast": random, hash, consistent, `
    ].join('\n')
  )
  expect(() => read('--config', file)).toThrow(`${file}:9:11: error: logLevel: "loud"`)
})

it('reads the ranges of external addresses', async () => {
  const rangesOf = async (ranges: string): Promise<unknown> =>
    read('--config', await fileOf(`${HEAD}${OWN_DOCUMENT}externalIPRanges: ${ranges}\n`)).options.externalRanges
  expect(await rangesOf('[10.0.0.0/8, "fd00::/8"]')).toEqual(['10.0.0.0/8', 'fd00::/8'])
  expect(await rangesOf('[none]')).toEqual([])
  expect(await rangesOf('[]')).toBeUndefined()
  await expect(rangesOf('[10.0.0.1/8]')).rejects.toThrow('6:19: error: externalIPRanges: ')
  await expect(rangesOf('[none, 10.0.0.0/8]')).rejects.toThrow('"none" is no prefix')
})

it.each([
  ['nftables', 'featureGates: { KubeProxyNFTablesLocalhostNodePorts: true }\n'],
  ['iptables', 'iptables: { localhostNodePorts: true }\n'],
  ['ipvs', '']
])('lets relays serve node ports at loopback addresses in mode %s, in the place of the mode', async (mode, more) => {
  const beside = `mode: ${mode}\nnodePortAddresses: [10.0.0.0/8, 127.0.0.0/8, '::1/128']\n${more}`
  const without = readCommand(['--config', await fileOf(`${HEAD}${beside}${OWN_DOCUMENT}manifests: /m\n`)])
  expect(planeOptionsOf(without.options).carriers).toBeUndefined()
  const { options, warnings } = readCommand([
    '--config',
    await fileOf(`${HEAD}${beside}${OWN_DOCUMENT}manifests: /m\nloopbackNodePorts: true\n`)
  ])
  const plane = planeOptionsOf(options)
  expect(plane).toMatchObject({
    mode,
    carriers: [{ mode: 'userspace', name: 'loopback', carries: 'loopbackNodePorts' }],
    nodeAddresses: ['10.0.0.0/8']
  })
  expect('loopbackNodePorts' in plane && plane.loopbackNodePorts).toBe(false)
  expect(warnings).toEqual([])
})

it('finds one source, on the command line before the file, and a folder before the kubeconfig of the file', async () => {
  const connection = 'clientConnection: { kubeconfig: /k, qps: 2.5, burst: 7 }\n'
  const file = await fileOf(`${HEAD}${connection}`)
  const sourceOf = (...args: string[]): unknown => {
    const { manifests, api } = readCommand(args).options
    return { manifests, api }
  }
  const rate = { qps: 2.5, burst: 7, encoding: 'protobuf' }
  expect(sourceOf('--config', file)).toEqual({ api: { kubeconfig: '/k', master: undefined, ...rate } })
  expect(sourceOf('--config', file, '--kubeconfig=/own', '--kube-api-qps=-1')).toEqual({
    api: { kubeconfig: '/own', master: undefined, ...rate, qps: -1 }
  })
  expect(sourceOf('--config', file, '--master=https://a')).toEqual({ api: { kubeconfig: undefined, master: 'https://a', ...rate } })
  expect(sourceOf('--config', file, '--manifests=/m')).toEqual({ manifests: '/m' })
  expect(sourceOf('--config', file, '--cleanup')).toEqual({})
  expect(sourceOf('--config-check', '--config', file)).toMatchObject({ api: { kubeconfig: '/k' } })

  const both = await fileOf(`${HEAD}${connection}${OWN_DOCUMENT}manifests: /m\n`)
  const command = readCommand(['--config', both])
  expect(command.options).toMatchObject({ manifests: '/m', api: undefined })
  expect(command.warnings.map(formatFault)).toEqual([
    `${both}:3:33: warning: clientConnection.kubeconfig: it has no effect: services come from the folder that manifests names`
  ])
  expect(sourceOf('--config', both, '--kubeconfig=/own')).toMatchObject({ manifests: undefined, api: { kubeconfig: '/own' } })
  expect(() => sourceOf('--config', file, '--kubeconfig=/own', '--manifests=/m')).toThrow('one source is wanted')
  expect(() => sourceOf('--proxy-mode=ipvs')).toThrow('--manifests is missing, or --kubeconfig or --master')
})

it('is not for kube-proxy because an API server is named', () => {
  const { options } = readCommand(['--kubeconfig', '/k', '--kube-api-burst=3', '--hostname-override=N'])
  expect(options).toMatchObject({ plane: { mode: 'nftables' }, nodeName: 'n', api: { kubeconfig: '/k', qps: 5, burst: 3 } })
  expect(options.configured).toBeUndefined()
  // Beside another option of kube-proxy they are its own.
  const own = readCommand(['--kubeconfig', '/k', '--kube-api-burst=3', '--hostname-override=N', '--proxy-mode=ipvs'])
  expect(own.options).toMatchObject({ plane: { mode: 'ipvs' }, nodeName: 'n', api: { kubeconfig: '/k', qps: 5, burst: 3 } })
})

it('has commands that need no folder', async () => {
  const file = await fileOf(HEAD)
  expect(readCommand(['--version']).action).toBe('version')
  expect(readCommand(['-h']).action).toBe('help')
  expect(readCommand(['--config-check', '--config', file]).action).toBe('check')
  expect(readCommand(['--init-only']).options.configured?.conntrack).toMatchObject({ tcpEstablishedTimeoutSeconds: 86_400 })
  expect(readCommand(['--write-config-to', '/x'])).toMatchObject({ action: 'write', writeTo: '/x', configuration: { mode: 'iptables' } })
})

it('takes feature gates as Go does, also where none is named', () => {
  expect(read('--feature-gates=').configuration?.featureGates).toEqual({})
  expect(read('--feature-gates=A=true, ,B=false,').configuration?.featureGates).toEqual({ A: true, B: false })
})
