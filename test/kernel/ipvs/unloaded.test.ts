import { expect, it, onTestFinished } from 'vitest'
import { UnsupportedError, type NetlinkError } from '../../../src/core/errors.js'
import { Ipvs } from '../../../src/ipvs/client.js'
import { rejection } from '../../support/rejection.js'
import { forbidIpvs, permitIpvs, unloadIpvs } from '../../support/ipvs-module.js'
import { attempt } from '../../support/run.js'

const web = { protocol: 'tcp', address: '10.96.0.1', port: 80 } as const

/** No other test may run in this machine meanwhile. */
it('a kernel without ip_vs is named, with what to do; once it is loaded, clients that were open go on', async () => {
  onTestFinished(permitIpvs)
  await using ipvs = await Ipvs.open()
  await ipvs.sync([{ ...web, scheduler: 'rr' }])
  await ipvs.flush({ allServices: true })
  await forbidIpvs()
  await unloadIpvs()
  const calls = {
    open: () => Ipvs.open(),
    list: () => ipvs.list(),
    add: () => ipvs.addService(web),
    sync: () => ipvs.sync([web]),
    info: () => ipvs.readInfo()
  }
  for (const [name, call] of Object.entries(calls)) {
    const error = await rejection(call())
    expect([name, error instanceof UnsupportedError]).toEqual([name, true])
    expect(error).toMatchObject({ missing: 'ip_vs', message: expect.stringContaining('modprobe ip_vs') as string })
  }
  // Loaded again it has another number in generic netlink.
  await permitIpvs()
  await ipvs.addService({ ...web, scheduler: 'rr' })
  expect(await ipvs.listServices()).toMatchObject([{ ...web, scheduler: 'rr' }])
  await ipvs.flush({ allServices: true })
})

it('root of another user namespace is told that it is not enough', async () => {
  const script = `import('./dist/index.js').then(({ Ipvs }) => Ipvs.open().then((ipvs) => ipvs.list())).catch(({ code, hint }) => console.log(JSON.stringify({ code, hint })))`
  const { stdout } = await attempt('unshare', ['--user', '--map-root-user', '--net', process.execPath, '-e', script], { timeoutMs: 60_000 })
  const error = JSON.parse(stdout) as Pick<NetlinkError, 'code' | 'hint'>
  expect(error.code).toBe('EPERM')
  expect(error.hint).toContain('initial user namespace')
})
