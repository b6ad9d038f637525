import { beforeEach, describe, expect, it } from 'vitest'
import { ClosedError, ValidationError } from '../../../src/core/errors.js'
import { TARGETS } from '../../../src/iptables/extensions/targets/index.js'
import { SetNames } from '../../../src/ipset/index.js'
import { Nftables } from '../../../src/nftables/index.js'
import { comparable, printOptions, readInfo, readOptions, wordsOf, writtenFor, type AnyExtension } from '../../support/extension-lines.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { xtablesExpressions } from '../../support/xtables-expressions.js'

const script = new URL('../../support/ipset.py', import.meta.url).pathname
const targets = TARGETS as unknown as readonly AnyExtension[]
const longest = 'x'.repeat(31)

let namespace: TestNamespace

async function ipset(...args: string[]): Promise<void> {
  await namespace.run('python3', [script, ...args])
}

describe('names of sets', () => {
  beforeEach(async () => {
    namespace = await makeNamespace()
    for (const name of ['web', 'bad hosts', longest]) await ipset('create', name)
  })

  it('are found by index, and indices by name', async () => {
    await using names = await SetNames.open({ netns: namespace.path })
    const indices = await Promise.all(['web', 'bad hosts', longest].map((name) => names.indexOf(name)))
    expect(indices).toEqual([0, 1, 2])
    expect(await Promise.all(indices.map((index) => names.nameOf(index!)))).toEqual(['web', 'bad hosts', longest])
  })

  it('are undefined where there is no such set', async () => {
    await using names = await SetNames.open({ netns: namespace.path })
    expect(await names.indexOf('none')).toBeUndefined()
    for (const index of [3, 255, 256, 65534, 65535]) expect(await names.nameOf(index)).toBeUndefined()
    await ipset('destroy', 'web')
    expect(await names.indexOf('web')).toBeUndefined()
    expect(await names.nameOf(0)).toBeUndefined()
  })

  it('change, and the index stays', async () => {
    await using names = await SetNames.open({ netns: namespace.path })
    await ipset('rename', 'web', 'shop')
    expect(await names.nameOf(0)).toBe('shop')
    expect(await names.indexOf('web')).toBeUndefined()
  })

  it('are those of one namespace', async () => {
    const other = await makeNamespace()
    await using names = await SetNames.open({ netns: other.path })
    expect(await names.indexOf('web')).toBeUndefined()
  })

  it('are asked for together', async () => {
    await using names = await SetNames.open({ netns: namespace.path })
    const known = await names.resolve(['bad hosts', 0, 0, 'none', 9])
    expect([known.indexOf('bad hosts'), known.nameOf(1)]).toEqual([1, 'bad hosts'])
    expect([known.indexOf('web'), known.nameOf(0)]).toEqual([0, 'web'])
    expect([known.indexOf('none'), known.nameOf(9), known.indexOf(longest)]).toEqual([undefined, undefined, undefined])
  })

  it('are refused before they are asked for where no set can have them', async () => {
    await using names = await SetNames.open({ netns: namespace.path })
    for (const name of ['', 'x'.repeat(32), 'a\0b', 7 as unknown as string])
      await expect(names.indexOf(name)).rejects.toBeInstanceOf(ValidationError)
    for (const index of [-1, 65536, 0.5, 'web' as unknown as number])
      await expect(names.nameOf(index)).rejects.toBeInstanceOf(ValidationError)
    await expect(names.resolve(5 as unknown as string[])).rejects.toBeInstanceOf(ValidationError)
  })

  it('cannot be asked for after the end', async () => {
    const names = await SetNames.open({ netns: namespace.path })
    await names.close()
    await names.close()
    await expect(names.nameOf(0)).rejects.toBeInstanceOf(ClosedError)
  })
})

describe('the target SET', () => {
  const lines = [
    ['filter', 'INPUT', 'SET --add-set web src'],
    ['filter', 'INPUT', 'SET --del-set web dst'],
    ['filter', 'INPUT', 'SET --add-set web src,dst --exist --timeout 60'],
    ['filter', 'INPUT', `SET --add-set ${longest} src,dst,src,dst,src,dst --timeout 4294967294 --del-set web src`],
    ['mangle', 'PREROUTING', 'SET --map-set web dst --map-mark'],
    ['mangle', 'OUTPUT', 'SET --map-set web dst --map-mark --map-prio --map-queue']
  ] as const

  it.each(['ip', 'ip6'] as const)('says what iptables-nft writes, of family %s', async (family) => {
    namespace = await makeNamespace()
    await ipset('create', longest, family)
    await ipset('create', 'web', family)
    const command = family === 'ip' ? 'iptables-nft' : 'ip6tables-nft'
    for (const [table, chain, target] of lines) await namespace.run(command, ['-t', table, '-A', chain, '-j', ...wordsOf(target)])
    const saved = (await namespace.run(`${command}-save`, [])).split('\n').filter((line) => line.startsWith('-A '))
    await using client = await Nftables.open({ netns: namespace.path })
    await using names = await SetNames.open({ netns: namespace.path })
    const sets = await names.resolve(['web', longest])
    const { rules } = await client.list({})
    for (const [table, chain, target] of lines) {
      const place = lines.filter((line) => line[0] === table && line[1] === chain).findIndex((line) => line[2] === target)
      const [expression] = xtablesExpressions(rules.filter((rule) => rule.table === table && rule.chain === chain)[place]!.expressions)
      const context = { family, table, sets }
      expect(saved).toContain(`-A ${chain} -j ${target}`)
      const { extension, options } = readInfo(targets, expression!, context)!
      expect(`SET ${printOptions(extension, options, context)}`).toBe(target)
      const written = writtenFor(targets, 'SET', family)
      expect(extension).toBe(written)
      const info = written.encode(readOptions(written, wordsOf(target).slice(1), context), context)
      expect(comparable(written, info)).toEqual(comparable(written, expression!.info))
    }
  })
})
