/**
 * Comparisons of links, addresses, the protocol and marks, as iptables reads them (nft-shared.c, nft-ipv4.c, nft-ipv6.c).
 */
import { invertible, type Invertible } from '../extensions/invertible.js'
import { ADDRESS_BYTES, prefixMask, type MaskedAddress } from './addresses.js'
import { isInverted, type Comparison, type Reading } from './reading.js'
import { ForeignRule, type Loaded } from './registers.js'
import { ALL_BITS, HOP_LIMIT_MODES, hopLimitLayout, markLayout, packetTypeLayout, wordLayout } from './structures.js'

type Reader = (reading: Reading, compared: Comparison) => void

/** What iptables-nft writes for `! -i +`. */
const NO_LINK = 'INVAL/D'

function linkName(compared: Comparison): Invertible<string> {
  const { data } = compared
  const end = data.indexOf(0)
  const name = Buffer.from(end < 0 ? data : data.subarray(0, end)).toString()
  const isNot = isInverted(compared, 'a link')
  if (name === NO_LINK && !isNot) return { not: '+' }
  return invertible(end < 0 ? `${name}+` : name, isNot)
}

function readProtocol(reading: Reading, compared: Comparison): void {
  reading.protocol = { number: compared.data[0] ?? 0, isInverted: isInverted(compared, 'the protocol') }
}

/** A number of 32 bits, whose bytes are those of this machine. @throws {ForeignRule} It is none. */
function word(data: Uint8Array | undefined, absent: number): number {
  if (data === undefined) return absent
  const read = wordLayout.read(data.slice(0, 4))
  if (read === undefined) throw new ForeignRule('a mark of another length than 4 bytes')
  return read.value
}

function maskOf(loaded: Loaded): Uint8Array | undefined {
  return loaded.kind === 'data' ? undefined : loaded.mask
}

function readMark(reading: Reading, compared: Comparison): void {
  const inverted = isInverted(compared, 'the mark') ? 1 : 0
  const info = markLayout.write({ mark: word(compared.data, 0), mask: word(maskOf(compared.loaded), ALL_BITS), inverted })
  reading.add({ name: 'mark', revision: 1, info })
}

function readPacketType(reading: Reading, compared: Comparison): void {
  const inverted = isInverted(compared, 'the type of the packet') ? 1 : 0
  reading.add({ name: 'pkttype', revision: 0, info: packetTypeLayout.write({ packetType: compared.data[0] ?? 0, inverted }) })
}

const META: Readonly<Record<string, Reader | undefined>> = {
  iifname: (reading, compared) => (reading.inInterface = linkName(compared)),
  oifname: (reading, compared) => (reading.outInterface = linkName(compared)),
  l4proto: readProtocol,
  mark: readMark,
  pkttype: readPacketType
}

/** Reads the comparison of what `meta` knows. @throws {ForeignRule} */
export function readMeta(reading: Reading, compared: Comparison, key: string | number): void {
  const read = META[key]
  if (read === undefined) throw new ForeignRule(`meta ${key}`)
  read(reading, compared)
}

function maskedAddress(reading: Reading, compared: Comparison): Invertible<MaskedAddress> {
  const bytes = ADDRESS_BYTES[reading.family]
  const { data, loaded } = compared
  if (data.length > bytes) throw new ForeignRule('addresses of the source and destination in one comparison')
  const address = new Uint8Array(bytes)
  address.set(data)
  const mask = new Uint8Array(bytes)
  mask.set(maskOf(loaded) ?? prefixMask(data.length, data.length * 8))
  return invertible({ address, mask }, isInverted(compared, 'an address'))
}

function readFragment(reading: Reading, compared: Comparison): void {
  if (maskOf(compared.loaded) === undefined) throw new ForeignRule('the flags of fragments')
  reading.fragment = isInverted(compared, 'the fragment offset')
}

/** Operators that compare with the next number, so that both ends are outside. */
const SHIFTS: Readonly<Record<string, { readonly op: keyof typeof HOP_LIMIT_MODES; readonly by: number } | undefined>> = {
  lte: { op: 'lt', by: 1 },
  gte: { op: 'gt', by: -1 }
}

function readHopLimit(reading: Reading, { op, data }: Comparison): void {
  const shift = SHIFTS[op]
  const hopLimit = (data[0] ?? 0) + (shift?.by ?? 0)
  const mode = HOP_LIMIT_MODES[(shift?.op ?? op) as keyof typeof HOP_LIMIT_MODES] as number | undefined
  if (mode === undefined || hopLimit < 0 || hopLimit > 255) throw new ForeignRule(`the hop limit compared by ${op}`)
  reading.add({ name: reading.family === 'ip' ? 'ttl' : 'hl', revision: 0, info: hopLimitLayout.write({ mode, hopLimit }) })
}

const readSource: Reader = (reading, compared) => (reading.source = maskedAddress(reading, compared))
const readDestination: Reader = (reading, compared) => (reading.destination = maskedAddress(reading, compared))

/** Fields of struct iphdr and struct ip6_hdr, by their offsets. */
const FIELDS: Readonly<Record<Reading['family'], Readonly<Record<number, Reader | undefined>>>> = {
  ip: { 6: readFragment, 8: readHopLimit, 9: readProtocol, 12: readSource, 16: readDestination },
  ip6: { 6: readProtocol, 7: readHopLimit, 8: readSource, 24: readDestination }
}

/** Reads the comparison of bytes of the header of IPv4 or IPv6. @throws {ForeignRule} */
export function readNetworkHeader(reading: Reading, compared: Comparison, offset: number): void {
  const read = FIELDS[reading.family][offset]
  if (read === undefined) throw new ForeignRule(`byte ${offset} of the network header`)
  read(reading, compared)
}
