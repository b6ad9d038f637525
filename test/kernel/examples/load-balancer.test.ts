import { describe, expect, it } from 'vitest'
import { endExample, expectRefused, startExample } from '../../support/example-program.js'
import { addressOf, ask, makeServingNetwork, serve, tally } from '../../support/service-network.js'
import { until } from '../../support/run.js'

const VIP = '192.0.2.80'
const backends = [1, 2].flatMap((server) => ['--backend', `${addressOf.ip(server)}:9000`])

describe('load balancer', () => {
  it('leads clients to the backends that accept connections, and leaves nothing behind', async () => {
    const { node, client, servers } = await makeServingNetwork(2)
    const first = await serve(servers[0]!, 's1', 9000)
    const second = await serve(servers[1]!, 's2', 9000)
    const program = await startExample(node, 'load-balancer', 'of 2', '--listen', `${VIP}:80`, ...backends, '--interval', '0.1')
    expect(program.output()).toContain('2 of 2 backends are up')
    const answers = async (): Promise<string[]> => Object.keys(tally(await ask(client, 'tcp', VIP, 80, 24))).sort()
    expect(await answers()).toEqual(['s1', 's2'])

    await first.stop('SIGKILL')
    await program.waitFor('1 of 2 backends are up')
    expect(await answers()).toEqual(['s2'])

    await second.stop('SIGKILL')
    await program.waitFor('0 of 2 backends are up')
    expect(await answers()).toEqual(['ConnectionRefusedError'])

    await serve(servers[0]!, 's1', 9000)
    await until('the backend is back', () => program.output().split('1 of 2').length > 2)
    expect(await answers()).toEqual(['s1'])

    await endExample(program, 'SIGINT')
    expect(await node.nft('list', 'ruleset')).toBe('')
  })

  it('serves an address of its own machine, and IPv6', async () => {
    const { node, client, servers } = await makeServingNetwork(1)
    await Promise.all(servers.map((host) => serve(host, 'own', 9000)))
    const listen = ['--listen', '[fd00:1:0::1]:80', '--backend', `[${addressOf.ip6(1)}]:9000`]
    const program = await startExample(node, 'load-balancer', '1 of 1', ...listen, '--interval', '0.1')
    expect(tally(await ask(client, 'tcp', 'fd00:1:0::1', 80, 3))).toEqual({ own: 3 })
    await endExample(program)
    expect(tally(await ask(client, 'tcp', 'fd00:1:0::1', 80, 1))).toEqual({ ConnectionRefusedError: 1 })
  })

  it.each([
    [[], '--listen'],
    [['--listen', '192.0.2.1'], '--listen is "192.0.2.1"'],
    [['--listen', '192.0.2.1:80', '--backend', '10.0.0.1'], '--backend is "10.0.0.1"'],
    [['--listen', '192.0.2.1:80'], '--backend is missing'],
    [['--listen', '192.0.2.1:80', '--interval', 'x'], '--interval is "x"'],
    [['--listen', '192.0.2.1:80', '--listn', 'x'], "Unknown option '--listn'"]
  ])('refuses %j', async (args, problem) => {
    await expectRefused('load-balancer', args, problem)
  })
})
