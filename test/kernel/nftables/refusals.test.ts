import { describe, expect, it } from 'vitest'
import { NetlinkError, ValidationError } from '../../../src/core/errors.js'
import { Nftables } from '../../../src/nftables/client.js'
import type { Expression } from '../../../src/nftables/expressions.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { isInLab } from '../../support/lab.js'
import { makeNamespace } from '../../support/namespace.js'
import { attemptNode } from '../../support/node.js'
import { rejection } from '../../support/rejection.js'
import { attempt } from '../../support/run.js'

const accept: Expression = { type: 'immediate', destinationRegister: 0, data: { verdict: 'accept' } }
const inTable = { family: 'ip', table: 'app' } as const

/** What a script that is refused prints: the error's fields. */
const report = `
const { Nftables } = await import('./dist/index.js')
const show = (error) => console.log(JSON.stringify({ name: error.name, code: error.code, operation: error.operation, hint: error.hint, outcomeUnknown: error.outcomeUnknown }))
`

describe('opening', () => {
  it.each([
    ['absent', 'ENOENT', '/run/netns/absent'],
    ['/dev/null', 'EINVAL', '/dev/null'],
    ['/proc/1/ns/mnt', 'EINVAL', '/proc/1/ns/mnt'],
    [4_194_304, 'ENOENT', '/proc/4194304/ns/net']
  ])('says that %s is no network namespace', async (netns, code, path) => {
    const error = await rejection<NetlinkError>(Nftables.open({ netns }))
    expect(error).toBeInstanceOf(NetlinkError)
    expect(error).toMatchObject({ code, operation: 'nftables.open' })
    expect(error.message).toContain(path)
  })

  it('works in the namespace that was asked for, by path, name and process', async () => {
    const namespace = await makeNamespace()
    await namespace.nft('add', 'table', 'ip', 'inside')
    // `ip netns exec` becomes the program that it starts, once it is in the namespace.
    const sleeper = namespace.background('sh', ['-c', 'echo ready; exec sleep 60'])
    await sleeper.waitFor('ready')
    for (const netns of [namespace.path, namespace.name, sleeper.pid]) {
      await using nft = await Nftables.open({ netns })
      expect((await nft.listTables()).map(({ name }) => name)).toEqual(['inside'])
    }
    await using outside = await Nftables.open()
    expect((await outside.listTables()).map(({ name }) => name)).not.toContain('inside')
  })
})

describe('without CAP_NET_ADMIN', () => {
  it('says what is missing', async () => {
    const script = `${report}
      const nft = await Nftables.open()
      const tx = nft.transaction()
      tx.add.table({ family: 'ip', name: 'app' })
      for (const job of [() => tx.commit(), () => nft.listTables(), () => nft.readGeneration(), () => nft.watch()]) await job().catch(show)
      await nft.close()`
    const { status, stdout, stderr } = await attempt(
      'setpriv',
      [
        '--bounding-set=-net_admin',
        '--inh-caps=-net_admin',
        '--ambient-caps=-all',
        '--',
        process.execPath,
        '--input-type=module',
        '--eval',
        script
      ],
      { cwd: process.cwd() }
    )
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const errors = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as NetlinkError)
    expect(errors.map(({ operation }) => operation)).toEqual([
      'nftables.commit',
      'nftables.listTables',
      'nftables.readGeneration',
      'nftables.watch'
    ])
    for (const error of errors) {
      expect(error).toMatchObject({ name: 'NetlinkError', code: 'EPERM', outcomeUnknown: false })
      expect(error.hint).toContain('CAP_NET_ADMIN')
    }
  })

  it('works as an ordinary user in namespaces of their own, with the buffers that they may have', async () => {
    const script = `${report}
      const nft = await Nftables.open()
      const set = { family: 'ip', table: 'app', name: 'many', key: 'ipv4_addr' }
      const commit = async (rows) => {
        const key = new Uint8Array(rows * 4)
        new DataView(key.buffer).setUint32(0, 0)
        for (let row = 0; row < rows; row += 1) new DataView(key.buffer).setUint32(row * 4, row)
        const tx = nft.transaction()
        tx.add.table({ family: 'ip', name: 'app' })
        tx.add.set(set)
        tx.add.elements(set, { rows, key })
        await tx.commit()
        console.log(JSON.stringify({ rows: (await nft.listElements(set)).rows }))
        const gone = nft.transaction()
        gone.delete.table({ family: 'ip', name: 'app' })
        await gone.commit()
      }
      await commit(1000)
      await commit(4_000_000).catch(show)
      console.log(JSON.stringify({ tables: (await nft.listTables()).length }))
      await nft.close()`
    const { status, stdout, stderr } = await attempt(
      'unshare',
      ['--user', '--map-root-user', '--net', process.execPath, '--input-type=module', '--eval', script],
      {
        cwd: process.cwd()
      }
    )
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const [small, large, after] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Partial<NetlinkError> & { rows?: number; tables?: number })
    expect(small).toEqual({ rows: 1000 })
    expect(large).toMatchObject({ name: 'NetlinkError', code: 'EMSGSIZE', operation: 'nftables.commit', outcomeUnknown: false })
    expect(large!.hint).toContain('net.core.wmem_max')
    expect(after).toEqual({ tables: 0 })
  })
})

