import { describe, expect, it } from 'vitest'
import { endExample, expectRefused, programOf, startExample } from '../../support/example-program.js'
import { isOlderThan } from '../../support/kernel-version.js'
import type { TestNamespace } from '../../support/namespace.js'
import { ask, makeServiceNetwork, serve } from '../../support/service-network.js'

const NODE = '10.1.0.1'

/** Tries ports in turn, without waiting for answers. */
const KNOCK = `
import socket, sys
for port in sys.argv[2:]:
    s = socket.socket(); s.setblocking(False); s.connect_ex((sys.argv[1], int(port))); s.close()
`

/** Answers one connection for as long as it lasts, and others after it. */
const ECHO = `
import socket
s = socket.create_server(('', 22)); print('ready', flush=True)
while True:
    c, _ = s.accept()
    while data := c.recv(9): c.sendall(data)
`

/** Knocks, connects, waits until no other connection is let in, and uses its own once more. */
const OUTLIVE = `${KNOCK}
def use(c): c.sendall(b'x'); assert c.recv(9) == b'x'
c = socket.create_connection((sys.argv[1], 22), 5); use(c); print('in')
while True:
    try: socket.create_connection((sys.argv[1], 22), 0.5).close()
    except TimeoutError: break
print('closed'); use(c); print('still in')
`

async function knock(from: TestNamespace, ...ports: readonly number[]): Promise<void> {
  await from.run('python3', ['-c', KNOCK, NODE, ...ports.map(String)])
}

/** Whether a connection to the closed port is answered. */
async function isLetIn(from: TestNamespace): Promise<boolean> {
  const script = `import socket; socket.create_connection(('${NODE}', 22), 1).recv(9)`
  return (await from.attempt('python3', ['-c', script])).status === 0
}

const args = (seconds: number): string[] => [
  '--port',
  '22',
  '--knock',
  '7000',
  '--knock',
  '9000',
  '--knock',
  '8000',
  '--seconds',
  String(seconds)
]

describe('port knocking', () => {
  it('lets in who knocks at the ports in their order, and nobody else', async () => {
    const { node, client, servers } = await makeServiceNetwork(1)
    if (isOlderThan('5.12')) {
      const { status, stderr } = await node.attempt(process.execPath, [programOf('port-knocking'), ...args(60)])
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('needs Linux 5.12') as string })
      return
    }
    await serve(node, 'node', 22)
    expect(await isLetIn(client)).toBe(true)
    const program = await startExample(node, 'port-knocking', 'port 22 is closed', ...args(600))
    expect(await isLetIn(client)).toBe(false)
    // Too few, in another order, with a wrong port between them, and as a scan of ports does.
    for (const ports of [
      [7000, 9000],
      [9000, 7000, 8000],
      [7000, 9000, 8001, 8000],
      [7000, 7001, 8000, 8001, 9000, 9001]
    ]) {
      await knock(client, ...ports, 1)
      expect({ ports, isLetIn: await isLetIn(client) }).toEqual({ ports, isLetIn: false })
    }
    await knock(client, 7000, 9000, 8000)
    expect(await isLetIn(client)).toBe(true)
    expect(await isLetIn(servers[0]!)).toBe(false)
    // Other ports are as they were.
    expect(await ask(servers[0]!, 'tcp', NODE, 23, 1)).toEqual(['ConnectionRefusedError'])

    await endExample(program)
    expect(await node.nft('list', 'ruleset')).toBe('')
    expect(await isLetIn(servers[0]!)).toBe(true)
  })

  it('closes the port again after a time, and connections go on', async () => {
    if (isOlderThan('5.12')) return
    const { node, client } = await makeServiceNetwork(0)
    const echo = node.background('python3', ['-c', ECHO])
    await echo.waitFor('ready')
    const program = await startExample(node, 'port-knocking', 'is closed', ...args(2))
    expect(await client.run('python3', ['-c', OUTLIVE, NODE, '7000', '9000', '8000'])).toBe('in\nclosed\nstill in\n')
    await endExample(program, 'SIGINT')
  })

  it.each([
    [[], '--port is'],
    [['--port', '22'], '--knock is'],
    [['--port', '22', '--knock', '22'], '--knock is'],
    [['--port', '22', '--knock', '7000', '--knock', '7000'], '--knock is'],
    [['--port', '0', '--knock', '7000'], '--port is "0"'],
    [['--port', '22', '--knock', '7000', '--seconds', '1.5'], '--seconds is "1.5"']
  ])('refuses %j', async (given, problem) => {
    await expectRefused('port-knocking', given, problem)
  })
})
