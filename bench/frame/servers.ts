import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as source from '../../tools/cluster/build.mjs'

/** Loads what builds the servers of an API. It is not bundled, as it finds its files beside it. */
export const loadServers = (root: string): Promise<typeof source> =>
  import(pathToFileURL(path.join(root, 'tools', 'cluster', 'build.mjs')).href) as Promise<typeof source>
