/**
 * The order in which the original lists.
 */
import { parseAddress, type RealServer, type Protocol, type VirtualService } from 'netplane'

const PROTOCOLS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 }
const FAMILIES = { ip: 2, ip6: 10 } as const

/** What is compared: 32 bits each. */
interface Sortable {
  readonly words: readonly number[]
  readonly isIpv6: boolean
}

/** An address as four words; IPv4 fills the first. */
function wordsOf(address: string): number[] {
  const bytes = parseAddress(address) ?? new Uint8Array()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return [0, 4, 8, 12].map((at) => (at < bytes.length ? view.getUint32(at) : 0))
}

/** The original subtracts unsigned numbers and takes the difference for a signed one: those more than 2^31 apart are in reverse order. */
const difference = (a: number, b: number): number => (a - b) | 0

function firstDifference(a: readonly number[], b: readonly number[], count: number): number {
  for (let at = 0; at < count; at += 1) {
    const found = difference(a[at]!, b[at]!)
    if (found !== 0) return found
  }
  return 0
}

/** Merge sort, which qsort(3) is: the order above is not transitive, so how it is sorted shows in the result. */
function mergeSort<T>(list: readonly T[], compare: (a: T, b: T) => number): T[] {
  if (list.length < 2) return [...list]
  const middle = list.length >> 1
  const left = mergeSort(list.slice(0, middle), compare)
  const right = mergeSort(list.slice(middle), compare)
  const merged: T[] = []
  let [at, other] = [0, 0]
  while (at < left.length && other < right.length) merged.push(compare(left[at]!, right[other]!) <= 0 ? left[at++]! : right[other++]!)
  return [...merged, ...left.slice(at), ...right.slice(other)]
}

function sorted<T>(list: readonly T[], keyOf: (item: T) => Sortable, head: (a: T, b: T) => number): T[] {
  const items = list.map((item) => ({ item, key: keyOf(item) }))
  const compare = (a: (typeof items)[number], b: (typeof items)[number]): number => {
    const first = head(a.item, b.item)
    if (first !== 0) return first
    const last = a.key.words.length - 1
    return firstDifference(a.key.words, b.key.words, a.key.isIpv6 ? last : 1) || a.key.words[last]! - b.key.words[last]!
  }
  return mergeSort(items, compare).map(({ item }) => item)
}

/** By mark, family, protocol, address, port. */
export function sortServices<Service extends VirtualService>(services: readonly Service[]): Service[] {
  const keyOf = ({ address, port, family }: Service): Sortable => ({
    words: [...(address === undefined ? [0, 0, 0, 0] : wordsOf(address)), port ?? 0],
    isIpv6: family === 'ip6'
  })
  const protocol = ({ protocol: name }: Service): number => (name === undefined ? 0 : PROTOCOLS[name])
  return sorted(
    services,
    keyOf,
    (a, b) => difference(a.fwmark ?? 0, b.fwmark ?? 0) || FAMILIES[a.family] - FAMILIES[b.family] || protocol(a) - protocol(b)
  )
}

/** By address and port. */
export function sortServers(servers: readonly RealServer[]): RealServer[] {
  const keyOf = ({ address, port, family }: RealServer): Sortable => ({ words: [...wordsOf(address), port], isIpv6: family === 'ip6' })
  return sorted(servers, keyOf, () => 0)
}
