import { createServer } from 'node:http'

/** A web server that answers with its name. Usage: demo-backend NAME PORT */
const [name = 'backend', port = '8080'] = process.argv.slice(2)

createServer((_, response) => {
  response.writeHead(200, { connection: 'close' }).end(name)
}).listen(Number(port), () => process.send?.('ready'))
// Without its parent it has nothing to serve for.
process.on('disconnect', () => process.exit())
