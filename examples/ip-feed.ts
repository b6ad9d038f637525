/**
 * Drops packets from the addresses of a feed: a file or a URL with an address or a prefix a line. The rest of a line, and any other line, is a comment.
 *   node build/examples/ip-feed.js --feed https://www.spamhaus.org/drop/drop.txt --interval 3600
 * Only what differs from the kernel's sets is sent, a transaction for each, after a restart, too. While the feed cannot be read, the sets stay as they are.
 * It needs CAP_NET_ADMIN. Its table stays when it ends, so that who is blocked stays blocked; `nft delete table inet ip-feed` removes it.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { formatAddress, Nftables, parsePrefix, prefixRange, ValidationError, type SetElement } from 'netplane'
import { drop, ip, ip6, rule } from 'netplane/nftables'
const USAGE = 'usage: ip-feed --feed URL|FILE [--interval SECONDS]'
const at = { family: 'inet', table: 'ip-feed' } as const
const blocked = { ...at, name: 'blocked', key: 'ipv4_addr', flags: ['interval'] } as const
const blocked6 = { ...at, name: 'blocked6', key: 'ipv6_addr', flags: ['interval'] } as const
function elementsOf(feed: string, bytes: 4 | 16): Map<string, SetElement> {
  const prefixes = [...feed.matchAll(/^[\da-f.:/]+/gim)].flatMap(([text]) => parsePrefix(text) ?? [])
  const ranges = prefixes.filter(({ address }) => address.length === bytes).map((prefix) => ({ ...prefix, ...prefixRange(prefix) }))
  ranges.sort((a, b) => Buffer.compare(a.first, b.first) || a.length - b.length)
  const apart = ranges.slice(0, 1) // ranges of a set do not overlap: without those within a wider prefix
  for (const range of ranges) if (Buffer.compare(range.first, apart.at(-1)!.last) > 0) apart.push(range)
  const keys = apart.map(({ first, length }) => formatAddress(first) + (length < bytes * 8 ? `/${length}` : ''))
  return new Map(keys.map((key) => [key, { key }]))
}

async function follow(nft: Nftables, location: string): Promise<void> {
  const response = /^https?:/.test(location) ? await fetch(location) : new Response(await readFile(location))
  if (!response.ok) throw new Error(`it answers ${response.status} ${response.statusText}`)
  const feed = await response.text()
  for (const set of [blocked, blocked6]) {
    const [held, missing, tx] = [await nft.listElements(set), elementsOf(feed, set === blocked ? 4 : 16), nft.transaction()]
    const surplus = [...held].filter(({ key }) => !missing.delete(key as string))
    tx.delete.elements(set, surplus)
    tx.add.elements(set, missing.values())
    if (missing.size + surplus.length > 0) await tx.commit()
    console.log(`${set.name}: ${missing.size} added, ${surplus.length} removed`)
  }
}

async function main(): Promise<void> {
  const { feed = '', interval = '60' } = parseArgs({ options: { feed: { type: 'string' }, interval: { type: 'string' } } }).values
  if (feed === '') throw new ValidationError('--feed', feed, 'a URL or a file')
  if (!(Number(interval) > 0 && Number(interval) < 1e6)) throw new ValidationError('--interval', interval, 'seconds, less than 1000000')
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit()) // at any time: a transaction is whole or not at all
  const nft = await Nftables.open()
  const tx = nft.transaction()
  tx.add.table({ family: 'inet', name: 'ip-feed' })
  for (const set of [blocked, blocked6]) tx.add.set(set)
  tx.add.chain({ ...at, name: 'input', hook: 'prerouting', priority: 'raw' })
  tx.flush.chain({ ...at, name: 'input' }) // of the rules of an earlier run
  for (const match of [ip.saddr.in(blocked), ip6.saddr.in(blocked6)]) tx.add.rule({ ...at, chain: 'input', ...rule(match, drop()) })
  await tx.commit()
  for (; ; await setTimeout(Number(interval) * 1000))
    await follow(nft, feed).catch((error: unknown) => console.error(`${feed}: ${String(error)}`))
}

main().catch((error: unknown) => {
  process.exitCode = error instanceof TypeError ? 2 : 1 // of parseArgs, or a ValidationError
  console.error(error instanceof TypeError ? `${error.message.split('\n')[0]}; ${USAGE}` : (error as Error).message)
})
