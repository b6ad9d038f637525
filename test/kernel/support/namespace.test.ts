import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { makeNamespace, nft } from '../../support/namespace.js'

describe('the place where kernel tests run', () => {
  test('has its own, empty rule set and a loopback device that is up', async () => {
    expect(await nft('list', 'ruleset')).toBe('')
    const devices = readFileSync('/proc/net/dev', 'utf8').split('\n').slice(2).filter(Boolean)
    expect(devices.map((line) => line.split(':')[0]!.trim())).toContain('lo')
    expect(readFileSync('/proc/net/fib_trie', 'utf8')).toContain('127.0.0.1')
  })

  test('gives a test named namespaces that do not share tables', async () => {
    const [first, second] = [await makeNamespace(), await makeNamespace()]
    await first.nftScript('add table inet here')
    expect(await first.nft('list', 'tables')).toBe('table inet here\n')
    expect(await second.nft('list', 'tables')).toBe('')
    expect(await nft('list', 'tables')).toBe('')
  })

  test('starts and ends programs beside a test', async () => {
    const namespace = await makeNamespace()
    const monitor = namespace.background('nft', ['monitor'])
    // It says nothing about when it has begun to listen.
    for (let number = 0; !monitor.output().includes('add table inet seen'); number += 1) {
      await namespace.nft('add', 'table', 'inet', `seen${number}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await monitor.stop()
    expect(() => process.kill(monitor.pid, 0)).toThrow('ESRCH')
  })
})
