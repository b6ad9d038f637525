/** The process of the rows of the proxy: it does one session in network, mount and process namespaces of its own, prints what it found out as JSON, and leaves nothing behind. */
import type { ProxyArguments, ProxyReports, ProxyTask } from './frame/proxy-task.js'
import { inFreshNamespace } from './frame/namespaces.js'
import { loadNetplane } from './frame/netplane.js'
import { measureOnApi } from './proxy/api.js'
import { measureFile, measureFolder } from './proxy/folder.js'

const { root, task } = JSON.parse(process.argv[2] ?? '') as ProxyArguments
const netplane = await loadNetplane(root)

const sessions: { readonly [Kind in ProxyTask['kind']]: (task: Extract<ProxyTask, { kind: Kind }>) => Promise<ProxyReports[Kind]> } = {
  folder: ({ size }) => inFreshNamespace(async (place) => ({ ours: await measureFolder(netplane, place, { root, size }) })),
  file: ({ size }) => inFreshNamespace((place) => measureFile(place, { root, size })),
  api: (api) => measureOnApi(netplane, { ...api, root })
}

const session = sessions[task.kind] as (task: ProxyTask) => Promise<ProxyReports[ProxyTask['kind']]>
console.log(JSON.stringify(await session(task)))
