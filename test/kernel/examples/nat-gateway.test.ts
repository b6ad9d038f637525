import { describe, expect, it } from 'vitest'
import { endExample, expectRefused, programOf, startExample } from '../../support/example-program.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { addressOf, ask, makeServingNetwork, serve, type ServiceNetwork } from '../../support/service-network.js'

/** A gateway between the client, who is outside and has no route to what is inside but by the gateway, and two servers. */
async function makeGateway(): Promise<ServiceNetwork> {
  const network = await makeServingNetwork(2)
  await network.node.run('sh', ['-c', 'echo 0 >/proc/sys/net/ipv4/ip_forward'])
  return network
}

const ARGS = ['--outside', 'host0', '--forward', `tcp:80=${addressOf.ip(1)}:8080`, '--forward', `udp:53=${addressOf.ip(2)}:8080`]
const GATEWAY = '10.1.0.1'

describe('NAT gateway', () => {
  it('lets who is inside out with its own address, and who is outside in where a port is forwarded', async () => {
    const { node, client, servers } = await makeGateway()
    if (isOlderThan('5.12')) {
      const { status, stderr } = await node.attempt(process.execPath, [programOf('nat-gateway'), ...ARGS])
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('needs Linux 5.12') as string })
      return
    }
    const program = await startExample(node, 'nat-gateway', 'gateway to host0', ...ARGS)
    await serve(client, 'outside', 8080)
    expect(await ask(servers[0]!, 'tcp', addressOf.ip(0), 8080, 1)).toEqual([`outside ${GATEWAY}`])
    expect(await ask(servers[0]!, 'udp', addressOf.ip(0), 8080, 1)).toEqual([`outside ${GATEWAY}`])
    expect(await ask(client, 'tcp', GATEWAY, 80, 1)).toEqual([`s1 ${addressOf.ip(0)}`])
    expect(await ask(client, 'udp', GATEWAY, 53, 1)).toEqual([`s2 ${addressOf.ip(0)}`])
    // What is inside cannot be reached by its own address, but from inside.
    expect(await ask(client, 'udp', addressOf.ip(1), 8080, 1)).toEqual(['TimeoutError'])
    expect(await ask(servers[1]!, 'udp', addressOf.ip(1), 8080, 1)).toEqual([`s1 ${addressOf.ip(2)}`])

    await endExample(program)
    expect(await node.nft('list', 'ruleset')).toBe('')
    expect(await node.run('cat', ['/proc/sys/net/ipv4/ip_forward'])).toBe('0\n')
  })

  it('leaves nothing in nf_tables when it is killed, and the next one begins anew', async () => {
    if (isOlderThan('5.12')) return
    const { node } = await makeGateway()
    const program = await startExample(node, 'nat-gateway', 'gateway to host0', ...ARGS)
    const second = await node.attempt(process.execPath, [programOf('nat-gateway'), ...ARGS])
    expect(second).toMatchObject({ status: 1, stderr: expect.stringContaining('EPERM') as string })
    await program.stop('SIGKILL')
    expect(await node.nft('list', 'ruleset')).toBe('')
    await endExample(await startExample(node, 'nat-gateway', 'gateway to host0', ...ARGS), 'SIGINT')
  })

  it.each([
    [[], '--outside is'],
    [['--outside', 'eth0', '--forward', 'tcp:80'], '--forward is "tcp:80"'],
    [['--outside', 'eth0', '--forward', 'tcp:80=10.0.0.1:99999'], '99999'],
    [['--outside', 'eth0', '--forward', 'tcp:80=10.0.0.256:80'], '10.0.0.256'],
    [['--outside', 'a-name-that-is-too-long'], 'a-name-that-is-too-long'],
    [['eth0'], 'Unexpected argument']
  ])('refuses %j', async (args, problem) => {
    await expectRefused('nat-gateway', args, problem)
  })
})
