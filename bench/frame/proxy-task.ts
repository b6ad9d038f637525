import type { ApiReport, ApiTask } from '../proxy/api.js'
import type { FileMemory } from '../proxy/folder.js'
import type { ClusterSize } from '../proxy/large-cluster.js'
import type { Figures } from '../proxy/session.js'

/** What the process of a session of the proxy is to do. */
export type ProxyTask =
  | ({ readonly kind: 'api' } & Omit<ApiTask, 'root'>)
  | { readonly kind: 'folder'; readonly size: ClusterSize }
  | { readonly kind: 'file'; readonly size: ClusterSize }

/** What it finds out. */
export interface ProxyReports {
  readonly api: ApiReport
  readonly folder: { readonly ours: Figures }
  readonly file: FileMemory
}

/** Its only argument, as JSON. */
export interface ProxyArguments {
  readonly root: string
  readonly task: ProxyTask
}
