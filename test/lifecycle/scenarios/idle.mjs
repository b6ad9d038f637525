// A drainer keeps the process alive while real servers drain, and at no other time; an open plane never does.
import assert from 'node:assert/strict'
import { Ipvs, openPlane } from '../../../dist/index.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../dist/testing.js'

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 }
const real = { address: '10.1.0.1', port: 8080 }

/** A plane of which nothing is asked any more, although one of its real servers drains. */
async function leavePlane() {
  const kernels = { ipvs: new FakeIpvsKernel(), nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  const plane = await openPlane({ mode: 'ipvs', kernel: kernels })
  const frontends = [{ kind: 'cluster', address: web.address, port: web.port }]
  const service = { name: 'web', protocol: 'tcp', frontends, endpoints: [real] }
  await plane.sync(new Map([['web', service]]))
  kernels.ipvs.setConnections(web, real, { active: 1 })
  await plane.sync(new Map([['web', { ...service, endpoints: [] }]]))
}

const kernel = new FakeIpvsKernel()
const ipvs = await Ipvs.open({ kernel })
const drainer = ipvs.startDrainer({ intervalMs: 20 })
const events = []
const consume = async () => {
  for await (const { type } of drainer) events.push(type)
}
void consume()
void ipvs.startDrainer({ intervalMs: 20, ref: false })
await leavePlane()

// The process has nothing left to wait for: once while nothing drains, and once more when what drained has gone.
process.once('beforeExit', () => {
  assert.deepEqual(events, [])
  void drain()
})

async function drain() {
  await ipvs.sync([{ ...web, realServers: [real] }])
  kernel.setConnections(web, real, { active: 1 })
  await ipvs.sync([{ ...web, draining: { deadlineSeconds: 0.2 } }])
  process.once('beforeExit', () => {
    assert.deepEqual(events, ['draining', 'removed'])
    console.log('ok')
  })
}
