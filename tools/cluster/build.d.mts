/** Types of build.mjs, for the tests and the bench. */
export const serverVersions: string
export const goHint: string
export const benchPrograms: readonly ['etcd', 'kube-apiserver', 'kube-proxy']
export type ServerName = (typeof benchPrograms)[number]
type Servers = 'etcd' | 'kube-apiserver'
export function serverPrograms<Name extends ServerName = Servers>(
  env?: NodeJS.ProcessEnv,
  names?: readonly Name[]
): Readonly<Record<Name, string>>
export function hasServers(env?: NodeJS.ProcessEnv, names?: readonly ServerName[]): boolean
export function hasGo(): boolean
export function provideServers<Name extends ServerName = Servers>(
  env?: NodeJS.ProcessEnv,
  names?: readonly Name[]
): Readonly<Record<Name, string>>
