import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as source from '../../src/index.js'
import type * as language from '../../src/nftables.js'

/** The package as users see it. */
export type Netplane = typeof source & typeof language

/** Loads the built package, with its rule language: what is measured is what is shipped. */
export async function loadNetplane(root: string): Promise<Netplane> {
  const entries = ['index.js', 'nftables.js'].map((name) => import(pathToFileURL(path.join(root, 'dist', name)).href) as Promise<object>)
  return Object.assign({}, ...(await Promise.all(entries))) as Netplane
}
