/**
 * Port knocking in the kernel: a TCP port is closed but to those who have just tried some other ports, in the right order. No program listens to them.
 *
 *   node build/examples/port-knocking.js --port 22 --knock 7000 --knock 9000 --knock 8000 --seconds 30
 *
 * Each step is a set of addresses that time out, and a wrong port begins anew. Connections go on when the port is closed again. IPv4 alone.
 * It needs CAP_NET_ADMIN and Linux 5.12, which removes the table when the program has ended, even if it was killed.
 */
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Nftables, ValidationError, type SetSpec } from 'netplane'
import { accept, ct, deleteElement, drop, ip, meta, rule, tcp, updateElement, type RuleStatement } from 'netplane/nftables'

const USAGE = 'usage: port-knocking --port PORT --knock PORT… [--seconds SECONDS]'
const at = { family: 'ip', table: 'port-knocking' } as const

function number(option: string, text = '', most: number): number {
  if (!/^[1-9]\d{0,5}$/.test(text) || Number(text) > most) throw new ValidationError(option, text, `a number from 1 to ${most}`)
  return Number(text)
}

async function main(): Promise<void> {
  const options = { port: { type: 'string' }, knock: { type: 'string', multiple: true }, seconds: { type: 'string' } } as const
  const { port: given, knock = [], seconds = '10' } = parseArgs({ options }).values
  const port = number('--port', given, 65_535)
  const knocks = knock.map((text) => number('--knock', text, 65_535))
  const timeoutMs = number('--seconds', seconds, 86_400) * 1000
  if (new Set([port, ...knocks]).size < knocks.length + 1 || knocks.length === 0)
    throw new ValidationError('--knock', knocks, 'different ports')
  const steps = knocks.map((knock): SetSpec => ({ ...at, name: `at-${knock}`, key: 'ipv4_addr', flags: ['eval'], size: 65_536, timeoutMs }))
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

  await using nft = await Nftables.open()
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name: 'port-knocking', flags: ['owner'] }) // it goes with this process, however that ends
  for (const set of steps) tx.add.set(set)
  tx.add.chain({ ...at, name: 'input', hook: 'input' })
  const add = (...statements: RuleStatement[]): void => tx.add.rule({ ...at, chain: 'input', ...rule(...statements) })
  add(ct.state.anyOf('established', 'related'), accept())
  add(tcp.dport.eq(port), ip.saddr.in(steps.at(-1)!), accept())
  for (const [step, knock] of knocks.entries()) {
    const before = step === 0 ? [] : [ip.saddr.in(steps[step - 1]!)]
    add(tcp.dport.eq(knock), ...before, updateElement(steps[step]!, ip.saddr), drop())
  }
  add(meta.l4proto.eq('tcp'), ...steps.slice(0, -1).map((set) => deleteElement(set, ip.saddr)))
  add(tcp.dport.eq(port), drop())
  await tx.commit()
  console.log(`port ${port} is closed`)
  while (!stop.signal.aborted) await setTimeout(60_000, undefined, { signal: stop.signal }).catch(() => undefined) // aborted: a signal came
}

main().catch((error: unknown) => {
  process.exitCode = error instanceof TypeError ? 2 : 1 // of parseArgs, or a ValidationError
  console.error(error instanceof TypeError ? `${error.message.split('\n')[0]}; ${USAGE}` : (error as Error).message)
})
