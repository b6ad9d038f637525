import { expect, it } from 'vitest'
import { makeRelayNetwork, openRelayPlane } from '../../../support/relay-plane.js'
import { addressOf } from '../../../support/service-network.js'
import { VIP } from '../../../support/plane-ways.js'

/** Reads a header of the PROXY protocol as its specification says, and answers what it says and what comes behind it. */
const SERVER = `
import socket, struct
s = socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('::', 8090)); s.listen(8)
print('ready', flush=True)
def take(c, n):
    data = b''
    while len(data) < n: data += c.recv(n - len(data))
    return data
while True:
    c, _ = s.accept()
    signature, command, family, length = struct.unpack('!12sBBH', take(c, 16))
    rest = take(c, length)
    size, af = {0x11: (4, socket.AF_INET), 0x21: (16, socket.AF_INET6)}[family]
    source, destination, sport, dport = struct.unpack(f'!{size}s{size}sHH', rest)
    parts = [signature.hex(), hex(command), socket.inet_ntop(af, source), sport, socket.inet_ntop(af, destination), dport, c.recv(100).decode()]
    c.sendall(' '.join(map(str, parts)).encode()); c.close()
`

/** Says hello from a port of its own choice. */
const CLIENT = `
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET); s.bind(('', int(sys.argv[3]))); s.settimeout(5)
s.connect((sys.argv[1], int(sys.argv[2]))); s.sendall(b'hello'); print(s.recv(500).decode())
`

const SIGNATURE = '0d0a0d0a000d0a515549540a'

it('tells a server of the client and of the frontend, in both families', async () => {
  const network = await makeRelayNetwork(1)
  await network.servers[0]!.background('python3', ['-c', SERVER]).waitFor('ready')
  const plane = await openRelayPlane(network, { proxyProtocol: true })
  const families = ['ip', 'ip6'] as const
  await plane.sync(
    new Map([
      [
        'web',
        {
          name: 'web',
          protocol: 'tcp',
          frontends: [
            ...families.map((family) => ({ kind: 'cluster' as const, address: VIP[family], port: 80 })),
            { kind: 'node', port: 30080 }
          ],
          endpoints: families.map((family) => ({ address: addressOf[family](1), port: 8090 }))
        }
      ]
    ])
  )
  const said = async (address: string, port: number, from: number): Promise<string> =>
    (await network.client.run('python3', ['-c', CLIENT, address, String(port), String(from)])).trim()
  const [client, client6] = [addressOf.ip(0), 'fd00:1::2']
  expect(await said(VIP.ip, 80, 4001)).toBe(`${SIGNATURE} 0x21 ${client} 4001 ${VIP.ip} 80 hello`)
  expect(await said(VIP.ip6, 80, 4002)).toBe(`${SIGNATURE} 0x21 ${client6} 4002 ${VIP.ip6} 80 hello`)
  expect(await said('10.1.0.1', 30080, 4003)).toBe(`${SIGNATURE} 0x21 ${client} 4003 0.0.0.0 30080 hello`)
  expect(await said('fd00:1:0::1', 30080, 4004)).toBe(`${SIGNATURE} 0x21 ${client6} 4004 :: 30080 hello`)
  // What the header takes is not the client's.
  const { connections, traffic } = (await plane.counters()).get('web')!
  expect({ connections, bytes: traffic?.incomingBytes }).toEqual({ connections: 4n, bytes: 20n })
})