describe('refusals', () => {
  it('are all told, of 10,000', async () => {
    const { path } = await makeNamespace()
    await using nft = await Nftables.open({ netns: path })
    const before = await nft.readGeneration()
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'app' })
    for (let index = 0; index < 10_000; index += 1) tx.add.chain({ family: 'ip', table: 'absent', name: `c${index}` })
    const error = await rejection<NetlinkError>(tx.commit())
    expect(error).toMatchObject({ code: 'ENOENT', index: 1, field: 'table', subject: 'add chain ip absent c0', outcomeUnknown: false })
    expect(error.object).toEqual({ family: 'ip', table: 'absent', name: 'c0' })
    expect(error.others).toHaveLength(9_999)
    expect(error.others.map(({ index }) => index)).toEqual(Array.from({ length: 9_999 }, (_, index) => index + 2))
    expect(error.others.at(-1)).toMatchObject({ code: 'ENOENT', subject: 'add chain ip absent c9999', operation: 'nftables.commit' })
    expect(await nft.listTables()).toEqual([])
    expect((await nft.readGeneration()).id).toBe(before.id)
    const next = nft.transaction()
    next.add.table({ family: 'ip', name: 'app' })
    expect((await next.commit()).generation).toBe(before.id + 1)
  })

  it('name the field of a malformed expression before anything is sent', async () => {
    const { path } = await makeNamespace()
    await using nft = await Nftables.open({ netns: path })
    const wrong: [path: string, expression: object][] = [
      ['expressions[1].op', { type: 'cmp', sourceRegister: 1, op: 'like', data: Uint8Array.of(1) }],
      ['expressions[1].type', { type: 'magic' }],
      ['expressions[1].offset', { type: 'payload', destinationRegister: 1, base: 'network', offset: -1, length: 4 }],
      ['expressions[1].data', { type: 'cmp', sourceRegister: 1, op: 'eq', data: new Uint8Array(200_000) }],
      ['expressions[1].set', { type: 'lookup', set: 'x'.repeat(65_536), sourceRegister: 1 }],
      ['expressions[1].bytes', { type: 'counter', packets: 1n, bytes: -1n }],
      ['expressions[1].colour', { type: 'counter', colour: 'red' }],
      ['expressions[1]', null as unknown as object]
    ]
    for (const [where, expression] of wrong) {
      const tx = nft.transaction()
      tx.add.table({ family: 'ip', name: 'app' })
      tx.add.chain({ ...inTable, name: 'web' })
      tx.add.rule({ ...inTable, chain: 'web', expressions: [accept, expression as Expression] })
      const error = await rejection<ValidationError>(tx.commit())
      expect(error).toBeInstanceOf(ValidationError)
      expect(error.path).toBe(`operations[2] (rule of chain ip app web).${where}`)
      expect(error.message.length).toBeLessThan(1000)
    }
    expect(await nft.listTables()).toEqual([])
  })

  it('name a range that overlaps another', async () => {
    const { path } = await makeNamespace()
    await using nft = await Nftables.open({ netns: path })
    const set = { ...inTable, name: 'ranges', key: 'ipv4_addr', flags: ['interval'] } as const
    const made = nft.transaction()
    made.add.table({ family: 'ip', name: 'app' })
    made.add.set(set)
    made.add.elements(set, [{ key: '10.0.0.0/8' }])
    await made.commit()
    const tx = nft.transaction()
    tx.add.elements(set, [{ key: '10.1.0.0/16' }])
    const error = await rejection<NetlinkError>(tx.commit())
    expect(['EEXIST', 'ENOTEMPTY']).toContain(error.code)
    // Before 5.19 the kernel names the message alone.
    expect(error.object).toEqual(isOlderThan('5.19') ? [{ key: '10.1.0.0/16' }] : { key: '10.1.0.0/16' })
  })

  it('leave a transaction that lost a race as it was', async () => {
    const { path } = await makeNamespace()
    await using nft = await Nftables.open({ netns: path })
    const stale = (await nft.readGeneration()).id
    const other = nft.transaction()
    other.add.table({ family: 'ip', name: 'theirs' })
    await other.commit()
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'ours' })
    for (let attempt = 0; attempt < 3; attempt += 1)
      expect(await rejection(tx.commit({ generation: stale }))).toMatchObject({
        code: 'ERESTART',
        hint: expect.stringContaining('read the generation') as string
      })
    await tx.commit({ generation: (await nft.readGeneration()).id })
    expect((await nft.listTables()).map(({ name }) => name)).toEqual(['theirs', 'ours'])
  })

  it('keep a persistent table when its owner closes', async () => {
    const { path } = await makeNamespace()
    const owner = await Nftables.open({ netns: path })
    await using other = await Nftables.open({ netns: path })
    const tx = owner.transaction()
    tx.add.table({ family: 'ip', name: 'app', flags: ['owner', 'persist'] })
    if (isOlderThan('6.9')) {
      expect((await rejection<NetlinkError>(tx.commit())).hint).toContain('persist needs Linux 6.9')
      return
    }
    await tx.commit()
    const [owned] = await other.listTables()
    expect(owned).toMatchObject({ name: 'app', flags: ['owner', 'persist'] })
    expect(owned!.owner).toBeGreaterThan(0)
    await owner.close()
    const [left] = await other.listTables()
    expect(left).toMatchObject({ name: 'app', flags: ['persist'] })
    const gone = other.transaction()
    gone.delete.table({ family: 'ip', name: 'app' })
    await gone.commit()
  })
})

