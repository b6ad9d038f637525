import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openPlane, readStateFile, type Service } from '../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../src/testing.js'

const web: Service = {
  name: 'web',
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
  endpoints: [{ address: '10.1.0.1', port: 8080 }]
}

it('a file that both modes have is kept, however its path is written', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-switch-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const stateFile = path.join(folder, 'services')
  const common = { kernel: { nftables: new FakeNftablesKernel() }, auditMs: 0 }
  const plane = await openPlane({ mode: 'nftables', stateFile: path.relative('.', stateFile), ...common })
  await plane.sync(new Map([[web.name, web]]))
  await plane.switchTo({ mode: 'iptables', stateFile, ...common })
  await plane.close()
  expect((await readStateFile(stateFile))?.size).toBe(1)
})
