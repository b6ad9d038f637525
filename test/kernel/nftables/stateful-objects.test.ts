import { describe, expect, it } from 'vitest'
import { NetlinkError, ValidationError } from '../../../src/core/errors.js'
import { Nftables, type StatefulObject } from '../../../src/index.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'

const inTable = { family: 'ip', table: 'a' } as const

interface Row {
  readonly object: StatefulObject
  /** What nft prints inside of the object's braces. */
  readonly prints: readonly string[]
  /** What the kernel adds. */
  readonly listed?: object
}

/** An object of each kind, as we write it and as nft prints it. */
const rows: readonly Row[] = [
  {
    object: { ...inTable, name: 'many', objectType: 'quota', data: { bytes: 26_214_400n, flags: ['inverted'], consumed: 2048n } },
    prints: ['quota many {', 'over 25 mbytes used 2 kbytes']
  },
  {
    object: { ...inTable, name: 'few', objectType: 'quota', data: { bytes: 1000n } },
    prints: ['quota few {', '1000 bytes'],
    listed: { consumed: 0n, flags: [] }
  },
  {
    object: {
      ...inTable,
      name: 'slow',
      objectType: 'limit',
      data: { rate: 10n, unitSeconds: 60n, burst: 20, mode: 'packets', flags: ['inverted'] }
    },
    prints: ['limit slow {', 'rate over 10/minute burst 20 packets']
  },
  {
    object: { ...inTable, name: 'files', objectType: 'ct-helper', data: { helper: 'ftp', family: 'ip', protocol: 'tcp' } },
    prints: ['ct helper files {', 'type "ftp" protocol tcp', 'l3proto ip']
  },
  {
    object: {
      ...inTable,
      name: 'quick',
      objectType: 'ct-timeout',
      data: { family: 'ip', protocol: 'tcp', policySeconds: { established: 100, closeWait: 4, close: 5 } }
    },
    prints: ['ct timeout quick {', 'protocol tcp', 'l3proto ip', 'policy = { established : 100, close_wait : 4, close : 5 }']
  },
  {
    object: {
      ...inTable,
      name: 'brief',
      objectType: 'ct-timeout',
      data: { family: 'ip', protocol: 'udp', policySeconds: { unreplied: 10, replied: 12 } }
    },
    prints: ['ct timeout brief {', 'protocol udp', 'l3proto ip', 'policy = { unreplied : 10, replied : 12 }']
  },
  {
    object: {
      ...inTable,
      name: 'wanted',
      objectType: 'ct-expect',
      data: { family: 'ip', protocol: 'tcp', port: 5432, timeoutMs: 3_600_000, size: 12 }
    },
    prints: ['ct expectation wanted {', 'protocol tcp', 'dport 5432', 'timeout 1h', 'size 12', 'l3proto ip']
  },
  {
    object: {
      ...inTable,
      name: 'proxy',
      objectType: 'synproxy',
      data: { mss: 1460, windowScale: 7, flags: ['mss', 'wscale', 'sack-perm', 'timestamp'] }
    },
    prints: ['synproxy proxy {', 'mss 1460', 'wscale 7', 'timestamp sack-perm']
  },
  // nft has no words for it, and aborts.
  { object: { ...inTable, name: 'three', objectType: 'connlimit', data: { count: 3, flags: ['inverted'] } }, prints: [] }
]

const isShown = ({ prints }: Row): boolean => prints.length > 0

async function opened(namespace: TestNamespace): Promise<Nftables> {
  const nft = await Nftables.open({ netns: namespace.path })
  const tx = nft.transaction()
  tx.add.table({ family: 'ip', name: 'a' })
  await tx.commit()
  return nft
}

