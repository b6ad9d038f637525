// The proxy on the API of a real cluster, which it reads from this machine; what it writes goes into a network namespace of its own, and ends with the demo.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'

const proxy = path.resolve(import.meta.dirname, '../../build/examples/proxy.js')

/** A process in a new network namespace, which lives as long as it does. Ctrl-C is for the demo alone. */
async function openNamespace() {
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true
  })
  await once(holder.stdout, 'data')
  return holder
}

/** What a line of the log says, in words; undefined: nothing that is told here. */
function told({ msg, address, services, durationMs, quarantined = [], err }) {
  if (msg === 'listening') return `The page: http://${address}/ui; Ctrl-C ends the demo`
  if (msg === 'synced') {
    const counts = ['added', 'changed', 'removed'].filter((word) => services[word] > 0).map((word) => `${services[word]} ${word}`)
    const aside = quarantined.length === 0 ? '' : `; set aside: ${quarantined.map(({ service }) => service).join(', ')}`
    return `Services: ${counts.join(', ')}, in ${durationMs.toFixed(1)} ms${aside}`
  }
  return err === undefined ? undefined : `${msg}: ${err.message}`
}

/**
 * @param {string} kubeconfig
 * @returns {Promise<number>} the demo's exit status
 */
export async function playOnCluster(kubeconfig) {
  if (process.getuid() !== 0) {
    console.error('the demo on a cluster needs root: the proxy writes into a network namespace that it is not in')
    return 1
  }
  const holder = await openNamespace()
  const words = ['--kubeconfig', kubeconfig, '--netns', String(holder.pid), '--listen', '127.0.0.1:0', '--ui', '--counters', '--cleanup']
  const child = spawn(process.execPath, [proxy, ...words], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => child.kill('SIGTERM'))
  createInterface({ input: child.stdout }).on('line', (line) => {
    const text = told(JSON.parse(line))
    if (text !== undefined) console.log(text)
  })
  const [status] = await once(child, 'close')
  holder.kill('SIGKILL')
  return status ?? 1
}
