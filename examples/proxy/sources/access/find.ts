import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseUrl } from './fields.js'
import { parseKubeconfig, tokenFromFile } from './kubeconfig.js'
import { proxyFromEnvironment } from './proxy.js'
import type { ApiAccess } from './types.js'

/** Where Kubernetes puts the credentials of a pod. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Variables of the environment that tell a container of its cluster. */
export type ClusterEnvironment = Readonly<Record<string, string | undefined>>

/** Whether this process is in a pod. */
export function isInCluster(env: ClusterEnvironment): boolean {
  return (env['KUBERNETES_SERVICE_HOST'] ?? '') !== ''
}

/** Somebody who shows nothing of himself. */
function accessTo(server: URL): ApiAccess {
  return {
    server,
    tlsServerName: undefined,
    insecureSkipTlsVerify: false,
    proxy: proxyFromEnvironment(server),
    headers: {},
    readAuthorities: () => Promise.resolve(undefined),
    identify: () => Promise.resolve({}),
    refused: () => undefined
  }
}

/** The access of a pod: the service account that Kubernetes mounts, whose token it renews about every hour. @throws {ValidationError} */
export function accessInCluster(env: ClusterEnvironment, folder = SERVICE_ACCOUNT): ApiAccess {
  const host = env['KUBERNETES_SERVICE_HOST'] ?? ''
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443'
  const server = parseUrl('KUBERNETES_SERVICE_HOST', `https://${host.includes(':') ? `[${host}]` : host}:${port}`, 'server')
  const token = tokenFromFile(join(folder, 'token'))
  return {
    ...accessTo(server),
    readAuthorities: async () => await readFile(join(folder, 'ca.crt'), 'utf8'),
    identify: async () => ({ authorization: await token() })
  }
}

/**
 * The access that the options ask for, as client-go finds it: that of a kubeconfig, with `master` as its server where that is given; that of `master` alone, without credentials; or that of the
 * pod.
 *
 * @throws {ValidationError} The kubeconfig or a URL cannot be used.
 * @throws The kubeconfig cannot be read.
 */
export async function findAccess(
  { kubeconfig, master }: { readonly kubeconfig: string | undefined; readonly master: string | undefined },
  env: ClusterEnvironment = process.env
): Promise<ApiAccess> {
  if (kubeconfig !== undefined) return parseKubeconfig(await readFile(kubeconfig, 'utf8'), kubeconfig, master)
  return master === undefined ? accessInCluster(env) : accessTo(parseUrl('--master', master, 'server'))
}
