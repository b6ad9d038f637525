import type { TestNamespace } from './namespace.js'

/** Sends one datagram, or opens one connection that stays, from a source port that is always the same, as a resolver or a media stream does. */
const DATAGRAM = `
import socket, sys
address, port, source, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
family = socket.AF_INET6 if ':' in address else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', source)); s.settimeout(patience)
try:
    s.connect((address, port)); s.send(b'x'); print(s.recv(200).decode().split()[0])
except OSError as e: print(type(e).__name__)
`

/** Who answered a datagram from this source port (the server's name), or the name of the error: `timeout` where nobody did. */
export async function sendFrom(
  client: TestNamespace,
  source: number,
  target: { readonly address: string; readonly port: number },
  patienceSeconds = 0.6
): Promise<string> {
  const args = ['-c', DATAGRAM, target.address, String(target.port), String(source), String(patienceSeconds)]
  const name = (await client.run('python3', args)).trim()
  return name === 'TimeoutError' ? 'timeout' : name
}
