import { createServer } from 'node:http'

/** A web server that answers with its name, and says from which address it was asked. Usage: demo-backend NAME PORT */
const [name = 'backend', port = '8080'] = process.argv.slice(2)

// Who keeps a connection may be silent on it for longer than Node's 5 seconds.
createServer({ keepAliveTimeout: 60_000 }, ({ socket }, response) => {
  response.setHeader('x-client', socket.remoteAddress?.replace('::ffff:', '') ?? '')
  response.end(name)
}).listen(Number(port), () => process.send?.('ready'))
// Without its parent it has nothing to serve for.
process.on('disconnect', () => process.exit())
