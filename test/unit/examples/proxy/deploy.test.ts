import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pino } from 'pino'
import { Histogram } from 'prom-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { readCommand, type Command } from '../../../../examples/proxy/configuration/command.js'
import { KubeProxyServers } from '../../../../examples/proxy/configuration/servers.js'
import { Metrics } from '../../../../examples/proxy/metrics.js'
import { resourcesOf } from '../../../../examples/proxy/sources/api/resources.js'
import { parseKubeconfig } from '../../../../examples/proxy/sources/access/kubeconfig.js'
import { freePort } from '../../../support/free-port.js'
import { makeFolder } from '../../../support/manifests.js'

const root = path.resolve(import.meta.dirname, '../../../..')
const deploy = path.join(root, 'examples', 'proxy', 'deploy')
const read = (...names: string[]): string => readFileSync(path.join(deploy, ...names), 'utf8')

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> }
}

/** The objects of a file. */
const objectsOf = (...names: string[]): Manifest[] => parseAllDocuments(read(...names)).map((document) => document.toJS() as Manifest)

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}

interface Container extends Partial<Record<'startupProbe' | 'livenessProbe' | 'readinessProbe', Probe>> {
  readonly name: string
  readonly image: string
  readonly args: readonly string[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[]
}

interface Volume {
  readonly name: string
  readonly configMap?: { readonly name: string }
  readonly hostPath?: { readonly path: string }
}

interface PodSpec {
  readonly serviceAccountName: string
  readonly hostNetwork: boolean
  readonly initContainers: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes: readonly Volume[]
}

const daemonSet = objectsOf('daemonset.yaml')[0] as Manifest & {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly template: { readonly metadata: Pick<Manifest['metadata'], 'labels'>; readonly spec: PodSpec }
  }
}
const pod = daemonSet.spec.template.spec
const proxy = pod.containers[0]!
const settings = pod.initContainers[0]!
const configMap = objectsOf('config.yaml')[0] as Manifest & { readonly data: Readonly<Record<string, string>> }