describe('a stateful object', () => {
  it.each(rows.map((row) => [`${String(row.object.objectType)} ${row.object.name}`, row] as const))(
    'is written, listed and removed: %s',
    async (_, row) => {
      const namespace = await makeNamespace()
      await using nft = await opened(namespace)
      const { object, prints, listed = {} } = row
      const tx = nft.transaction()
      tx.create.object(object)
      await tx.commit()

      const [first, ...others] = await nft.listObjects(inTable)
      expect(others).toEqual([])
      expect(first).toMatchObject({ ...object, use: 0 })
      expect(first!.data).toMatchObject(object.data)
      expect(first!.data).toMatchObject(listed)
      if (isShown(row)) {
        const text = (await namespace.nft('list', 'ruleset')).split(/\s*\n\s*/)
        expect(text.slice(1, prints.length + 1)).toEqual(prints)
      }

      const again = nft.transaction()
      again.create.object(object)
      expect(await rejection<NetlinkError>(again.commit())).toMatchObject({ code: 'EEXIST', field: 'name' })
      const removal = nft.transaction()
      removal.delete.object(object)
      await removal.commit()
      expect(await nft.listObjects(inTable)).toEqual([])
    }
  )

  it('is the same after it was listed and written again', async () => {
    const [from, to] = [await makeNamespace(), await makeNamespace()]
    await using nft = await opened(from)
    await using other = await opened(to)
    const tx = nft.transaction()
    // nft aborts where it lists a connlimit.
    for (const { object } of rows.filter(isShown)) tx.add.object(object)
    await tx.commit()
    const copy = other.transaction()
    for (const listed of await nft.listObjects(inTable)) copy.add.object(listed)
    await copy.commit()
    expect(await to.nft('list', 'ruleset')).toBe(await from.nft('list', 'ruleset'))
  })

  it('of a kind is listed without the others', async () => {
    await using nft = await opened(await makeNamespace())
    const tx = nft.transaction()
    tx.add.counter({ ...inTable, name: 'hits', packets: 3n, bytes: 4n })
    for (const { object } of rows) tx.add.object(object)
    await tx.commit()
    const namesOf = async (objectType: StatefulObject['objectType']): Promise<readonly string[]> =>
      (await nft.listObjects({ ...inTable, objectType })).map(({ name }) => name)
    expect(await namesOf('quota')).toEqual(['many', 'few'])
    expect(await namesOf(7)).toEqual(['quick', 'brief'])
    expect((await nft.listObjects(inTable)).map(({ name }) => name)).toEqual(rows.map(({ object }) => object.name))
    expect((await nft.listCounters(inTable)).map(({ name }) => name)).toEqual(['hits'])
  })

  it('is zeroed with what it was asked for, and nothing else', async () => {
    await using nft = await opened(await makeNamespace())
    const tx = nft.transaction()
    tx.add.counter({ ...inTable, name: 'hits', packets: 3n, bytes: 4n })
    for (const { object } of rows) tx.add.object(object)
    await tx.commit()
    const consumed = async (reset: boolean): Promise<unknown> =>
      (await nft.listObjects({ ...inTable, objectType: 'quota', reset })).map(({ data }) => (data as { consumed?: bigint }).consumed)
    expect(await nft.listCounters({ ...inTable, reset: true })).toMatchObject([{ packets: 3n }])
    expect(await consumed(true)).toEqual([2048n, 0n])
    expect(await consumed(false)).toEqual([0n, 0n])
    const more = nft.transaction()
    more.add.counter({ ...inTable, name: 'others', packets: 9n })
    await more.commit()
    await nft.listObjects({ ...inTable, reset: true })
    expect((await nft.listCounters(inTable)).map(({ packets }) => packets)).toEqual([0n, 9n])
  })

  it('of a quota that is used up is written again', async () => {
    await using nft = await opened(await makeNamespace())
    const tx = nft.transaction()
    tx.add.object({ ...inTable, name: 'gone', objectType: 'quota', data: { bytes: 10n, consumed: 10n, flags: ['depleted'] } })
    await tx.commit()
    expect(await nft.listObjects(inTable)).toMatchObject([{ name: 'gone', data: { bytes: 10n, consumed: 10n } }])
  })

  it('of a time-out for another protocol comes back as it was', async () => {
    const namespace = await makeNamespace()
    await using nft = await opened(namespace)
    // NFTA_CT_TIMEOUT_L4PROTO: ICMP; NFTA_CT_TIMEOUT_DATA: CTA_TIMEOUT_ICMP_TIMEOUT.
    const data = Uint8Array.of(5, 0, 2, 0, 1, 0, 0, 0, 12, 0, 3, 0x80, 8, 0, 1, 0, 0, 0, 0, 7)
    const tx = nft.transaction()
    tx.add.object({ ...inTable, name: 'pings', objectType: 'ct-timeout', data })
    await tx.commit()
    const [listed] = await nft.listObjects(inTable)
    expect(listed).toMatchObject({ objectType: 'ct-timeout', data: { family: 'ip', protocol: 'icmp' } })
    const again = nft.transaction()
    again.delete.object(listed!)
    again.add.object(listed!)
    await again.commit()
    expect((await nft.listObjects(inTable)).map((object) => object.data)).toEqual([listed!.data])
  })

  it.each([
    ['data.bytes', 'quota', {}],
    ['data.bytes', 'quota', { bytes: -1n }],
    ['data.flags[0]', 'quota', { bytes: 1n, flags: ['over'] }],
    ['data.mode', 'limit', { rate: 1n, unitSeconds: 1n, mode: 'frames' }],
    ['data.helper', 'ct-helper', { helper: 'a-name-that-is-long', protocol: 'tcp' }],
    ['data.protocol', 'ct-helper', { helper: 'ftp', protocol: 'ftp' }],
    ['data.policySeconds.replied', 'ct-timeout', { protocol: 'tcp', policySeconds: { replied: 1 } }],
    ['data.policySeconds', 'ct-timeout', { protocol: 'icmp', policySeconds: { replied: 1 } }],
    ['data.port', 'ct-expect', { protocol: 'tcp', port: 65_536, timeoutMs: 1, size: 1 }],
    ['data.size', 'ct-expect', { protocol: 'tcp', port: 1, timeoutMs: 1, size: 256 }],
    ['data.windowScale', 'synproxy', { windowScale: 256 }],
    ['data', 'tunnel', { id: 1 }],
    ['objectType', 'quotas', { bytes: 1n }],
    ['objectType', 0, { bytes: 1n }]
  ])('is refused before it is sent where %s of a %s is wrong', async (field, objectType, data) => {
    await using nft = await opened(await makeNamespace())
    const tx = nft.transaction()
    tx.add.object({ ...inTable, name: 'x', objectType, data } as never)
    const error = await rejection<ValidationError>(tx.commit())
    expect(error).toBeInstanceOf(ValidationError)
    expect(error.path).toMatch(new RegExp(`(^|\\.)${field.replaceAll(/[[\].]/g, String.raw`\$&`)}$`))
  })

  it('with a label says that no security module knows it', async () => {
    await using nft = await opened(await makeNamespace())
    const tx = nft.transaction()
    tx.add.object({ ...inTable, name: 'web', objectType: 'secmark', data: { context: 'no:such:label' } })
    const error = await rejection<NetlinkError>(tx.commit())
    expect(error).toBeInstanceOf(NetlinkError)
    expect(['ENOENT', 'EINVAL']).toContain(error.code)
  })
})