describe('two processes', () => {
  const times = isInLab ? 200 : 1000

  it(`each add 1 to a counter ${times} times through generations, and none is lost`, async () => {
    const { path } = await makeNamespace()
    await using nft = await Nftables.open({ netns: path })
    const setUp = nft.transaction()
    setUp.add.table({ family: 'ip', name: 'app' })
    setUp.add.counter({ ...inTable, name: 'shared' })
    await setUp.commit()
    const script = `
      const { Nftables } = await import('./dist/index.js')
      const nft = await Nftables.open({ netns: process.argv[1] })
      const inTable = { family: 'ip', table: 'app' }
      let lost = 0
      for (let done = 0; done < ${times}; ) {
        const { generation, counters } = await nft.list(inTable)
        const { packets } = counters[0]
        const tx = nft.transaction()
        tx.delete.counter({ ...inTable, name: 'shared' })
        tx.create.counter({ ...inTable, name: 'shared', packets: packets + 1n, bytes: 0n })
        try {
          await tx.commit({ generation })
          done += 1
        } catch (error) {
          if (error.code !== 'ERESTART') throw error
          lost += 1
        }
      }
      await nft.close()
      console.log(lost)`
    const options = { timeoutMs: 55_000 }
    const finished = await Promise.all([attemptNode(script, [path], options), attemptNode(script, [path], options)])
    for (const { status, stderr } of finished) expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect((await nft.listCounters(inTable)).map(({ packets }) => packets)).toEqual([BigInt(2 * times)])
    // Otherwise they did not run at the same time, and nothing was shown.
    expect(finished.reduce((sum, { stdout }) => sum + Number(stdout), 0)).toBeGreaterThan(0)
  })
})