const yamlFiles = readdirSync(deploy, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'))

describe('the files', () => {
  it.each(yamlFiles)('%s can be read', (name) => {
    const documents = parseAllDocuments(read(name))
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
    for (const document of documents) expect(document.toJS()).toMatchObject({ apiVersion: /./, kind: /./ } satisfies Record<string, RegExp>)
  })

  it.each(['.', 'monitoring'])('%s: kustomization.yaml has them all', (folder) => {
    const { resources, configMapGenerator = [] } = parse(read(folder, 'kustomization.yaml')) as {
      readonly resources: readonly string[]
      readonly configMapGenerator?: readonly { readonly files: readonly string[] }[]
    }
    const listed = [...resources, ...configMapGenerator.flatMap(({ files }) => files), 'kustomization.yaml']
    const there = readdirSync(path.join(deploy, folder)).filter((name) => /\.(yaml|json)$/.test(name))
    expect([...listed].sort()).toEqual(there.sort())
  })

  it('are all about one namespace', () => {
    const all = yamlFiles
      .flatMap((name) => objectsOf(name))
      .filter(({ kind }) => !/^(Kustomization|ClusterRole|ClusterRoleBinding)$/.test(kind))
    expect(all.length).toBeGreaterThan(5)
    for (const { metadata } of all) expect(metadata.namespace).toBe('kube-system')
  })
})

/** The command line of a container, whose configuration is what the ConfigMap has. */
async function commandOf({ args, volumeMounts }: Container): Promise<Command> {
  const folder = await makeFolder()
  const mount = volumeMounts.find(({ name }) =>
    pod.volumes.some((volume) => volume.name === name && volume.configMap?.name === configMap.metadata.name)
  )!
  for (const [name, text] of Object.entries(configMap.data)) writeFileSync(path.join(folder, name), text)
  return readCommand(args.map((word) => word.replace(mount.mountPath, folder).replace('$(NODE_NAME)', 'Node-A')))
}

/** The volume in which a file of the container is. */
function volumeOf(container: Container, file: string): { volume: Volume; isReadOnly: boolean } {
  const mount = container.volumeMounts.find(({ mountPath }) => file.startsWith(`${mountPath}/`))
  const volume = pod.volumes.find(({ name }) => name === mount?.name)
  if (mount === undefined || volume === undefined) throw new Error(`${file} is in no volume`)
  return { volume, isReadOnly: mount.readOnly === true }
}

describe('the configuration', () => {
  it('has no fault, and each field has an effect', async () => {
    const { action, warnings, options } = await commandOf(proxy)
    expect({ action, warnings }).toEqual({ action: 'run', warnings: [] })
    expect(options).toMatchObject({
      plane: { mode: 'nftables' },
      nodeName: 'node-a',
      api: { kubeconfig: '/etc/netplane/api/kubeconfig.conf' },
      manifests: undefined,
      listen: undefined,
      configured: { isLocalByNode: true, oomScoreAdj: -997 }
    })
    expect(await commandOf(settings)).toMatchObject({ action: 'init', warnings: [] })
  })

  it('names files that the pod has: only the state can be written, and stays on the node', async () => {
    const { options } = await commandOf(proxy)
    expect(volumeOf(proxy, options.api!.kubeconfig!)).toMatchObject({
      volume: { configMap: { name: 'netplane-proxy-kubeconfig' } },
      isReadOnly: true
    })
    expect(volumeOf(proxy, options.state!)).toMatchObject({
      volume: { hostPath: { path: path.dirname(options.state!) } },
      isReadOnly: false
    })
    const writable = proxy.volumeMounts.filter(({ readOnly }) => readOnly !== true)
    expect(writable.map(({ mountPath }) => mountPath)).toEqual([path.dirname(options.state!)])
  })

  it('agrees with ports and probes', async () => {
    const { configured } = (await commandOf(proxy)).options
    expect(pod.hostNetwork).toBe(true)
    expect(proxy.ports).toEqual([
      { name: 'healthz', containerPort: configured!.healthz.port, protocol: 'TCP' },
      { name: 'metrics', containerPort: configured!.metrics.port, protocol: 'TCP' }
    ])
    // Neither the kubelet nor Prometheus asks at loopback addresses.
    for (const { host } of [configured!.healthz, configured!.metrics]) expect(host).toBe('0.0.0.0')
    const [healthz, metrics] = [await freePort(), await freePort()]
    const sources = {
      // A node that is about to be removed.
      health: () => ({ isHealthy: true, isEligible: false, syncedAt: new Date() }),
      metrics: () => Promise.resolve({ contentType: 'text/plain', text: 'a 1\n' }),
      isReady: () => true,
      answered: () => undefined
    }
    const there = { ...configured!, healthz: { host: '127.0.0.1', port: healthz }, metrics: { host: '127.0.0.1', port: metrics } }
    const servers = new KubeProxyServers(there, sources, pino({ level: 'silent' }))
    onTestFinished(() => servers.close())
    await servers.listen()
    for (const name of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
      const { path: asked, port } = proxy[name]!.httpGet
      expect(port).toBe('healthz')
      expect((await fetch(`http://127.0.0.1:${healthz}${asked}`)).status).toBe(200)
    }
    const monitor = parse(read('monitoring', 'service-monitor.yaml')) as { spec: { endpoints: { port: string; path: string }[] } }
    const service = parse(read('monitoring', 'service.yaml')) as { spec: { ports: { name: string; port: number; targetPort: string }[] } }
    expect(service.spec.ports).toMatchObject([{ name: 'metrics', port: configured!.metrics.port, targetPort: 'metrics' }])
    expect(monitor.spec.endpoints).toMatchObject([{ port: 'metrics', path: '/metrics' }])
    expect(await (await fetch(`http://127.0.0.1:${metrics}${monitor.spec.endpoints[0]!.path}`)).text()).toBe('a 1\n')
  })

  it('asks for settings of connection tracking, for which there is a container', async () => {
    expect(Object.keys((await commandOf(settings)).options.configured!.conntrack)).not.toEqual([])
    expect(settings.securityContext).toEqual({ privileged: true, readOnlyRootFilesystem: true })
  })

  it('works with the kubeconfig that kubeadm gives to a kube-proxy', () => {
    const folder = '/var/run/secrets/kubernetes.io/serviceaccount'
    const text = `apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority: ${folder}/ca.crt
    server: https://192.0.2.1:6443
  name: default
contexts:
- context:
    cluster: default
    namespace: default
    user: default
  name: default
current-context: default
users:
- name: default
  user:
    tokenFile: ${folder}/token
`
    expect(parseKubeconfig(text, '/etc/netplane/api/kubeconfig.conf', undefined).server.href).toBe('https://192.0.2.1:6443/')
  })
})

describe('the DaemonSet', () => {
  it('gives the proxy CAP_NET_ADMIN and nothing else', () => {
    expect(pod.containers).toHaveLength(1)
    expect(proxy.securityContext).toEqual({
      runAsUser: 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      seccompProfile: { type: 'RuntimeDefault' }
    })
  })

  it('has the image of this version', () => {
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { readonly version: string }
    for (const { image } of [proxy, settings]) expect(image).toBe(`localhost/netplane-proxy:${version}`)
  })

  it('selects its own pods, and so does the Service of its metrics', () => {
    const { labels } = daemonSet.spec.template.metadata
    const service = parse(read('monitoring', 'service.yaml')) as Manifest & { spec: { selector: object } }
    const monitor = parse(read('monitoring', 'service-monitor.yaml')) as { spec: { jobLabel: string; selector: { matchLabels: object } } }
    expect(labels).toMatchObject(daemonSet.spec.selector.matchLabels)
    expect(labels).toMatchObject(service.spec.selector)
    expect(service.metadata.labels).toMatchObject(monitor.spec.selector.matchLabels)
    expect(service.metadata.labels![monitor.spec.jobLabel]).toBe('netplane-proxy')
  })
})

describe('rbac.yaml', () => {
  interface Binding extends Manifest {
    readonly subjects: readonly object[]
    readonly roleRef: object
  }
  interface Role extends Manifest {
    readonly rules: readonly Readonly<Record<'apiGroups' | 'resources' | 'verbs', readonly string[]>>[]
  }
  const find = (kind: string): Manifest => objectsOf('rbac.yaml').find((object) => object.kind === kind)!

  it('has the account that the DaemonSet names, and binds it', () => {
    const account = find('ServiceAccount')
    expect(account.metadata.name).toBe(pod.serviceAccountName)
    const binding = find('ClusterRoleBinding') as Binding
    expect(binding.subjects).toMatchObject([
      { kind: 'ServiceAccount', name: account.metadata.name, namespace: daemonSet.metadata.namespace }
    ])
    expect(binding.roleRef).toMatchObject({ kind: 'ClusterRole', name: find('ClusterRole').metadata.name })
  })

  it('allows all that the proxy reads', () => {
    const { rules } = find('ClusterRole') as Role
    for (const { path: list } of resourcesOf('node-a')) {
      const [, group = '', resource] = /^\/(?:api|apis\/([^/]+))\/v1\/(\w+)$/.exec(list)!
      const verbs = rules
        .filter(({ apiGroups, resources }) => apiGroups.includes(group) && resources.includes(resource!))
        .flatMap((rule) => rule.verbs)
      expect(verbs, list).toEqual(expect.arrayContaining(['list', 'watch']))
    }
  })
})

interface Target {
  readonly expr: string
}

interface Panel {
  readonly title: string
  readonly targets?: readonly Target[]
}

interface Dashboard {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly definition?: string }[] }
}

