/**
 * The endpoints that a kernel has, as the programs of others list them.
 */
import { groupBy } from '../../contract/behaviour/group-by.js'
import type { Place } from '../../contract/behaviour/network.js'

type Family = 'ip' | 'ip6'
/** The modes whose rules can be read here. */
export type SoakMode = 'nftables' | 'iptables'

/** The elements of the set of ranges: what is sent to an address in them that no service has is dropped. */
function rangesOfTable(listed: string): string[] {
  const elements = /^\tset service-ranges \{\n.*?^\t\}/ms.exec(listed)?.[0] ?? ''
  return Array.from(elements.matchAll(/[0-9a-f.:]+\/\d+/g), ([range]) => `range ${range}`)
}

/** All maps of endpoints in a table. A node port has one of its own for clients inside the cluster where its policy is Local: that is not looked at. */
function linesOfTable(listed: string, family: Family): string[] {
  const maps = listed.matchAll(/^\tmap endpoints-(\S+) \{\n(.*?)^\t\}/gms)
  return Array.from(maps).flatMap(([, name, body]) => {
    if (name!.includes('indirect')) return []
    const elements = body!.matchAll(/(?:([0-9a-f.:]+) \. )?(tcp|udp) \. (\d+) \. \d+ : ([0-9a-f.:]+) \. (\d+)/g)
    return Array.from(elements, ([, address = `node-${family}`, ...rest]) => lineOf(address, rest))
  })
}

const lineOf = (address: string, [protocol, port, to, target]: readonly (string | undefined)[]): string =>
  `${address} ${protocol} ${port} -> ${to} ${target}`

/** Where a rule of nat leads: that of a service, by its address, or by the address and port of its endpoint. */
interface Rule {
  readonly chain: string
  readonly words: string
  readonly target: string
}

/** Chains of endpoints, each once: a sticky service names them twice. */
const endpointChains = (rules: readonly Rule[], chain: string): string[] => [
  ...new Set(rules.filter((rule) => rule.chain === chain && rule.target.startsWith('KUBE-SEP-')).map(({ target }) => target))
]

/** The chain of those who answer clients from outside: where all others have been sent elsewhere. */
const outsideOf = (rules: readonly Rule[], chain: string): string | undefined =>
  rules.find((rule) => rule.chain === chain && rule.words === '' && /^KUBE-SV[CL]-/.test(rule.target))?.target

/** `KUBE-SERVICES` and `KUBE-NODEPORTS` lead to chains of services, and these to chains of endpoints. */
function linesOfNat(saved: string, family: Family): string[] {
  const rules = Array.from(
    saved.matchAll(/^-A (\S+) ?(.*?) ?-j (\S+)(?: --to-destination (\S+))?.*$/gm),
    ([, chain, words, target, to]) => ({
      chain: chain!,
      words: words!.replaceAll(/ ?-m comment --comment ("[^"]*"|\S+)/g, ''),
      target: to ?? target!
    })
  )
  const byChain = groupBy(rules, ({ chain }) => chain)
  const targetsOf = (chain: string): string[] =>
    endpointChains(byChain.get(chain) ?? [], chain).flatMap((endpoint) =>
      (byChain.get(endpoint) ?? []).flatMap(({ target }) => /^\[?([0-9a-f.:]+?)\]?:(\d+)$/.exec(target)?.slice(1).join(' ') ?? [])
    )
  const leading = (chain: string): string[] =>
    (byChain.get(chain) ?? []).flatMap(({ words, target }) => {
      const at = /-p (tcp|udp) .*--dport (\d+)/.exec(words)
      const address = /-d ([0-9a-f.:]+)\//.exec(words)?.[1] ?? `node-${family}`
      const to = target.startsWith('KUBE-EXT-') ? outsideOf(byChain.get(target) ?? [], target) : target
      return at === null || to === undefined ? [] : targetsOf(to).map((endpoint) => `${address} ${at[1]} ${at[2]} -> ${endpoint}`)
    })
  return [...leading('KUBE-SERVICES'), ...leading('KUBE-NODEPORTS')]
}

const readers: Readonly<Record<SoakMode, (node: Place, family: Family) => Promise<string[]>>> = {
  nftables: async (node, family) => {
    // Before the first sync, and behind a foreign writer, there is no table.
    const listed = await node.run('sh', ['-c', `nft list table ${family} netplane 2>/dev/null || true`])
    return [...linesOfTable(listed, family), ...rangesOfTable(listed)]
  },
  iptables: async (node, family) => linesOfNat(await node.run(family === 'ip' ? 'iptables-save' : 'ip6tables-save', ['-t', 'nat']), family)
}

/** All endpoints, `ADDRESS PROTOCOL PORT -> ENDPOINT PORT`, sorted; a node port has the address `node-ip` or `node-ip6`, and the endpoints for clients outside. In mode nftables also the ranges, `range PREFIX`. */
export async function linesOfKernel(mode: SoakMode, node: Place): Promise<string[]> {
  const families = await Promise.all((['ip', 'ip6'] as const).map((family) => readers[mode](node, family)))
  return families.flat().sort()
}
