import { expect, test } from 'vitest'
import { Nftables } from '../../../src/index.js'
import { command, fakeKernel } from '../../support/command.js'

const SERVICES = `services:
  - name: web
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints: [{ address: 10.1.0.1, port: 8080 }]
`

test.each([[['apply', '-']], [['drain', '-', '10.1.0.1:8080']], [['cleanup']]])(
  '%j says that tables belong to a process that is running, and changes nothing',
  async (args) => {
    const kernel = fakeKernel()
    await using nft = await Nftables.open({ kernel: kernel.nftables })
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'netplane', comment: 'netplane services 2', flags: ['owner'] })
    await tx.commit()
    const { id } = await nft.readGeneration()
    const { status, stderr } = await command(args, { stdin: SERVICES, kernel })
    expect(status).toBe(3)
    expect(stderr).toContain(
      `table ip netplane belongs to a process that is running (its socket has port ${nft.portId}): end that process first; nothing was changed\n`
    )
    expect((await nft.readGeneration()).id).toBe(id)
    expect((await command(['plan', '-'], { stdin: SERVICES, kernel })).stderr).toBe(
      `netplane: table ip netplane belongs to a process that is running (its socket has port ${nft.portId}): apply changes nothing before that process has ended\n`
    )
    // Other modes have tables of their own.
    expect(await command(['apply', '-', '--mode', 'iptables'], { stdin: SERVICES, kernel })).toMatchObject({ status: 0 })
  }
)
