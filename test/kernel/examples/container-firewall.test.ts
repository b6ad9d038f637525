import { describe, expect, it } from 'vitest'
import { expectRefused, programOf } from '../../support/example-program.js'
import { run } from '../../support/run.js'
import { addressOf, ask, makeServiceNetwork, serve } from '../../support/service-network.js'

const firewall = (...args: string[]): Promise<string> => run(process.execPath, [programOf('container-firewall'), ...args])

describe('container firewall', () => {
  it('lets into the container what is allowed, refuses the rest, and goes with --remove', async () => {
    const { node, client, servers } = await makeServiceNetwork(1)
    const container = servers[0]!
    const process = await serve(container, 'container', 8080)
    await Promise.all([serve(container, 'other', 9090), serve(client, 'client', 7070)])
    const answers = async (): Promise<unknown> => {
      const [ip, ip6] = [addressOf.ip(1), addressOf.ip6(1)]
      const asked = [
        ask(client, 'tcp', ip, 8080, 1),
        ask(client, 'tcp', ip6, 8080, 1),
        ask(client, 'udp', ip, 8080, 1),
        ask(client, 'udp', ip, 9090, 1)
      ]
      return (await Promise.all(asked)).map(([answer]) => answer!.split(' ')[0])
    }
    expect(await answers()).toEqual(['container', 'container', 'container', 'other'])

    // By a process in it, as a container runtime knows containers.
    expect(await firewall('--netns', String(process.pid), '--allow', 'tcp:8080', '--allow', 'udp:9090')).toBe(
      'allowed: tcp:8080 udp:9090\n'
    )
    expect(await answers()).toEqual(['container', 'container', expect.stringMatching(/Error/), 'other'])
    // What it begins itself, and ICMP, is as before; and nothing is written elsewhere.
    expect(await ask(container, 'udp', addressOf.ip(0), 7070, 1)).toEqual([`client ${addressOf.ip(1)}`])
    expect(await ask(container, 'tcp', '127.0.0.1', 9090, 1)).toEqual(['other 127.0.0.1'])
    expect(await node.nft('list', 'ruleset')).toBe('')

    // By name, and anew: what was allowed before is not any more.
    await firewall('--netns', container.name, '--allow', 'udp:8080')
    expect(await answers()).toEqual([
      expect.stringMatching(/Error/),
      expect.stringMatching(/Error/),
      'container',
      expect.stringMatching(/Error/)
    ])
    expect((await container.nft('list', 'chain', 'inet', 'container-firewall', 'input')).match(/@allowed/g)).toHaveLength(1)

    expect(await firewall('--netns', container.path, '--remove')).toBe('removed\n')
    expect(await container.nft('list', 'ruleset')).toBe('')
    expect(await firewall('--netns', container.path, '--remove')).toBe('removed\n')
  })

  it.each([
    [[], '--netns is'],
    [['--netns', '/run/netns/x', '--allow', '80'], '--allow is "80"'],
    [['--netns', '/run/netns/x', '--allow', 'tcp:'], '--allow is "tcp:"'],
    [['--netns', '1', '--allow', 'tcp:0'], '--allow is "tcp:0"'],
    [['--netns', '1', '--allow', 'tcp:65536'], '65536'],
    [['--netns', '1', '--remove=x'], "'--remove' does not take an argument"]
  ])('refuses %j', async (args, problem) => {
    await expectRefused('container-firewall', args, problem)
  })
})
