import { expect, it, onTestFinished, vi } from 'vitest'
import { openPlane, type Service } from '../../../../src/index.js'
import * as accepting from '../../../../src/ipvs/service-rows.js'
import * as compiling from '../../../../src/nftables/rule/compile.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../../../src/testing.js'

vi.mock('../../../../src/nftables/rule/compile.js', { spy: true })

const services = new Map<string, Service>(
  ['web', 'dns'].map((name, index) => [
    name,
    {
      name,
      protocol: 'tcp',
      frontends: [{ kind: 'cluster', address: `10.96.0.${index + 1}`, port: 80 }],
      endpoints: [{ address: '10.1.0.1', port: 8080 }]
    }
  ])
)

it('rules are compiled with the first call, and services are encoded when they are accepted: what reads the kernel afterwards does neither', async () => {
  const put = vi.spyOn(accepting.ServiceWriter.prototype, 'put')
  const kernel = { ipvs: new FakeIpvsKernel(), nftables: new FakeNftablesKernel(), route: new FakeRouteKernel() }
  const open = async () => {
    const plane = await openPlane({ mode: 'ipvs', kernel, auditMs: 0 })
    onTestFinished(() => plane.close())
    return plane
  }
  const first = await open()
  const compile = vi.mocked(compiling.compileRule)
  await first.sync(services)
  expect(compile).toHaveBeenCalled()
  compile.mockClear()
  expect(put).toHaveBeenCalledTimes(services.size)
  // It reads the kernel, as an audit does.
  await first.plan(services)
  expect(put).toHaveBeenCalledTimes(services.size)
  expect(compile).not.toHaveBeenCalled()

  const second = await open()
  await second.sync(services)
  compile.mockClear()
  await second.plan(services)
  expect(compile).not.toHaveBeenCalled()
})
