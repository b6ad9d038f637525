import { describe, expect, test } from 'vitest'
import { Nftables } from '../../../src/index.js'
import { FakeIpvsKernel } from '../../../src/testing.js'
import { command, fakeKernel, type CommandOptions, type CommandResult } from '../../support/command.js'

const SERVICES = `services:
  - name: web
    protocol: tcp
    frontends: [{ kind: cluster, address: 10.96.0.1, port: 80 }]
    endpoints: [{ address: 10.1.0.1, port: 8080 }]
`

const run = (args: string[], stdin: string, options: CommandOptions = {}): Promise<CommandResult> =>
  command([...args, '-'], { stdin, ...options })

describe('cleanup', () => {
  test('removes what all modes have made, and says so in JSON', async () => {
    const kernel = fakeKernel()
    for (const mode of ['nftables', 'ipvs', 'iptables']) await run(['apply', '--mode', mode], SERVICES, { kernel })
    const { status, stdout } = await command(['cleanup', '-o', 'json'], { kernel })
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      modes: [
        { mode: 'nftables', removed: ['table ip netplane', 'table ip6 netplane'] },
        { mode: 'ipvs', removed: expect.arrayContaining(['link netplane', 'table ip netplane-ipvs']) as unknown },
        { mode: 'iptables', removed: expect.arrayContaining(['table ip nat']) as unknown },
        { mode: 'userspace', removed: [] }
      ]
    })
    const nft = await Nftables.open({ kernel: kernel.nftables })
    expect(await nft.listTables()).toEqual([])
    await nft.close()
  })

  test('removes the note of a switch that was interrupted', async () => {
    const kernel = fakeKernel()
    const nft = await Nftables.open({ kernel: kernel.nftables })
    const [table, set] = ['netplane-switch-userspace-netplane', 'planes']
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: table, comment: 'netplane switch' })
    tx.add.set({ family: 'ip', table, name: set, key: 'inet_service' })
    const noted = ['userspace netplane', 'iptables']
    tx.add.elements(
      { family: 'ip', table, name: set, key: 'inet_service' },
      noted.map((comment, key) => ({ key, comment }))
    )
    await tx.commit()
    const { status } = await command(['cleanup', '--mode', 'userspace'], { kernel })
    expect(status).toBe(0)
    expect(await nft.listTables()).toEqual([])
    await nft.close()
  })

  test('leaves mode iptables, which has no names, alone where a name is given', async () => {
    const kernel = fakeKernel()
    await run(['apply', '--mode', 'iptables'], SERVICES, { kernel })
    await run(['apply', '--name', 'staging'], SERVICES, { kernel })
    const { status, stdout } = await command(['cleanup', '--name', 'staging'], { kernel })
    expect(status).toBe(0)
    expect(stdout.split('\n')).toEqual([
      'nftables: removed table ip staging, table ip6 staging',
      'ipvs: nothing was there',
      'iptables: left alone, since planes of this mode have no names',
      'userspace: nothing was there',
      ''
    ])
    const told = JSON.parse((await command(['cleanup', '--name', 'staging', '-o', 'json'], { kernel })).stdout) as { modes: object[] }
    expect(told.modes[2]).toMatchObject({ mode: 'iptables', removed: [], skipped: expect.stringContaining('no names') as string })
    expect(await command(['cleanup', '--mode', 'iptables', '--name', 'staging'], { kernel })).toMatchObject({ status: 2, stdout: '' })
    expect((await command(['cleanup'], { kernel })).stdout).toMatch(/^iptables: removed .*table ip nat/m)
  })

  test('goes on where no plane of some modes can have the name', async () => {
    const kernel = fakeKernel()
    const name = 'a-name-of-more-than-twenty'
    await run(['apply', '--name', name], SERVICES, { kernel })
    const { status, stdout, stderr } = await command(['cleanup', '--name', name], { kernel })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain(
      `nftables: removed table ip ${name}, table ip6 ${name}\nipvs: left alone, since no plane of this mode can have that name`
    )
  })

  test('says which chains stay, as rules of another program lead to them, and takes them away later', async () => {
    const kernel = fakeKernel()
    await run(['apply', '--mode', 'iptables'], SERVICES, { kernel })
    await using nft = await Nftables.open({ kernel: kernel.nftables })
    const theirs = { family: 'ip', table: 'nat' } as const
    const tx = nft.transaction()
    tx.add.chain({ ...theirs, name: 'MYCH' })
    const data = { verdict: 'jump', chain: 'KUBE-SERVICES' } as const
    tx.add.rule({ ...theirs, chain: 'MYCH', expressions: [{ type: 'immediate', destinationRegister: 0, data }] })
    await tx.commit()
    const done = await command(['cleanup', '--mode', 'iptables'], { kernel })
    expect(done).toMatchObject({ status: 3, stdout: expect.stringMatching(/^iptables: removed /) as string })
    expect(done.stderr).toBe('netplane: iptables: chain ip nat KUBE-SERVICES stays, without rules, as one of another program leads to it\n')
    expect(await command(['cleanup', '--mode', 'iptables'], { kernel })).toMatchObject({
      status: 0,
      stdout: 'iptables: nothing was there\n'
    })
    // It is nobody's, and a plane takes it.
    expect(await run(['apply', '--mode', 'iptables'], SERVICES, { kernel })).toMatchObject({ status: 0 })
    const end = nft.transaction()
    end.delete.chain({ ...theirs, name: 'MYCH' })
    await end.commit()
    expect(await command(['cleanup', '--mode', 'iptables'], { kernel })).toMatchObject({ status: 0, stderr: '' })
    expect(await nft.listTables()).toEqual([])
  })

  test('has nothing to say of IPVS where the kernel has none and nothing was left', async () => {
    const kernel = fakeKernel({ ipvs: new FakeIpvsKernel({ supported: false }) })
    expect((await command(['cleanup'], { kernel })).status).toBe(0)
    expect((await command(['cleanup', '--mode', 'ipvs'], { kernel })).status).toBe(5)
    await run(['apply', '--mode', 'ipvs'], SERVICES, { kernel: { ...kernel, ipvs: new FakeIpvsKernel() } })
    expect((await command(['cleanup'], { kernel })).status).toBe(5)
  })
})
