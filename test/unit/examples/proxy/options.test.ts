import { hostname } from 'node:os'
import { expect, it } from 'vitest'
import { parseOptions, USAGE } from '../../../../examples/proxy/options.js'

const parse = (...words: string[]): ReturnType<typeof parseOptions> => parseOptions(['--manifests', 'x', ...words])

it('says what is wrong', () => {
  const wrong: readonly [words: readonly string[], message: string][] = [
    [['--listen', 'nowhere'], '--listen nowhere: HOST:PORT is wanted, or off'],
    [['--mode', 'ebtables'], '--mode ebtables: nftables, ipvs, iptables or userspace is wanted'],
    [['--mode', 'userspace', '--scheduler-fallback', 'consistent'], '--scheduler-fallback consistent: random or hash is wanted'],
    [['--mode', 'userspace', '--masquerade', 'all'], '--masquerade all: endpoints see this node in any case in mode userspace'],
    [['--mode', 'userspace', '--once'], '--once: relays of mode userspace would end with the process'],
    [['--mode', 'iptables', '--name', 'a'], "--name a: chains of mode iptables have kube-proxy's names"],
    [['--mode', 'iptables', '--scheduler-fallback', 'hash'], '--scheduler-fallback hash: random is wanted'],
    [['--loopback-node-ports', '--once'], '--once: relays of --loopback-node-ports would end with the process'],
    [['--loopback-node-ports', '--mode', 'userspace'], '--loopback-node-ports: mode userspace serves them by itself'],
    [['--take-over'], '--take-over: --mode iptables is wanted beside it'],
    [['--masquerade', 'some'], '--masquerade some: never, nonLocal or all is wanted'],
    [['--scheduler-fallback', 'rr'], '--scheduler-fallback rr: random, hash or consistent is wanted'],
    [['--log-level', 'loud'], '--log-level loud: trace, debug, info, warn or error is wanted'],
    [['--node-port-addresses', ','], '--node-port-addresses ",": all, primary or a list of prefixes is wanted'],
    [['--local-bridge', 'cni0', '--local-sources', '10.0.0.0/8'], 'one of them is wanted'],
    // A variable of a shell that is not set.
    [['--local-sources', ''], '--local-sources "": a list of prefixes is wanted'],
    [['--service-ranges', ''], '--service-ranges "": a list of prefixes is wanted'],
    [['--external-ip-ranges', ''], '--external-ip-ranges "": none, or a list of prefixes is wanted'],
    [['--external-ip-ranges', '10.0.0.0/8,none'], '--external-ip-ranges none: none, or a list of prefixes is wanted'],
    [['--node-name', ''], '--node-name "": a name is wanted'],
    [['--zone', ''], '--zone "": a name is wanted'],
    // Two things to do, of which one would be left undone, or done although a plan alone was asked for.
    [['--plan', '--cleanup'], '--once, --plan and --cleanup: one of them is wanted'],
    [['--once', '--cleanup'], '--once, --plan and --cleanup: one of them is wanted'],
    [['--once', '--plan'], '--once, --plan and --cleanup: one of them is wanted'],
    [['--mode', 'ipvs', '--scheduler-fallback', 'fastest'], '--scheduler-fallback fastest: random, hash, consistent, rr, wrr, ']
  ]
  for (const [words, message] of wrong) expect(() => parse(...words), words.join(' ')).toThrow(message)
  expect(() => parseOptions([])).toThrow('--manifests is missing')
  expect(() => parseOptions(['--plan'])).toThrow('--manifests is missing')
  expect(() => parseOptions(['--plan', '--cleanup'])).toThrow('one of them is wanted')
  expect(() => parseOptions(['--manifests', ''])).toThrow('--manifests "": a name is wanted')
  expect(parseOptions(['--cleanup'])).toMatchObject({ cleanup: true, manifests: undefined })
  expect(parseOptions(['--help'])).toMatchObject({ help: true })
  expect(() => parse('--kubeconfig', 'k')).toThrow('--manifests, and --kubeconfig or --master: one source is wanted')
  expect(() => parse('--kube-api-qps', '7')).toThrow('--kubeconfig or --master is wanted beside them')
  expect(() => parseOptions(['--master', 'x', '--kube-api-qps', '0'])).toThrow('--kube-api-qps 0: a number above 0 is wanted')
  expect(() => parseOptions(['--master', 'x', '--kube-api-burst', '1.5'])).toThrow('--kube-api-burst 1.5: a number above 0 is wanted')
  expect(() => parseOptions(['--kubeconfig', ''])).toThrow('--kubeconfig "": a name is wanted')
  expect(() => parse('--node-name', 'a', '--hostname-override', 'b')).toThrow('--node-name and --hostname-override: one of them is wanted')
})

