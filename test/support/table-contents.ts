/**
 * What the kernel holds, without what depends on history.
 */
import { savedLines } from './iptables.js'
import type { TestNamespace } from './namespace.js'
import { withoutTurns } from './plane-rigs.js'

/** Objects and elements of nf_tables, without order, handles, sizes, and turns of names. */
export async function contents(namespace: TestNamespace): Promise<string[]> {
  const { nftables } = JSON.parse(withoutTurns(await namespace.run('nft', ['-j', 'list', 'ruleset']))) as {
    nftables: Record<string, Record<string, unknown>>[]
  }
  const lines: string[] = []
  for (const object of nftables) {
    for (const [kind, content] of Object.entries(object)) {
      const { elem } = content
      const elements = Array.isArray(elem) ? elem.map((element) => JSON.stringify(element)).sort() : []
      lines.push([kind, JSON.stringify({ ...content, handle: undefined, elem: undefined, size: undefined }), ...elements].join(' '))
    }
  }
  return lines.filter((line) => !line.startsWith('metainfo')).sort()
}

/** Ports that the kernel chooses (net.ipv4.ip_local_port_range), as those of relays. */
const CHOSEN_PORT = /\b(?:3[3-9]\d{3}|[45]\d{4}|6[0-5]\d{3})\b/g

/** As {@link contents}, and rules of iptables with all that they ask; without counters, and without the ports of relays. */
export async function contentsOfAll(namespace: TestNamespace): Promise<string[]> {
  const rules = [...(await savedLines(namespace, 'ip')), ...(await savedLines(namespace, 'ip6'))]
  const lines = [...(await contents(namespace)), ...rules.map((line) => line.replace(/ \[\d+:\d+\]$/, ''))]
  return lines.map((line) => line.replaceAll(/"(?:packets|bytes)":\d+/g, '').replaceAll(CHOSEN_PORT, 'PORT')).sort()
}
