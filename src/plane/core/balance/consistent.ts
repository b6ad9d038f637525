/**
 * The table of scheduler `consistent`: which endpoint a client's slot has, so that few slots change hands when endpoints come and go.
 *
 * Each slot takes the endpoint that scores highest for it (rendezvous hashing: Thaler and Ravishankar, 1998), and passes over those that have their share and a bit more (bounded loads: Mirrokni, Thorup
 * and Zadimoghaddam, 2016). It is a pure function of the endpoints, so every node has the same table.
 */

/** Slots for up to {@link FEW_ENDPOINTS} endpoints, and for more. One size for nearly all, because another size is another table. */
const SMALL_TABLE = 4096
const LARGE_TABLE = 16_384
const FEW_ENDPOINTS = 512

/** How much more than its share an endpoint may have. More of it moves fewer clients, less of it is fairer: at 100 endpoints removing one moves 0.2 % of the other clients, 0.4 % at most. */
const BOUND = 1.15

/** Slots between two looks at the clock. */
const SLOTS_BETWEEN_YIELDS = 64

/** How many slots the table has; 0 without endpoints. */
export function tableSize(endpoints: number): number {
  if (endpoints === 0) return 0
  return endpoints <= FEW_ENDPOINTS ? SMALL_TABLE : LARGE_TABLE
}

/** The finalizer of MurmurHash3 (Appleby, public domain): every bit of the result depends on every bit of the argument. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** A number for an endpoint, by the bytes of its address and port (FNV-1a). */
export function endpointHash(bytes: Uint8Array): number {
  let hash = 0x811c_9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x0100_0193)
  return mix(hash)
}

const GOLDEN = 0x9e37_79b1

/**
 * Which endpoint each slot has, as indexes.
 *
 * @param hashes {@link endpointHash} of each endpoint, in canonical order.
 * @param weights Of each endpoint, above 0.
 * @param size Slots.
 * @returns By yielding now and then, as a table of many endpoints takes tens of milliseconds.
 */
export function* consistentTable(hashes: Uint32Array, weights: ArrayLike<number>, size: number): Generator<undefined, Uint32Array> {
  let sum = 0
  for (let index = 0; index < hashes.length; index++) sum += weights[index]!
  const room = Uint32Array.from(hashes, (_, index) => Math.ceil((size * weights[index]! * BOUND) / sum))
  const isEven = hashes.every((_, index) => weights[index] === weights[0])
  const table = new Uint32Array(size)
  for (let slot = 0; slot < size; slot++) {
    if (slot % SLOTS_BETWEEN_YIELDS === SLOTS_BETWEEN_YIELDS - 1) yield
    const salt = Math.imul(slot + 1, GOLDEN)
    const chosen = isEven ? highest(hashes, salt, room) : highestWeighted(hashes, weights, salt, room)
    room[chosen]!--
    table[slot] = chosen
  }
  return table
}

function highest(hashes: Uint32Array, salt: number, room: Uint32Array): number {
  let best = -1
  let chosen = 0
  for (let index = 0; index < hashes.length; index++) {
    if (room[index] === 0) continue
    const score = mix(hashes[index]! ^ salt)
    if (score > best) [best, chosen] = [score, index]
  }
  return chosen
}

/** An endpoint of weight w wins in proportion to w, where the score is -w / ln(u) for a number u between 0 and 1. */
function highestWeighted(hashes: Uint32Array, weights: ArrayLike<number>, salt: number, room: Uint32Array): number {
  let best = -1
  let chosen = 0
  for (let index = 0; index < hashes.length; index++) {
    if (room[index] === 0) continue
    const score = -weights[index]! / Math.log((mix(hashes[index]! ^ salt) + 0.5) / 0x1_0000_0000)
    if (score > best) [best, chosen] = [score, index]
  }
  return chosen
}
