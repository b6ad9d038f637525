/**
 * A firewall for a container, written into the container's own network namespace: in comes what is allowed, the rest is refused, everything goes out.
 *
 *   node build/examples/container-firewall.js --netns $(podman inspect --format '{{.State.Pid}}' web) --allow tcp:8080 --allow udp:53
 *
 * It ends at once, as a hook of a container runtime should. The rules are what it leaves behind: they go with the container's namespace, or with `--remove`.
 * A second run replaces them in one transaction, and connections stay. It needs CAP_NET_ADMIN and CAP_SYS_ADMIN. The container can do without both.
 */
import { parseArgs } from 'node:util'
import { Nftables, ValidationError, type SetElement } from 'netplane'
import { accept, concat, counter, ct, meta, reject, rule, th, type RuleStatement } from 'netplane/nftables'

const USAGE = 'usage: container-firewall --netns PID|NAME|PATH [--allow PROTOCOL:PORT]… [--remove]'
const table = { family: 'inet', name: 'container-firewall' } as const
const at = { family: 'inet', table: table.name } as const
const allowed = { ...at, name: 'allowed', key: ['inet_proto', 'inet_service'] } as const
const options = {
  netns: { type: 'string' },
  allow: { type: 'string', multiple: true, default: [] as string[] },
  remove: { type: 'boolean', default: false }
} as const

function parseAllowed(text: string): SetElement {
  const [, protocol, port] = /^(tcp|udp|sctp):([1-9]\d*)$/.exec(text) ?? []
  if (protocol === undefined) throw new ValidationError('--allow', text, 'PROTOCOL:PORT, where PROTOCOL is tcp, udp or sctp')
  return { key: [protocol, Number(port)] }
}

async function main(): Promise<void> {
  const { netns, allow, remove } = parseArgs({ options }).values
  if (netns === undefined) throw new ValidationError('--netns', netns, 'a process, or the name or path of a network namespace')
  const elements = allow.map(parseAllowed)
  await using nft = await Nftables.open({ netns: /^\d+$/.test(netns) ? Number(netns) : netns })
  const tx = nft.transaction()
  tx.add.table(table) // so that there is one to delete
  tx.delete.table(table)
  if (!remove) {
    tx.add.table(table)
    tx.add.set(allowed)
    tx.add.elements(allowed, elements)
    tx.add.chain({ ...at, name: 'input', hook: 'input', policy: 'drop' })
    const add = (...statements: RuleStatement[]): void => tx.add.rule({ ...at, chain: 'input', ...rule(...statements) })
    add(ct.state.anyOf('established', 'related'), accept())
    add(meta.iifname.eq('lo'), accept())
    add(meta.l4proto.in(['icmp', 'icmpv6']), accept())
    add(concat(meta.l4proto, th.dport).in(allowed), accept())
    add(counter(), reject({ icmpx: 'admin-prohibited' }))
  }
  await tx.commit()
  console.log(remove ? 'removed' : `allowed: ${allow.join(' ') || 'nothing'}`)
}

main().catch((error: unknown) => {
  process.exitCode = error instanceof TypeError ? 2 : 1 // of parseArgs, or a ValidationError
  console.error(error instanceof TypeError ? `${error.message.split('\n')[0]}; ${USAGE}` : (error as Error).message)
})