it('tells the plane what it needs to know of clients and addresses', () => {
  expect(parse('--listen', '[::1]:80').listen).toEqual({ host: '::1', port: 80 })
  expect(parse()).toMatchObject({ traffic: {}, nodeName: hostname().toLowerCase() })
  expect(parse('--node-name', 'A').nodeName).toBe('A')
  expect(parse('--local-sources', '10.0.0.0/8,fd00::/8')).toMatchObject({
    traffic: { localSources: ['10.0.0.0/8', 'fd00::/8'] }
  })
  expect(parse('--local-sources', '10.0.0.0/8, fd00::/8,').traffic.localSources).toEqual(['10.0.0.0/8', 'fd00::/8'])
  expect(['none', '10.0.0.0/8, fd00::/8'].map((word) => parse('--external-ip-ranges', word).externalRanges)).toEqual([
    [],
    ['10.0.0.0/8', 'fd00::/8']
  ])
  expect(parse().externalRanges).toBeUndefined()
  expect(parse('--local-bridge', 'cni0').traffic.localSources).toEqual({ bridge: 'cni0' })
  expect(parse('--local-interface-prefix', 'cali').traffic.localSources).toEqual({ interfacePrefix: 'cali' })
  expect(parse('--node-port-addresses', 'primary')).toMatchObject({ traffic: { nodeAddresses: 'primary' } })
  const words = ['--masquerade', 'all', '--node-port-addresses', '10.0.0.0/24,fd00::/64', '--service-ranges', '10.96.0.0/12']
  expect(parse(...words, '--scheduler-fallback', 'consistent')).toMatchObject({
    nodePortPrefixes: ['10.0.0.0/24', 'fd00::/64'],
    traffic: {
      masquerade: 'all',
      nodeAddresses: ['10.0.0.0/24', 'fd00::/64'],
      serviceRanges: ['10.96.0.0/12']
    },
    plane: { mode: 'nftables', schedulerFallback: 'consistent' }
  })
  expect(parse('--mode', 'iptables', '--take-over').plane).toEqual({ mode: 'iptables', schedulerFallback: undefined, takeOver: true })
  expect(parse('--mode', 'userspace', '--scheduler-fallback', 'hash').plane).toEqual({ mode: 'userspace', schedulerFallback: 'hash' })
  expect(parse('--mode', 'ipvs', '--scheduler-fallback', 'wlc').plane).toEqual({ mode: 'ipvs', schedulerFallback: 'wlc' })
})

it('reads an API server where one is named, and that of its pod where nothing is', () => {
  const inPod = { KUBERNETES_SERVICE_HOST: '10.96.0.1' }
  const usual = { kubeconfig: undefined, master: undefined, qps: 5, burst: 10, encoding: 'protobuf' }
  expect(parseOptions([], inPod).api).toEqual(usual)
  expect(parseOptions(['--manifests', 'x'], inPod).api).toBeUndefined()
  // A command that needs no source.
  expect(parseOptions(['--cleanup'], inPod).api).toBeUndefined()
  expect(parseOptions(['--kubeconfig', 'k'], {}).api).toEqual({ ...usual, kubeconfig: 'k' })
  expect(parseOptions(['--master', 'https://x', '--kube-api-qps', '0.5', '--kube-api-burst', '7'], {}).api).toEqual({
    ...usual,
    master: 'https://x',
    qps: 0.5,
    burst: 7
  })
  expect(parse('--hostname-override', ' Node-A ').nodeName).toBe('node-a')
})

it('explains every option', () => {
  const options = ['manifests', 'mode', 'name', 'netns', 'node-name', 'zone', 'local-sources', 'listen', 'once', 'plan', 'cleanup']
  const more = [
    'log-level',
    'kubeconfig',
    'master',
    'kube-api-qps',
    'kube-api-burst',
    'hostname-override',
    'local-bridge',
    'local-interface-prefix',
    'masquerade',
    'node-port-addresses',
    'service-ranges',
    'external-ip-ranges',
    'loopback-node-ports',
    'scheduler-fallback'
  ]
  for (const option of [...options, ...more]) expect(USAGE).toContain(`  --${option} `)
})
