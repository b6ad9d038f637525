import { describe, expect, it } from 'vitest'
import { formatAddress } from '../../../../src/core/address.js'
import { Nftables, type DataTypeName, type KeyRange, type SetElement, type SetSpec } from '../../../../src/index.js'
import { dataType } from '../../../../src/nftables/datatypes.js'
import { isOlderThan } from '../../../support/kernel-version.js'
import { makeNamespace } from '../../../support/namespace.js'
import { Random } from '../../../support/random.js'

type Value = string | number | bigint
/** How keys of a type are written for us, and for nft where it has a name for the type. */
interface Kind {
  readonly type: DataTypeName
  readonly bits: number
  readonly write: (value: bigint) => Value
  readonly forNft?: ((value: bigint) => string) | undefined
}

const hex = (value: bigint, bytes: number): string => value.toString(16).padStart(2 * bytes, '0')
const bytesOf = (value: bigint, bytes: number): Uint8Array => Uint8Array.from(Buffer.from(hex(value, bytes), 'hex'))
const mac = (value: bigint): string => hex(value, 6).replace(/..(?!$)/g, '$&:')
const address =
  (bytes: number) =>
  (value: bigint): string =>
    formatAddress(bytesOf(value, bytes))

/** Types that nft 1.0.6 cannot declare, or whose numbers it does not read. */
const nameless = (type: DataTypeName, bits: number): Kind => ({ type, bits, write: bits > 32 ? (value) => value : Number })
const numbers = (type: DataTypeName, bits: number): Kind => ({ ...nameless(type, bits), forNft: String })

const kinds: readonly Kind[] = [
  { type: 'ipv4_addr', bits: 32, write: address(4), forNft: address(4) },
  { type: 'ipv6_addr', bits: 128, write: address(16), forNft: address(16) },
  { type: 'ether_addr', bits: 48, write: mac, forNft: mac },
  numbers('inet_service', 16),
  numbers('inet_proto', 8),
  numbers('mark', 32),
  numbers('ether_type', 16),
  numbers('arp_op', 16),
  numbers('icmp_type', 8),
  numbers('icmpv6_type', 8),
  numbers('iface_type', 16),
  numbers('realm', 32),
  numbers('uid', 32),
  numbers('gid', 32),
  numbers('devgroup', 32),
  nameless('iface_index', 32),
  nameless('classid', 32),
  nameless('fib_addrtype', 32),
  nameless('ct_label', 128),
  nameless('integer8', 8),
  nameless('integer16', 16),
  nameless('integer32', 32),
  nameless('integer64', 64),
  nameless('integer128', 128),
  nameless('host_integer16', 16),
  nameless('host_integer32', 32),
  nameless('host_integer64', 64)
]

/** From 0 to below 1, the same for the same seed. */
function randomNumbers(seed: number): () => number {
  const source = new Random(seed)
  return () => source.below(1_000_000) / 1_000_000
}

interface Range {
  readonly first: bigint
  readonly last: bigint
}

const overlaps = (left: Range, right: Range): boolean => left.first <= right.last && right.first <= left.last
const isSame = (left: Range, right: Range): boolean => left.first === right.first && left.last === right.last

/** What a transaction does to a set, or why it is refused. */
function workOff(held: readonly Range[], verb: 'add' | 'delete' | 'destroy', ranges: readonly Range[]): Range[] | string {
  let now = [...held]
  for (const range of ranges) {
    const isThere = now.some((other) => isSame(other, range))
    if (verb === 'add') {
      if (!isThere && now.some((other) => overlaps(other, range))) return 'refused'
      if (!isThere) now.push(range)
    } else {
      if (!isThere && verb === 'delete') return 'refused'
      now = now.filter((other) => !isSame(other, range))
    }
  }
  return now.sort((left, right) => (left.first < right.first ? -1 : 1))
}

/** Linux 6.3. */
const canDestroy = !isOlderThan('6.3')

/** Few different borders, the first and the last key among them, so that ranges meet. */
function bordersOf(bits: number, random: () => number): bigint[] {
  const last = (1n << BigInt(bits)) - 1n
  const base = (last / 1000n) * BigInt(Math.floor(random() * 900))
  return [0n, 1n, ...Array.from({ length: 10 }, (_, index) => base + BigInt(index + 2)), last - 1n, last]
}

