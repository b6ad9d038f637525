import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Nftables } from '../../../src/nftables/client.js'
import { endExample, expectRefused, startExample } from '../../support/example-program.js'
import { until } from '../../support/run.js'
import { addressOf, ask, makeServingNetwork } from '../../support/service-network.js'

/** A feed in a file, and a way to write it anew. */
async function makeFeed(
  ...lines: readonly string[]
): Promise<{ readonly file: string; write(...lines: readonly string[]): Promise<void> }> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'netplane-feed-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = path.join(folder, 'feed.txt')
  const write = (...text: readonly string[]): Promise<void> => writeFile(file, text.join('\n'))
  await write(...lines)
  return { file, write }
}

const OTHERS = [
  '; a comment',
  '203.0.113.0/25 ; SBL1',
  '203.0.113.128/25',
  '203.0.113.7',
  '198.51.100.9/32',
  '2001:db8::/32 # six',
  'nobody.example'
]

describe('ip-feed', () => {
  it('drops packets from what the feed names, and follows it', async () => {
    const { node, client } = await makeServingNetwork(1)
    const asks = (): Promise<unknown> =>
      Promise.all([addressOf.ip(1), addressOf.ip6(1)].map((address) => ask(client, 'udp', address, 8080, 1)))
    const [reached, silent] = [expect.stringMatching(/^s1 /) as string, 'TimeoutError']
    const feed = await makeFeed(...OTHERS)
    const program = await startExample(node, 'ip-feed', 'blocked6: 1 added', '--feed', feed.file, '--interval', '0.1')
    // Neighbours stay apart, and what lies within a prefix is left out.
    expect(program.output()).toContain('blocked: 3 added, 0 removed')
    expect(await asks()).toEqual([[reached], [reached]])

    await feed.write(...OTHERS, addressOf.ip(0), `${addressOf.ip6(0)}/64`)
    await program.waitFor('blocked: 1 added, 0 removed\nblocked6: 1 added, 0 removed')
    expect(await asks()).toEqual([[silent], [silent]])

    // What is the same, or cannot be read, changes nothing.
    await using nft = await Nftables.open({ netns: node.path })
    const { id } = await nft.readGeneration()
    await until('it was read again', () =>
      program.output().includes('blocked: 0 added, 0 removed', program.output().lastIndexOf('1 added'))
    )
    await rm(feed.file)
    await program.waitFor('ENOENT')
    expect((await nft.readGeneration()).id).toBe(id)
    expect(await asks()).toEqual([[silent], [silent]])

    await feed.write(addressOf.ip6(0))
    await program.waitFor('blocked: 0 added, 4 removed\nblocked6: 1 added, 2 removed')
    expect(await asks()).toEqual([[reached], [silent]])

    // It stays blocked without the program, and the next one sends nothing.
    await endExample(program)
    expect(await asks()).toEqual([[reached], [silent]])
    const before = await node.nft('-a', 'list', 'set', 'inet', 'ip-feed', 'blocked6')
    const next = await startExample(node, 'ip-feed', 'blocked: 0 added, 0 removed\nblocked6: 0 added, 0 removed', '--feed', feed.file)
    expect(await node.nft('-a', 'list', 'set', 'inet', 'ip-feed', 'blocked6')).toBe(before)
    expect((await node.nft('list', 'chain', 'inet', 'ip-feed', 'input')).match(/drop/g)).toHaveLength(2)
    await endExample(next, 'SIGINT')
  }, 90_000)

  it('reads a feed from a URL, and keeps what it has where the answer is an error', async () => {
    const { node } = await makeServingNetwork(0)
    const feed = await makeFeed('198.51.100.0/24')
    const server = node.background('python3', [
      '-u',
      '-m',
      'http.server',
      '--bind',
      '127.0.0.1',
      '--directory',
      path.dirname(feed.file),
      '8000'
    ])
    await server.waitFor('Serving')
    const program = await startExample(node, 'ip-feed', 'blocked: 1 added', '--feed', 'http://127.0.0.1:8000/feed.txt', '--interval', '0.1')
    await rm(feed.file)
    await program.waitFor('http://127.0.0.1:8000/feed.txt: Error: it answers 404')
    await until('the set is as it was', async () =>
      (await node.nft('list', 'set', 'inet', 'ip-feed', 'blocked')).includes('198.51.100.0/24')
    )
    await endExample(program)
  })

  it.each([
    [[], '--feed is'],
    [['--feed', 'x', '--interval', '0'], '--interval is "0"'],
    [['x'], 'Unexpected argument']
  ])('refuses %j', async (args, problem) => {
    await expectRefused('ip-feed', args, problem)
  })
})
