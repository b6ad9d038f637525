/** Types of build.mjs, for the tests. */
export const serverVersions: string
export const goHint: string
export function serverPrograms(env?: NodeJS.ProcessEnv): { readonly etcd: string; readonly 'kube-apiserver': string }
export function hasServers(env?: NodeJS.ProcessEnv): boolean
export function hasGo(): boolean
export function provideServers(env?: NodeJS.ProcessEnv): { readonly etcd: string; readonly 'kube-apiserver': string }
