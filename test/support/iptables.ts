/** What `iptables-nft-save` prints, without its comments and the time in them. */
import type { TestNamespace } from './namespace.js'

/** The lines of a family's tables. */
export async function savedLines(namespace: TestNamespace, family: 'ip' | 'ip6', counters = false): Promise<string[]> {
  const program = family === 'ip' ? 'iptables-nft-save' : 'ip6tables-nft-save'
  const text = await namespace.run(program, counters ? ['-c'] : [])
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

/** Runs `iptables-nft` or `ip6tables-nft` with the words of a line. */
export async function iptablesNft(namespace: TestNamespace, family: 'ip' | 'ip6', ...args: string[]): Promise<string> {
  return await namespace.run(family === 'ip' ? 'iptables-nft' : 'ip6tables-nft', args)
}
