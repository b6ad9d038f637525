import { stringify } from 'yaml'
import { FIELDS, type Field, type FieldPath, type KubeProxyConfiguration } from './fields.js'
import { KUBE_PROXY } from './file.js'

/** Fields that kube-proxy does not write where they have no value, or that it has no more. */
const LEFT_OUT_EMPTY: readonly FieldPath[] = [
  'logging.options.text.splitStream',
  'logging.options.json.splitStream',
  'logging.vmodule',
  'featureGates',
  'udpIdleTimeout',
  'resourceContainer',
  'windowsRunAsService'
]

/** The periods of modes that do not run are none. */
const PERIOD = /^(iptables|ipvs|nftables)\.(syncPeriod|minSyncPeriod)$/

type Tree = Record<string, unknown>

function put(tree: Tree, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path
  if (rest.length === 0) tree[name] = value
  else put((tree[name] ??= {}) as Tree, rest, value)
}

function isLeftOut(path: FieldPath, { kind }: Field<unknown>, value: unknown): boolean {
  return LEFT_OUT_EMPTY.includes(path) && JSON.stringify(value) === JSON.stringify(kind.zero)
}

/** The document of a configuration, as kube-proxy writes and shows it: an object for JSON. */
export function documentOf(configuration: KubeProxyConfiguration): Tree {
  const tree: Tree = { kind: KUBE_PROXY.kind, apiVersion: KUBE_PROXY.apiVersion }
  for (const [name, field] of Object.entries(FIELDS as unknown as Record<string, Field<unknown>>)) {
    const path = name as FieldPath
    const value = configuration[path]
    if (isLeftOut(path, field, value)) continue
    const mode = PERIOD.exec(path)?.[1]
    put(tree, path.split('.'), field.kind.write(mode === undefined || mode === configuration.mode ? value : field.kind.zero))
  }
  return tree
}

/** The text of a file that says the same, sorted by names. */
export function writeConfiguration(configuration: KubeProxyConfiguration): string {
  return stringify(documentOf(configuration), { sortMapEntries: true, version: '1.1', lineWidth: 0 })
}
