import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { NewObject } from './client.js'

/** The account of the proxy, its role, and the binding of the two: what `examples/proxy/deploy/rbac.yaml` gives to a cluster. @param root The repository. */
export function proxyRights(root: string): NewObject[] {
  const text = readFileSync(join(root, 'examples', 'proxy', 'deploy', 'rbac.yaml'), 'utf8')
  return parseAllDocuments(text).map((document) => document.toJS() as NewObject)
}
