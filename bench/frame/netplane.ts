import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as source from '../../src/index.js'

/** The package as users see it. */
export type Netplane = typeof source

/** Loads the built package, dist/index.js: what is measured is what is shipped. */
export async function loadNetplane(root: string): Promise<Netplane> {
  return (await import(pathToFileURL(path.join(root, 'dist', 'index.js')).href)) as Netplane
}
