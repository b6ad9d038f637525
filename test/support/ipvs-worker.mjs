// Syncs random virtual services over and over, until it is killed. Usage: ipvs-worker.mjs SEED
import { Ipvs } from 'netplane'

let state = Number(process.argv[2])
const below = (limit) => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return (state >>> 8) % limit
}

function randomServices() {
  return Array.from({ length: 40 }, (_, number) => ({
    protocol: 'tcp',
    address: `10.96.0.${number + 1}`,
    port: 80,
    scheduler: ['rr', 'wrr', 'sh'][below(3)],
    realServers: Array.from({ length: below(6) }, (__, host) => ({ address: `10.1.${below(4)}.${host + 1}`, port: 8080, weight: below(5) }))
  })).filter(() => below(5) > 0)
}

const ipvs = await Ipvs.open()
console.log('ready')
for (;;) await ipvs.sync(randomServices(), { owns: ['10.96.0.0/16'], draining: { tcp: 'at-once' } })
