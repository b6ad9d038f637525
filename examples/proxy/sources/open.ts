import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { ManifestInput } from '../manifests/input.js'
import type { PieceParser } from '../manifests/parse.js'
import { ManifestFolder } from '../manifests/read.js'
import type { ProxyOptions } from '../options.js'
import { findAccess } from './access/find.js'
import type { ApiResource } from './api/resources.js'
import { ApiSource } from './api/source.js'
import { ManifestSource } from './manifests.js'
import type { ObjectSource } from './types.js'

/** How a source is read. */
export interface SourceOptions {
  /** Parses the manifests of one reading elsewhere; absent: at once. */
  readonly openParser?: () => PieceParser
  /** What an API server is asked for; absent: all that a proxy reads in any case. A folder has all in any case. */
  readonly kinds?: readonly ApiResource['kind'][] | undefined
}

/** @throws There is nothing of that name. */
async function openManifests(path: string, openParser: SourceOptions['openParser']): Promise<ObjectSource> {
  if (path === '-') return new ManifestSource(undefined, new ManifestInput(openParser))
  if ((await stat(path)).isDirectory()) return new ManifestSource(path, new ManifestFolder(path, openParser))
  return new ManifestSource(dirname(path), new ManifestFolder(dirname(path), openParser, basename(path)))
}

/**
 * The source that the options name.
 *
 * @throws {ValidationError} The kubeconfig cannot be used.
 * @throws The kubeconfig cannot be read, or there are no manifests of that name.
 */
export async function openSource(
  { manifests, api, nodeName }: ProxyOptions,
  { openParser, kinds }: SourceOptions = {}
): Promise<ObjectSource> {
  if (api === undefined) return await openManifests(manifests!, openParser)
  const { qps, burst, encoding } = api
  return new ApiSource(await findAccess(api), nodeName, { client: { qps, burst, encoding }, kinds })
}
