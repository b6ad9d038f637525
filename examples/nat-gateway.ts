/**
 * A NAT gateway: who is behind it goes out with its address, and who is outside gets in only where a port is forwarded.
 *
 *   node build/examples/nat-gateway.js --outside eth0 --forward tcp:8080=10.0.0.2:80 --forward udp:53=10.0.0.3:53
 *
 * It switches IP forwarding on, and back when it ends. IPv4 alone.
 * It needs CAP_NET_ADMIN, a writable /proc/sys, and Linux 5.12, which removes the table when the program has ended, even if it was killed.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Nftables, ValidationError, type SetElement } from 'netplane'
import { accept, concat, ct, dnat, drop, masquerade, meta, rule, th, type RuleStatement } from 'netplane/nftables'

const USAGE = 'usage: nat-gateway --outside LINK [--forward PROTOCOL:PORT=ADDRESS:PORT]…'
const FORWARDING = '/proc/sys/net/ipv4/ip_forward'
const at = { family: 'ip', table: 'nat-gateway' } as const
const forwards = { ...at, name: 'forwards', key: ['inet_proto', 'inet_service'], data: ['ipv4_addr', 'inet_service'] } as const

function parseForward(text: string): SetElement {
  const [, protocol, from, address, to] = /^(tcp|udp):(\d+)=([\d.]+):(\d+)$/.exec(text) ?? []
  if (protocol === undefined) throw new ValidationError('--forward', text, 'PROTOCOL:PORT=ADDRESS:PORT, where PROTOCOL is tcp or udp')
  return { key: [protocol, Number(from)], data: [address!, Number(to)] }
}

async function main(): Promise<void> {
  const options = { outside: { type: 'string' }, forward: { type: 'string', multiple: true } } as const
  const { outside = '', forward = [] } = parseArgs({ options }).values
  if (outside === '') throw new ValidationError('--outside', outside, 'the name of a link')
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
  const before = await readFile(FORWARDING, 'utf8')
  await using nft = await Nftables.open()
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name: 'nat-gateway', flags: ['owner'] }) // it goes with this process, however that ends
  tx.add.map(forwards)
  tx.add.elements(forwards, forward.map(parseForward))
  tx.add.chain({ ...at, name: 'prerouting', type: 'nat', hook: 'prerouting', priority: 'dstnat' })
  tx.add.chain({ ...at, name: 'forward', hook: 'forward' })
  tx.add.chain({ ...at, name: 'postrouting', type: 'nat', hook: 'postrouting', priority: 'srcnat' })
  const add = (chain: string, ...statements: RuleStatement[]): void => tx.add.rule({ ...at, chain, ...rule(...statements) })
  add('prerouting', meta.iifname.eq(outside), dnat(concat(meta.l4proto, th.dport).map(forwards)))
  add('forward', ct.state.anyOf('established', 'related'), accept())
  add('forward', meta.iifname.eq(outside), ct.status.noneOf('dnat'), drop())
  add('postrouting', meta.oifname.eq(outside), masquerade())
  await tx.commit()
  await writeFile(FORWARDING, '1')
  console.log(`gateway to ${outside}`)
  while (!stop.signal.aborted) await setTimeout(60_000, undefined, { signal: stop.signal }).catch(() => undefined) // aborted: a signal came
  await writeFile(FORWARDING, before)
}

main().catch((error: unknown) => {
  process.exitCode = error instanceof TypeError ? 2 : 1 // of parseArgs, or a ValidationError
  console.error(error instanceof TypeError ? `${error.message.split('\n')[0]}; ${USAGE}` : (error as Error).message)
})
