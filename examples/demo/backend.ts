import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'

/** A server that answers with its name, over HTTP also from which address it was asked. Usage: demo-backend NAME PORT; PORT is that of TCP and of UDP. */
const [name = 'backend', port = '8080'] = process.argv.slice(2)

// Who keeps a connection may be silent on it for longer than Node's 5 seconds.
const web = createServer({ keepAliveTimeout: 60_000 }, ({ socket }, response) => {
  response.setHeader('x-client', socket.remoteAddress?.replace('::ffff:', '') ?? '')
  response.end(name)
}).listen(Number(port))
const datagrams = createSocket('udp4')
datagrams.on('message', (_, { address, port: from }) => datagrams.send(name, from, address)).bind(Number(port))
void Promise.all([once(web, 'listening'), once(datagrams, 'listening')]).then(() => process.send?.('ready'))
// Without its parent it has nothing to serve for.
process.on('disconnect', () => process.exit())
