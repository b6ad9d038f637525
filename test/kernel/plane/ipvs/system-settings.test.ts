import { expect, it } from 'vitest'
import { type IpvsPlaneOptions, type Plane } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'
import { makeServiceNetwork, reachable, serve, tally } from '../../../support/service-network.js'
import { servicesOn, VIP } from '../../../support/plane-ways.js'

async function openIn({ path }: TestNamespace, options: IpvsPlaneOptions = {}): Promise<Plane> {
  return await openedPlane({ mode: 'ipvs', netns: path, auditMs: 0, staleFlows: false, ...options })
}

const FILES = ['vs/conntrack', 'vs/expire_nodest_conn', 'vs/expire_quiescent_template', 'vs/conn_reuse_mode', 'ip_forward']
const ARP = ['conf/all/arp_ignore', 'conf/all/arp_announce']

async function valuesIn(namespace: TestNamespace): Promise<string> {
  const files = [...FILES, ...ARP].map((name) => `/proc/sys/net/ipv4/${name}`)
  const values = (await namespace.run('cat', files)).trim().split('\n').join(' ')
  return `${values} ${(await namespace.run('ipvsadm', ['-L', '--timeout'])).trim()}`
}

const timeouts = (tcp: number, tcpFin: number, udp: number): string => `Timeout (tcp tcpfin udp): ${tcp} ${tcpFin} ${udp}`

it('sets what it needs, repairs what others change, and puts back what it found, in another process too', async () => {
  const node = await makeNamespace()
  // A new namespace has that of the initial one, which a test of the whole machine may have changed.
  await node.run('sh', ['-ec', 'echo 0 >/proc/sys/net/ipv4/ip_forward'])
  const options = { strictArp: true, timeouts: { tcpSeconds: 1800, udpSeconds: 60 } }
  const first = await openIn(node, { ...options, auditMs: 200 })
  // Opening loads IPVS, which has its settings from then on.
  const found = await valuesIn(node)
  expect(found).toBe(`0 0 0 1 0 0 0 ${timeouts(900, 120, 300)}`)
  // What it notes of the settings does not make it believe that others have changed something.
  expect((await first.sync(servicesOn(1))).details).toMatchObject({ retries: 0 })
  const needed = `1 1 1 1 1 1 2 ${timeouts(1800, 120, 60)}`
  expect(await valuesIn(node)).toBe(needed)

  const events = first.watch()
  await node.run('sh', ['-ec', 'echo 0 >/proc/sys/net/ipv4/vs/conntrack; ipvsadm --set 5 5 5'])
  let drift = ''
  for await (const event of events) {
    if (event.type === 'drift') drift = event.objects.join(', ')
    if (event.type === 'repaired') break
  }
  expect(drift).toMatch(/setting net\.ipv4\.vs\.conntrack is 0|setting time-out tcpSeconds of IPVS is 5/)
  await expect.poll(() => valuesIn(node), { timeout: 60_000 }).toBe(`1 1 1 1 1 1 2 ${timeouts(1800, 5, 60)}`)
  await first.close()

  const second = await openIn(node)
  await second.sync(servicesOn(1))
  expect(await valuesIn(node)).toBe(`1 1 1 1 1 0 0 ${timeouts(900, 5, 300)}`)
  await second.close({ cleanup: true })
  expect(await valuesIn(node)).toBe(`0 0 0 1 0 0 0 ${timeouts(900, 5, 300)}`)
  expect(await node.nft('list', 'ruleset')).toBe('')
})

/** Connects again and again from one source port. The server ends each connection first, so that the port is free at once, and IPVS remembers the connection for two minutes. */
const REUSING = `
import socket, sys, time
address, port, source, count, patience = sys.argv[1], *map(int, sys.argv[2:6])
for _ in range(count):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('', source)); s.settimeout(patience)
    try:
        s.connect((address, port)); answer = b''
        while part := s.recv(200): answer += part
        print(answer.decode().split()[0])
    except OSError as e: print(type(e).__name__)
    s.close(); time.sleep(0.1)
`

it('a connection that reuses the port of another one never meets an endpoint that is gone', async () => {
  const network = await makeServiceNetwork(2)
  const servers = await Promise.all(network.servers.map((host, index) => serve(host, `s${index + 1}`, 8080)))
  await reachable(network, 8080)
  const plane = await openIn(network.node)
  await plane.sync(servicesOn(1))
  const answers = async (): Promise<Record<string, number>> => {
    const output = await network.client.run('python3', ['-c', REUSING, VIP.ip, '80', '40000', '10', '20'], { timeoutMs: 240_000 })
    return tally(output.trim().split('\n'))
  }
  expect(await answers()).toEqual({ s1: 10 })
  // It drains: it has weight 0, and whatever comes to it is lost.
  await plane.update({ set: [...servicesOn(2).values()] })
  await servers[0]!.stop()
  expect(await answers()).toEqual({ s2: 10 })
})