/** Words of PromQL, and what Prometheus knows by itself of each target. */
const WORDS = /^(and|or|unless|by|without|on|ignoring|group_left|group_right|bool|offset|up)$/
/** Labels that Prometheus adds, or service-monitor.yaml. */
const TARGET_LABELS = ['job', 'node', 'le']

interface Names {
  readonly metrics: readonly string[]
  readonly labels: readonly string[]
}

/** The names in an expression of PromQL. */
function namesOf(expression: string): Names {
  const lists = [...expression.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g)].flatMap(([, list]) => list!.split(','))
  const matchers = [...expression.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, name]) => name!)
  const bare = expression
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, ' ')
  const metrics = [...bare.matchAll(/(?<!\w)[a-z_]\w*(?!\w)(?!\s*\()/g)].map(([name]) => name).filter((name) => !WORDS.test(name))
  return { metrics, labels: [...lists.map((label) => label.trim()), ...matchers] }
}

describe('monitoring', () => {
  const { registry } = new Metrics(() => ({ services: 0, quarantined: [], drifts: 0, details: { mode: 'nftables', generation: 1 } }), {
    services: () => new Map(),
    requests: () => []
  })
  const registered = registry.getMetricsAsArray() as unknown as readonly {
    readonly name: string
    readonly labelNames?: readonly string[]
  }[]
  const known = new Map(
    registered.flatMap((metric) =>
      (metric instanceof Histogram ? ['_bucket', '_sum', '_count'] : ['']).map(
        (suffix) => [`${metric.name}${suffix}`, metric.labelNames ?? []] as const
      )
    )
  )
  const rules = (
    parse(read('monitoring', 'rules.yaml')) as {
      readonly spec: { readonly groups: readonly { readonly rules: readonly (Target & { readonly alert: string })[] }[] }
    }
  ).spec.groups.flatMap((group) => group.rules)
  const dashboard = JSON.parse(read('monitoring', 'dashboard.json')) as Dashboard
  const expressions = [
    ...rules.map(({ alert, expr }) => [alert, expr] as const),
    ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
    ...dashboard.templating.list.flatMap(({ definition }) =>
      definition === undefined ? [] : [[definition, definition.replace(/, \w+\)$/, ')')] as const]
    )
  ]

  it('finds the names in an expression', () => {
    const text = 'sum by (node, le) (rate(a_total{code!~"2..|x", node="y"}[5m])) / 2 > bool b and on (job) c{} unless time() - min(d) > 3e5'
    expect(namesOf(text)).toEqual({ metrics: ['a_total', 'b', 'c', 'd'], labels: ['node', 'le', 'job', 'code', 'node'] })
  })

  it.each(expressions)('%s: asks for metrics that the proxy has', (_, expression) => {
    const { metrics, labels } = namesOf(expression)
    expect(metrics.filter((name) => !known.has(name))).toEqual([])
    const own = metrics.flatMap((name) => known.get(name) ?? [])
    expect(labels.filter((label) => !TARGET_LABELS.includes(label) && !own.includes(label))).toEqual([])
    expect(metrics.length > 0 || expression.includes('up{')).toBe(true)
  })

  it.each(expressions)('%s: compares no series of one code with those of another, which are never the same', (_, expression) => {
    const [left, right] = expression.split(/\b(?:and|unless)\b/).map((side) => /code="(\w+)"/.exec(side)?.[1])
    expect(left === right || right === undefined || /\b(?:and|unless) ignoring \(code\)/.test(expression)).toBe(true)
  })

  it('shows or watches each metric of its own', () => {
    const used = new Set(expressions.flatMap(([, expression]) => namesOf(expression).metrics))
    const own = registered.map(({ name }) => name)
    const left = own.filter((name) => name.startsWith('netplane_') && ![...used].some((other) => other.replace(/_bucket$/, '') === name))
    // Only mode ipvs has endpoints that drain.
    expect(left).toEqual(['netplane_draining_endpoints'])
  })
})
