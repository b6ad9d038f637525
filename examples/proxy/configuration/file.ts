import { readFileSync } from 'node:fs'
import { readDocuments, type ConfigurationNode } from './documents.js'
import { collectFaults, ConfigurationError, type Fault, type FaultSink, type Place } from './faults.js'
import { FIELDS, NETPLANE_FIELDS, type Fields } from './fields.js'
import { FieldReader, type GivenFields } from './reading.js'

/** The kind and the version of kube-proxy's document. */
export const KUBE_PROXY = { apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration' } as const
/** The kind and the version of netplane's own document, which may stand beside kube-proxy's in one file. */
export const NETPLANE = { apiVersion: 'netplane.dev/v1alpha1', kind: 'NetplaneProxyConfiguration' } as const

/** What a file gives, before defaults. */
export interface ConfigurationFile {
  /** As it was read. */
  readonly text: string
  readonly kubeProxy: GivenFields
  readonly netplane: GivenFields
  /** Where kube-proxy's document stands. */
  readonly place: Place
  readonly faults: readonly Fault[]
}

interface DocumentKind {
  readonly kind: string
  readonly apiVersion: string
  readonly fields: Fields
  readonly unknown: 'error' | 'warn'
}

const KINDS: readonly DocumentKind[] = [
  { ...KUBE_PROXY, fields: FIELDS as unknown as Fields, unknown: 'warn' },
  { ...NETPLANE, fields: NETPLANE_FIELDS as unknown as Fields, unknown: 'error' }
]

/** Groups whose documents kubeadm has in the same file. They are for others. */
const OTHERS = /^(kubeadm\.k8s\.io|kubelet\.config\.k8s\.io)\//

function identityOf({ entries = [] }: ConfigurationNode): { readonly apiVersion: string; readonly kind: string } {
  const of = (key: string): string => entries.findLast((entry) => entry.key === key)?.value.text ?? ''
  return { apiVersion: of('apiVersion'), kind: of('kind') }
}

/** Which document it is; undefined: one that is told, or one for others. */
function recognise(document: ConfigurationNode, faults: FaultSink): DocumentKind | undefined {
  const { apiVersion, kind } = identityOf(document)
  const found = KINDS.find((one) => one.kind === kind)
  if (found?.apiVersion === apiVersion) return found
  tellUnknown(document, found, faults)
  return undefined
}

function tellUnknown(document: ConfigurationNode, meant: DocumentKind | undefined, faults: FaultSink): void {
  const { place } = document
  const { apiVersion, kind } = identityOf(document)
  if (document.entries === undefined) faults.error(place, '', 'the document is no map of fields')
  else if (meant !== undefined)
    faults.error(place, 'apiVersion', `${JSON.stringify(apiVersion)}: ${meant.apiVersion} is wanted for ${kind}`)
  else if (kind === '') faults.error(place, 'kind', `the field is missing: ${KINDS.map((one) => one.kind).join(' or ')} is wanted`)
  else if (!OTHERS.test(apiVersion)) faults.warn(place, '', `a document of kind ${kind} is passed over`)
}

/** Reads the text of a configuration. All its faults are in the answer. @param source Name of the file in messages. */
export function readConfiguration(source: string, content: string): ConfigurationFile {
  const faults: Fault[] = []
  const sink = collectFaults(faults)
  const found = new Map<string, { readonly given: GivenFields; readonly place: Place }>()
  for (const document of readDocuments(source, content, sink)) {
    const known = recognise(document, sink)
    if (known === undefined) continue
    if (found.has(known.kind)) sink.error(document.place, '', `the file has more than one ${known.kind}`)
    else found.set(known.kind, { given: new FieldReader(known.fields, known.unknown, sink).read(document), place: document.place })
  }
  if (found.size === 0 && faults.length === 0) sink.error({ source }, '', `the file has no ${KUBE_PROXY.kind}`)
  const { given: kubeProxy = new Map(), place = { source } } = found.get(KUBE_PROXY.kind) ?? {}
  return { text: content, kubeProxy, netplane: found.get(NETPLANE.kind)?.given ?? new Map(), place, faults }
}

/** Reads a file of configuration. @throws {ConfigurationError} It cannot be read. */
export function readConfigurationFile(path: string): ConfigurationFile {
  return readConfiguration(path, readConfigurationText(path))
}

/** The text of a file. @throws {ConfigurationError} It cannot be read. */
export function readConfigurationText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigurationError([{ severity: 'error', source: path, field: '', message: (error as Error).message }])
  }
}
