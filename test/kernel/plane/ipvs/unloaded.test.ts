import { expect, it, onTestFinished } from 'vitest'
import { openPlane, UnsupportedError } from '../../../../src/index.js'
import { forbidIpvs, permitIpvs, unloadIpvs } from '../../../support/ipvs-module.js'
import { makeNamespace } from '../../../support/namespace.js'
import { servicesOn } from '../../../support/plane-ways.js'
import { rejection } from '../../../support/rejection.js'

/** No other test may run in this machine meanwhile. */
it('says which module is missing, at first and after it was unloaded, and serves again once it is loaded', async () => {
  onTestFinished(permitIpvs)
  const node = await makeNamespace()
  // Loads nf_tables, which is not to be missing too.
  await node.nft('list', 'ruleset')
  await forbidIpvs()
  await unloadIpvs()
  const open = () => openPlane({ mode: 'ipvs', netns: node.path, auditMs: 0, staleFlows: false })
  const missing = { missing: 'ip_vs', message: expect.stringContaining('modprobe ip_vs') as string }
  const first = await rejection(open())
  expect(first).toBeInstanceOf(UnsupportedError)
  expect(first).toMatchObject(missing)
  expect(await node.nft('list', 'ruleset')).toBe('')

  await permitIpvs()
  const plane = await open()
  onTestFinished(() => plane.close())
  await plane.sync(servicesOn(1, 2))
  const saved = await node.run('ipvsadm-save', ['-n'])
  // While it has virtual services the kernel keeps it.
  await node.run('ipvsadm', ['-C'])
  await forbidIpvs()
  await unloadIpvs()
  expect(await rejection(plane.sync(servicesOn(1, 2)))).toMatchObject(missing)
  await permitIpvs()
  await plane.sync(servicesOn(1, 2))
  expect(await node.run('ipvsadm-save', ['-n'])).toBe(saved)
  await plane.close({ cleanup: true })
})
