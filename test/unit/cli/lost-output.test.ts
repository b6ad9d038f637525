import { expect, test } from 'vitest'
import { Conntrack } from '../../../src/index.js'
import { command, fakeKernel, KeptStream } from '../../support/command.js'

const SERVICES = `services:
  - name: web
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints:
      - { address: 10.1.0.1, port: 8080 }
      - { address: 10.1.0.2, port: 8080 }
`

/** Standard output that takes nothing. */
function lost(code: 'EPIPE' | 'ENOSPC'): KeptStream {
  const stdout = new KeptStream()
  stdout.fault = Object.assign(new Error(`write ${code}`), { code })
  return stdout
}

test.each([
  [['apply', '-'], 'the services were applied: 1 service added, 0 changed, 0 removed'],
  [['switch', 'nftables', '-'], 'all services are carried by nftables']
])('%j says that it did its work where its answer is lost', async (args, did) => {
  const kernel = fakeKernel()
  const { status, stderr } = await command(args, { kernel, stdin: SERVICES, stdout: lost('ENOSPC') })
  expect({ status, stderr }).toEqual({
    status: 3,
    stderr: `netplane: standard output cannot be written: write ENOSPC; all the same, ${did}\n`
  })
  expect((await command(['plan', '-'], { kernel, stdin: SERVICES })).stdout).toContain('nothing is to be done')
  const cleanup = await command(['cleanup', '--mode', 'nftables'], { kernel, stdout: lost('ENOSPC') })
  expect(cleanup.stderr).toMatch(/; all the same, what planes had made was removed \(2 objects\)\n$/)
  expect((await command(['cleanup', '--mode', 'nftables'], { kernel })).stdout).toBe('nftables: nothing was there\n')
})

test('a plan has changed nothing, and says nothing of it', async () => {
  const { status, stderr } = await command(['plan', '-'], { stdin: SERVICES, stdout: lost('ENOSPC') })
  expect({ status, stderr }).toEqual({ status: 3, stderr: 'netplane: standard output cannot be written: write ENOSPC\n' })
})

test('a drain goes on where its reader has seen enough, and its status says whether connections are left', async () => {
  const kernel = fakeKernel()
  await command(['apply', '-'], { kernel, stdin: SERVICES })
  await using conntrack = await Conntrack.open({ kernel: kernel.conntrack })
  await conntrack.add({
    ...{ protocol: 'tcp', timeoutSeconds: 1000, state: 'established' },
    original: { source: '192.0.2.9', destination: '10.96.0.1', sourcePort: 1, destinationPort: 80 },
    destinationNat: { first: '10.1.0.1', firstPort: 8080 }
  })
  const args = ['drain', '-', '10.1.0.1:8080', '--timeout', '0.2']
  expect(await command(args, { kernel, stdin: SERVICES, stdout: lost('EPIPE') })).toMatchObject({ status: 1, stderr: '' })
  const full = await command(args, { kernel, stdin: SERVICES, stdout: lost('ENOSPC') })
  expect(full.status).toBe(3)
  expect(full.stderr).toContain('; all the same, the endpoints drain, with 1 connection left\n')
  expect((await command(['plan', '-'], { kernel, stdin: SERVICES })).stdout).toContain('+ endpoint 10.1.0.1:8080')
})
