/** What kube-proxy 1.37.2 wrote in iptables mode on a node of Kubernetes, as `iptables-save` and `ip6tables-save` printed it. */
import { readdirSync, readFileSync } from 'node:fs'
import type { IptablesFamily } from '../../src/iptables/index.js'
import type { RunOptions } from './run.js'
import type { Service } from '../../src/plane/model.js'

/** Its rules, and the services of the model that its Services and EndpointSlices are. `nothing` has all lines, the others those that it has not. */
export interface SeenInIptables {
  readonly about: string
  readonly services: readonly Service[]
  /** Each line with the name of its table before it. */
  readonly rules: Readonly<Record<IptablesFamily, readonly string[]>>
}

const FOLDER = new URL('kube-proxy-iptables/', import.meta.url)

/** What can be read. */
export const SEEN_IN_IPTABLES: readonly string[] = readdirSync(FOLDER).map((file) => file.replace('.json', ''))

/** Reads what was seen under a name. */
export const readSeenInIptables = (name: string): SeenInIptables =>
  JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')) as SeenInIptables

/** Accounting objects would have to be made before, which needs a module that few kernels have. They count, and decide nothing. */
const NFACCT = / -m nfacct --nfacct-name +\S+/g
const LAST = 'this must be the last rule in this chain'

/** A file for `iptables-restore`, without accounting. */
function fileForRestore(lines: readonly string[]): string {
  const tables = new Map<string, string[]>()
  const sorted = [...lines.filter((line) => !line.includes(LAST)), ...lines.filter((line) => line.includes(LAST))]
  for (const line of sorted) {
    const [table = '', ...words] = line.replaceAll(NFACCT, '').split(' ')
    const text = words.join(' ')
    const isBase = /^:[A-Z]+$/.test(text)
    tables.set(table, [...(tables.get(table) ?? []), text.startsWith(':') ? `${text} ${isBase ? 'ACCEPT' : '-'} [0:0]` : text])
  }
  return [...tables].map(([table, texts]) => [`*${table}`, ...texts, 'COMMIT', ''].join('\n')).join('')
}

const PROGRAMS = { ip: 'iptables-nft-restore', ip6: 'ip6tables-nft-restore' } as const

/** Where programs are run. */
interface Place {
  run(command: string, args: readonly string[], options?: RunOptions): Promise<string>
}

/** Writes what was seen, instead of all rules of iptables that are there. */
export async function restoreSeenInIptables(place: Place, all: readonly SeenInIptables[]): Promise<void> {
  for (const family of ['ip', 'ip6'] as const)
    await place.run(PROGRAMS[family], [], { input: fileForRestore(all.flatMap(({ rules }) => rules[family])) })
}
