// Syncs random services over and over, until it is killed. Usage: plane-worker.mjs MODE[,MODE] SEED [LARGE]
// With two modes it begins with the first, and also switches between them.
// With LARGE each sync has another number of services, up to LARGE: sets that declare their size grow.
import { openPlane } from 'netplane'

const [modes, seed, large = '0'] = process.argv.slice(2)

let state = Number(seed)
const below = (limit) => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return (state >>> 8) % limit
}

/** Services that are always the same: for new connections, and for those that are kept. */
function lastingServices() {
  const on = (name, port, target) => ({
    name,
    protocol: 'tcp',
    frontends: ['10.96.0.1', 'fd00:96::1'].map((address) => ({ kind: 'cluster', address, port })),
    endpoints: [1, 2].flatMap((host) => [`10.1.${host}.2`, `fd00:1:${host}::2`].map((address) => ({ address, port: target })))
  })
  return [on('web', 80, 8080), on('talk', 81, 81)]
}

function randomServices() {
  const services = lastingServices()
  for (let number = 0; number < 50; number++) {
    if (below(5) === 0) continue
    const endpoints = Array.from({ length: below(6) }, (_, host) => ({ address: `10.1.${below(4)}.${host + 11}`, port: 8080 }))
    const name = `service-${number}`
    const frontends = [{ kind: 'cluster', address: `10.96.0.${number + 2}`, port: 80 }]
    if (below(5) === 0) frontends.push({ kind: 'node', port: 30_000 + number })
    services.push({ name, protocol: below(2) === 0 ? 'tcp' : 'udp', frontends, endpoints })
  }
  return services
}

function manyServices(most) {
  const address = (second, number) => `10.${second}.${number >> 8}.${number & 255}`
  const services = lastingServices()
  for (let number = below(most); number > 0; number--) {
    const endpoints = [1, 2].map((port) => ({ address: address(2, number), port }))
    const frontends = [{ kind: 'cluster', address: address(97, number), port: 80 }]
    services.push({ name: `many-${number}`, protocol: 'tcp', frontends, endpoints })
  }
  return services
}

const most = Number(large)
const names = modes.split(',')
const optionsOf = (mode) => ({ mode, auditMs: 0 })
let [mode] = names
const plane = await openPlane(optionsOf(mode))
console.log('ready')
for (;;) {
  const services = most > 0 ? manyServices(most) : randomServices()
  const { quarantined } = await plane.sync(new Map(services.map((service) => [service.name, service])))
  if (quarantined.length > 0) throw quarantined[0].error
  if (names.length === 1 || below(2) === 0) continue
  mode = names[(names.indexOf(mode) + 1) % names.length]
  await plane.switchTo(optionsOf(mode))
}