describe.each(kinds)('ranges of $type', ({ type, bits, write, forNft }) => {
  it('are what a model and nft say, whatever is added, deleted and destroyed', async () => {
    const namespace = await makeNamespace()
    const nft = await Nftables.open({ netns: namespace.path })
    const random = randomNumbers(bits * 31 + type.length)
    const set = { family: 'ip', table: 'ours', name: 's', key: type, flags: ['interval'] } satisfies SetSpec
    const make = nft.transaction()
    make.add.table({ family: 'ip', name: 'ours' })
    make.create.set(set)
    await make.commit()
    const borders = bordersOf(bits, random)
    const draw = (): Range => {
      const [from, width] = [Math.floor(random() * borders.length), Math.floor(random() * 3)]
      return { first: borders[from]!, last: borders[Math.min(borders.length - 1, from + width)]! }
    }
    const element = ({ first, last }: Range): SetElement => ({
      key: first === last ? write(first) : ({ from: write(first), to: write(last) } satisfies KeyRange)
    })
    let held: Range[] = []
    const outcomes = new Set<string>()
    for (let round = 0; round < 40; round++) {
      const verb = (['add', 'add', 'delete', canDestroy ? 'destroy' : 'delete'] as const)[Math.floor(random() * 4)]!
      const drawn = Array.from({ length: 1 + Math.floor(random() * 3) }, () =>
        verb !== 'add' && held.length > 0 && random() < 0.6 ? held[Math.floor(random() * held.length)]! : draw()
      )
      const tx = nft.transaction()
      if (random() < 0.5) tx[verb].elements(set, drawn.map(element))
      else for (const range of drawn) tx[verb].elements(set, [element(range)])
      const wanted = workOff(held, verb, drawn)
      const outcome = await tx.commit().then(
        () => 'committed',
        (error: unknown) => (typeof wanted === 'string' ? 'refused' : String(error))
      )
      expect({ round, verb, drawn, outcome }).toEqual({ round, verb, drawn, outcome: typeof wanted === 'string' ? wanted : 'committed' })
      outcomes.add(`${verb} ${outcome}`)
      if (typeof wanted !== 'string') held = wanted
      expect(Array.from(await nft.listElements(set), boundsOf({ type, bits, write }, borders))).toEqual(held)
    }
    expect([...outcomes].sort()).toEqual(
      expect.arrayContaining(['add committed', 'add refused', 'delete refused', ...(canDestroy ? ['destroy committed'] : [])])
    )
    if (forNft === undefined || held.length === 0) return
    const text = held.map(({ first, last }) => (first === last ? forNft(first) : `${forNft(first)}-${forNft(last)}`))
    await namespace.nftScript(`table ip theirs {\nset s { type ${type}; flags interval; elements = { ${text.join(', ')} }\n}\n}\n`)
    const [ours, theirs] = await Promise.all(['ours', 'theirs'].map((table) => namespace.nft('list', 'set', 'ip', table, 's')))
    expect(ours).toBe(theirs!.replace('table ip theirs ', 'table ip ours '))
  })
})

/** The bounds of a listed element, looked up among those that were written. */
function boundsOf({ type, bits, write }: Kind, borders: readonly bigint[]): (element: SetElement) => Range {
  const { symbols } = dataType('type', type)
  const values = new Map([
    ...Object.entries(symbols ?? {}).map(([name, value]) => [name, BigInt(value)] as const),
    ...borders.map((border) => [String(write(border)), border] as const)
  ])
  const numberOf = (value: unknown): bigint => values.get(String(value)) ?? -1n
  return ({ key }) => {
    if (typeof key === 'string' && key.includes('/')) {
      const [start, length] = key.split('/')
      const first = numberOf(start)
      return { first, last: first | ((1n << BigInt(bits - Number(length))) - 1n) }
    }
    const { from, to } = typeof key === 'object' && 'from' in key ? key : { from: key, to: key }
    return { first: numberOf(from), last: numberOf(to) }
  }
}

describe('concatenated ranges', () => {
  it('are what a model says, whatever is deleted and destroyed', async () => {
    const namespace = await makeNamespace()
    const nft = await Nftables.open({ netns: namespace.path })
    const random = randomNumbers(7)
    const set = {
      family: 'ip',
      table: 'ours',
      name: 's',
      key: ['mark', 'inet_service', 'ipv4_addr'],
      flags: ['interval']
    } satisfies SetSpec
    const make = nft.transaction()
    make.add.table({ family: 'ip', name: 'ours' })
    make.create.set(set)
    // Boxes that do not meet: each has its own marks.
    const boxes = Array.from({ length: 30 }, (_, index) => ({
      key: [{ from: index * 300, to: index * 300 + 256 }, { from: 80, to: 90 + index }, `10.0.${index}.0/24`]
    }))
    make.add.elements(set, boxes)
    await make.commit()
    let held = boxes
    for (let round = 0; round < 60 && held.length > 0; round++) {
      const box = held[Math.floor(random() * held.length)]!
      const [marks, ports, addresses] = box.key as [KeyRange, KeyRange, string]
      const inside = [
        { key: [marks.from, ports.from, addresses.replace('/24', '')] },
        { key: [marks, ports, addresses.replace('/24', '/25')] },
        { key: [marks, { from: 80, to: 85 }, addresses] }
      ][Math.floor(random() * 3)]!
      const takes = random() < 0.3
      const change = nft.transaction()
      if (canDestroy) change.destroy.elements(set, takes ? [inside, box] : [inside])
      else if (takes) change.delete.elements(set, [box])
      await change.commit()
      if (takes) held = held.filter((other) => other !== box)
      const remove = nft.transaction()
      remove.delete.elements(set, [inside])
      await expect(remove.commit()).rejects.toMatchObject({ code: 'ENOENT' })
      const listed = new Set(Array.from(await nft.listElements(set), ({ key }) => JSON.stringify(key)))
      expect(listed).toEqual(new Set(held.map(({ key }) => JSON.stringify(key))))
    }
  })
})
