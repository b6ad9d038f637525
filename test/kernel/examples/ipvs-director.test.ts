import { describe, expect, it } from 'vitest'
import { endExample, expectRefused, startExample } from '../../support/example-program.js'
import { addressOf, ask, makeServingNetwork, tally } from '../../support/service-network.js'

const VIP = '10.96.0.1'

describe('ipvs director', () => {
  it('leads clients to real servers, which answer them for the virtual address, and leaves nothing behind', async () => {
    const { node, client, servers } = await makeServingNetwork(2)
    // Answers come by way of the node here, from an address that is its own.
    await node.run('sh', [
      '-c',
      'cd /proc/sys/net/ipv4/conf; for f in all default host1 host2; do echo 1 >$f/accept_local; echo 0 >$f/rp_filter; done'
    ])
    for (const server of servers) {
      await server.ip('address', 'add', `${VIP}/32`, 'dev', 'lo')
      await server.run('sh', ['-c', 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done'])
    }
    const args = ['--vip', `${VIP}:8080`, '--server', addressOf.ip(1), '--server', `${addressOf.ip(2)}=3`, '--scheduler', 'wrr']
    const program = await startExample(node, 'ipvs-director', 'leads to', ...args)
    expect(tally(await ask(client, 'tcp', VIP, 8080, 8))).toEqual({ s1: 2, s2: 6 })
    expect(await node.run('ipvsadm', ['-Sn'])).toBe(
      [`-A -t ${VIP}:8080 -s wrr`, `-a -t ${VIP}:8080 -r 10.1.1.2:8080 -g -w 1`, `-a -t ${VIP}:8080 -r 10.1.2.2:8080 -g -w 3`, ''].join(
        '\n'
      )
    )
    await endExample(program)
    expect(await node.run('ipvsadm', ['-Sn'])).toBe('')
    expect(await node.ip('-o', 'address', 'show', 'to', VIP)).toBe('')
    expect(program.output()).toMatch(/10\.1\.2\.2: \d+ active and \d+ inactive connections/)
  })

  it('keeps an address that was there before, and takes over what a run that was killed has left', async () => {
    const { node } = await makeServingNetwork(0)
    await node.ip('address', 'add', `${VIP}/32`, 'dev', 'lo')
    const killed = await startExample(node, 'ipvs-director', 'leads to', '--vip', `${VIP}:80`, '--server', '10.1.0.9')
    await killed.stop('SIGKILL')
    const program = await startExample(node, 'ipvs-director', 'leads to', '--vip', `${VIP}:80`, '--server', '10.1.0.8')
    expect(await node.run('ipvsadm', ['-Sn'])).toBe(`-A -t ${VIP}:80 -s wlc\n-a -t ${VIP}:80 -r 10.1.0.8:80 -g -w 1\n`)
    await endExample(program, 'SIGINT')
    expect(await node.run('ipvsadm', ['-Sn'])).toBe('')
    expect(await node.ip('-o', 'address', 'show', 'to', VIP)).toContain(VIP)
  })

  it('refuses bad arguments', async () => {
    await expectRefused('ipvs-director', ['--vip', VIP], '--vip is')
    await expectRefused('ipvs-director', ['--vip', `${VIP}:80`], '--server is')
    await expectRefused('ipvs-director', ['--vip', `${VIP}:80`, '--server', '10.1.0.9=x'], 'weight')
    await expectRefused('ipvs-director', ['--vip', `${VIP}:99999`, '--server', '10.1.0.9'], 'port')
  })
})
