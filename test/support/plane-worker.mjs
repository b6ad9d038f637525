// Syncs random services over and over, until it is killed. Usage: plane-worker.mjs SEED [LARGE]
// With LARGE each sync has another number of them, up to LARGE: sets that declare their size grow.
import { openPlane } from 'netplane'

let state = Number(process.argv[2])
const below = (limit) => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return (state >>> 8) % limit
}

function randomServices() {
  const services = new Map()
  for (let number = 0; number < 50; number++) {
    if (below(5) === 0) continue
    const endpoints = Array.from({ length: below(6) }, (_, host) => ({ address: `10.1.${below(4)}.${host + 1}`, port: 8080 }))
    const name = `service-${number}`
    services.set(name, { name, protocol: 'tcp', frontends: [{ kind: 'cluster', address: `10.96.0.${number + 1}`, port: 80 }], endpoints })
  }
  return services
}

function manyServices(most) {
  const address = (second, number) => `10.${second}.${number >> 8}.${number & 255}`
  return new Map(
    Array.from({ length: below(most) }, (_, number) => {
      const endpoints = [1, 2].map((port) => ({ address: address(1, number), port }))
      return [
        `many-${number}`,
        { name: `many-${number}`, protocol: 'tcp', frontends: [{ kind: 'cluster', address: address(97, number), port: 80 }], endpoints }
      ]
    })
  )
}

const most = Number(process.argv[3] ?? 0)
const plane = await openPlane({ mode: 'nftables', auditMs: 0 })
console.log('ready')
for (;;) await plane.sync(most > 0 ? manyServices(most) : randomServices())
